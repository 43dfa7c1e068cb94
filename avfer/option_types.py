"""Types of options with a range: the builder of pipelines and the configurations check every value against them.

An option declares its range beside its type; NaN, infinity and booleans are never numbers:

    min_size: Annotated[Number, Field(ge=12, le=4096)] = 40.0  # px

A text such as "1e-3", which YAML 1.1 does not read as a number, is converted.
"""

import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields
from typing import Annotated, Any, NamedTuple

from pydantic import AllowInfNan, BeforeValidator, Field, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError, PydanticKnownError

from avfer.errors import ConfigError
from avfer.yaml_reader import shown


def _refuse_bool(value: Any) -> Any:
    """Return the value. Raises an error of pydantic for True and False, which Python counts among the integers."""
    if isinstance(value, bool):
        raise PydanticKnownError("float_type")
    return value


Number = Annotated[float, BeforeValidator(_refuse_bool), AllowInfNan(False)]  # finite
Count = Annotated[int, BeforeValidator(_refuse_bool)]
Share = Annotated[Number, Field(ge=0, le=1)]
Seconds = Annotated[Number, Field(ge=0, le=86_400)]
Threads = Annotated[Count, Field(ge=1, le=256)]


MESSAGES = {  # pydantic's type of an error -> what the value must be
    "greater_than_equal": "must be >= {ge:g}",
    "greater_than": "must be > {gt:g}",
    "less_than_equal": "must be <= {le:g}",
    "less_than": "must be < {lt:g}",
    "finite_number": "must be finite",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "int_parsing_size": "must be an integer of fewer digits",
    "int_from_float": "must be an integer",
    "literal_error": "must be {expected}",
    "string_type": "must be a text",
    "path_type": "must be a path",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}


TYPE_ERRORS = frozenset(name for name in MESSAGES if name.endswith(("_type", "_parsing"))) | {"literal_error"}
KEY_ERROR = "key_error"  # pydantic's type of the errors of `key_error`


def describe(details: ErrorDetails) -> str:
    """Return what a value must be, and the value: "must be <= 1, got 2". details: an error of pydantic."""
    return f"{_requirement(details)}, got {shown(details['input'])}"


def _requirement(details: ErrorDetails) -> str:
    """Return what a value must be: "must be <= 1"."""
    known = MESSAGES.get(details["type"])
    return known.format(**details.get("ctx", {})) if known else details["msg"].removeprefix("Value error, ")


def key_error(key: str, message: str) -> PydanticCustomError:
    """Return the error that a validator of a mapping raises for one of its keys; `first_problem` names its place."""
    return PydanticCustomError(KEY_ERROR, "{message}", {"message": message, "key": key})


class Problem(NamedTuple):
    """What is wrong with a configuration."""

    path: tuple[str, ...]  # keys that lead to the wrong value or key: ("optimiser", "rate")
    text: str  # "optimiser.rate: must be >= 0, got -1"


def first_problem(error: ValidationError, content: Any) -> Problem:
    """Return the error of pydantic that says most about a configuration.

    content: the mapping that was validated. A value of several possible types has an error for each of them: the one of
    the type that was parsed furthest is returned, and all of them if the value is of none of the types.
    """
    errors = error.errors()
    details = max(errors, key=lambda e: (e["type"] == "value_error", len(e["loc"]), e["type"] not in TYPE_ERRORS))
    path = _path(content, details["loc"])
    if details["type"] == KEY_ERROR:
        return Problem((*path, details.get("ctx", {})["key"]), _at(path, details["msg"]))
    if details["type"] == "missing":
        path = (*path, str(details["loc"][-1]))
        return Problem(path, _at(path, "is missing; add it"))
    if details["type"] == "value_error":
        return Problem(path, _at(path, details["msg"].removeprefix("Value error, ")))
    if details["type"] not in TYPE_ERRORS:
        return Problem(path, _at(path, describe(details)))
    same = [e for e in errors if e["type"] in TYPE_ERRORS and _path(content, e["loc"]) == path]
    return Problem(path, _at(path, _describe_types(same)))


def _describe_types(errors: list[ErrorDetails]) -> str:
    """Return what a value of several possible types must be: "must be 'all' or an integer, got 'some'".

    errors: those of the same value, one for each type.
    """
    kinds = [text.removeprefix("must be ") for text in dict.fromkeys(map(_requirement, errors))]
    text = " or ".join([", ".join(kinds[:-1]), kinds[-1]] if len(kinds) > 1 else kinds)
    return f"must be {text}, got {shown(errors[0]['input'])}"


def _at(path: tuple[str, ...], text: str) -> str:
    """Return "optimiser.rate: TEXT", and the text alone for the whole configuration."""
    return f"{'.'.join(path)}: {text}" if path else text


def _path(content: Any, location: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the keys that lead to a value (("optimiser", "rate")), without pydantic's names of types."""
    keys: list[str] = []
    for key in location:
        inner: Any = dict(enumerate(content)) if isinstance(content, list) else content
        if isinstance(inner, dict) and key in inner:
            keys.append(str(key))
            content = inner[key]
    return tuple(keys)


def validate(kind: Any, value: Any) -> Any:
    """Return a value as an instance of a type: the list [0, 1] as a tuple, 1 as 1.0.

    Raises ValueError that says what the value must be, and the value: "must be <= 1, got 2".
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        errors = error.errors()
        bounds = [e for e in errors if e["type"] not in TYPE_ERRORS]
        same = [e for e in errors if e["input"] is errors[0]["input"]]
        raise ValueError(describe(bounds[0]) if bounds else _describe_types(same)) from None
    except PydanticUserError:
        raise ValueError(f"cannot be set, because its type {kind!r} has no values in YAML") from None


def check_option(name: str, value: Any, kind: Any) -> None:
    """Raise ConfigError unless the value of an option is of a type, in its range."""
    try:
        validate(kind, value)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None


def check_given_option(name: str, value: Any, kind: Any) -> None:
    """Raise ConfigError if an option is given (not None) and is not of a type, in its range."""
    if value is not None:
        check_option(name, value, kind)


@contextmanager
def option_errors(option: str) -> Generator[None]:
    """Put the name of an option before the message of a ConfigError that is raised in the block.

    >>> with option_errors("reader"):
    ...     raise ConfigError("unknown reader 'vlc'")
    Traceback (most recent call last):
    avfer.errors.ConfigError: reader: unknown reader 'vlc'
    """
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from error


def check_options(stage: Any) -> None:
    """Raise ConfigError unless all options of a dataclass are of the declared types, in their ranges."""
    for option in fields(stage):
        if option.init:
            check_option(option.name, getattr(stage, option.name), option.type)


def parse_seconds(value: float | str, option: str) -> float:
    """Return a time in seconds that is written as a number, "mm:ss" or "hh:mm:ss". Raises ConfigError for other text.

    >>> parse_seconds("01:02:03.5", "start")
    3723.5
    """
    try:
        parts = [float(part) for part in str(value).split(":")]
    except ValueError:
        parts = []
    seconds = sum(part * 60**place for place, part in enumerate(reversed(parts)))
    right = 1 <= len(parts) <= 3 and all(0 <= part < 60 for part in parts[1:]) and 0 <= seconds < math.inf
    if not right:
        raise ConfigError(f"{option}: must be seconds >= 0 or hh:mm:ss, got {value!r}")
    return seconds

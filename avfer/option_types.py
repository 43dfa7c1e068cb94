"""Types of options with a range: the builder of pipelines and the configurations check every value against them.

An option declares its range beside its type; NaN, infinity and booleans are never numbers:

    min_size: Annotated[Number, Field(ge=12, le=4096)] = 40.0  # px

A text such as "1e-3", which YAML 1.1 does not read as a number, is converted.
"""

import inspect
import math
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import AllowInfNan, BaseModel, BeforeValidator, Field, PydanticUserError, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError, PydanticKnownError

from avfer.errors import ConfigError, unknown
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
DEVICES = ("auto", "cpu", "cuda", "mps")
DEVICE = re.compile(r"auto|(cpu|cuda|mps)(:[0-9]{1,2})?")  # "cuda:1" is the second of a kind


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
    "list_type": "must be a list such as [a, b]",
    "tuple_type": "must be a list such as [a, b]",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "extra_forbidden": "is no known field",
}


TYPE_ERRORS = frozenset(name for name in MESSAGES if name.endswith(("_type", "_parsing"))) | {"literal_error"}
LOWER, UPPER = {"ge": "[", "gt": "("}, {"le": "]", "lt": ")"}  # bounds of a range in an error of pydantic -> bracket
KEY_ERROR = "key_error"  # pydantic's type of the errors of `key_error`


def describe_error(details: ErrorDetails, kind: Any) -> str:
    """Return what a value must be, and the value: "must be in [0, 1], got 2".

    details: an error of pydantic; kind: the type or the model that was validated.
    """
    return f"{_requirement(details, kind)}, got {shown(details['input'])}"


def _requirement(details: ErrorDetails, kind: Any) -> str:
    """Return what a value must be: "must be in [0, 1]", and "must be >= 0" if it has one bound only."""
    if text := _range_text(details, kind):
        return text
    known = MESSAGES.get(details["type"])
    return known.format(**details.get("ctx", {})) if known else details["msg"].removeprefix("Value error, ")


def _range_text(details: ErrorDetails, kind: Any) -> str | None:
    """Return "must be in [0, 1]" for a number that misses one of its two bounds, None for any other error."""
    missed = {name: bound for name, bound in details.get("ctx", {}).items() if name in LOWER | UPPER}
    if not missed:
        return None
    found = [bounds for bounds in _bounds(_type_at(kind, details["loc"])) if missed.items() <= bounds.items()]
    lower, upper = ([name for bounds in found[:1] for name in names if name in bounds] for names in (LOWER, UPPER))
    if not lower or not upper or any(bounds != found[0] for bounds in found):
        return None
    low, high = found[0][lower[0]], found[0][upper[0]]
    return f"must be in {LOWER[lower[0]]}{low:.12g}, {high:.12g}{UPPER[upper[0]]}"


def _type_at(kind: Any, location: tuple[int | str, ...]) -> Any:
    """Return the type of the field that a location leads to through nested models; it may be a list of such types."""
    for key in location:
        models = (part for part in _parts(kind) if inspect.isclass(part) and issubclass(part, BaseModel))
        field = next((model.model_fields[key] for model in models if key in model.model_fields), None)
        kind = kind if field is None else Annotated[field.annotation, field]
    return kind


def _bounds(kind: Any) -> Iterator[dict[str, float]]:
    """Yield the bounds of every number in a type: {"ge": 0, "le": 1}."""
    for part in _parts(kind):
        notes = part.__metadata__ if get_origin(part) is Annotated else ()
        rules = [rule for note in notes for rule in (note.metadata if isinstance(note, FieldInfo) else (note,))]
        values = ((name, getattr(rule, name, None)) for rule in rules for name in LOWER | UPPER)
        if bounds := {name: bound for name, bound in values if bound is not None}:
            yield bounds


def _parts(kind: Any) -> Iterator[Any]:
    """Yield a type and the types that it consists of: tuple[int, str] | None and its parts."""
    yield kind
    for argument in get_args(kind):
        yield from _parts(argument)


def key_error(key: str, message: str) -> PydanticCustomError:
    """Return the error that a validator of a mapping raises for one of its keys; `first_problem` names its place."""
    return PydanticCustomError(KEY_ERROR, "{message}", {"message": message, "key": key})


class Problem(NamedTuple):
    """What is wrong with a configuration."""

    path: tuple[str, ...]  # keys that lead to the wrong value or key: ("optimiser", "rate")
    text: str  # "optimiser.rate: must be >= 0, got -1"


def first_problem(error: ValidationError, content: Any, model: type[BaseModel]) -> Problem:
    """Return the error of pydantic that says most about a configuration.

    content: the mapping that was validated as an instance of `model`. A value of several possible types has an error
    for each of them: the one of the type that was parsed furthest is returned, and all of them if the value is of none
    of the types.
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
        return Problem(path, _at(path, describe_error(details, model)))
    same = [e for e in errors if e["type"] in TYPE_ERRORS and _path(content, e["loc"]) == path]
    return Problem(path, _at(path, _describe_types(same, model)))


def _describe_types(errors: list[ErrorDetails], kind: Any) -> str:
    """Return what a value of several possible types must be: "must be 'all' or an integer, got 'some'".

    errors: those of the same value, one for each type; kind: as in `describe_error`.
    """
    kinds = [text.removeprefix("must be ") for text in dict.fromkeys(_requirement(error, kind) for error in errors)]
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

    Raises ValueError that says what the value must be, and the value: "must be in [0, 1], got 2".
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        errors = error.errors()
        bounds = [e for e in errors if e["type"] not in TYPE_ERRORS]
        same = [e for e in errors if e["input"] is errors[0]["input"]]
        raise ValueError(describe_error(bounds[0], kind) if bounds else _describe_types(same, kind)) from None
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


def check_device(name: str) -> None:
    """Raise ConfigError unless a text names a kind of device, such as "cuda:1"; this machine may lack it."""
    if name.lower().startswith("gpu"):  # the nearest name would be "cpu"
        raise ConfigError(f"unknown device '{name}'; a GPU is 'cuda' (NVIDIA, AMD) or 'mps' (Apple)")
    if not DEVICE.fullmatch(name):
        raise ConfigError(unknown("device", name, DEVICES))


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

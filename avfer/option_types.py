"""Types of options with a range: the builder of pipelines and the configurations check every value against them.

An option declares its range beside its type; NaN, infinity and booleans are never numbers:

    min_size: Annotated[Number, Field(ge=12, le=4096)] = 40.0  # px

A text such as "1e-3", which YAML 1.1 does not read as a number, is converted.
"""

import math
from dataclasses import fields
from typing import Annotated, Any

from pydantic import AllowInfNan, BeforeValidator, Field, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from avfer.errors import ConfigError
from avfer.yaml_reader import shown


def _refuse_bool(value: Any) -> Any:
    """Return the value. Raises ValueError for True and False, which Python counts among the integers."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
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
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}


def describe(details: ErrorDetails) -> str:
    """Return what a value must be, and the value: "must be <= 1, got 2". details: an error of pydantic."""
    known = MESSAGES.get(details["type"])
    message = known.format(**details.get("ctx", {})) if known else details["msg"].removeprefix("Value error, ")
    return f"{message}, got {shown(details['input'])}"


def validate(kind: Any, value: Any) -> Any:
    """Return a value as an instance of a type: the list [0, 1] as a tuple, 1 as 1.0.

    Raises ValueError that says what the value must be, and the value: "must be <= 1, got 2".
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ValueError(describe(error.errors()[0])) from None
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

"""A data file of SPSS (.sav) with labels of variables and values. Needs pyreadstat (`avfer[spss]`)."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from avfer.atomic import atomic_write
from avfer.errors import MissingExtra
from avfer.export.column_facts import action_unit_scale, describe_column

MAX_NAME, MAX_LABEL = 64, 256  # bytes, of a variable's name and label in SPSS
RESERVED = {"all", "and", "by", "eq", "ge", "gt", "le", "lt", "ne", "not", "or", "to", "with"}
YES_NO: dict[int | float, str] = {0: "no", 1: "yes"}
WHOLE, DECIMAL, TIME = "F8.0", "F12.4", "F16.6"  # shown widths and decimals; the values themselves are complete


@dataclass
class SpssData:
    """Exporter "spss": one case for each row of the table, a variable for each column.

    Numbers are double, missing ones system-missing; truth values are 0 and 1 with the labels "no" and "yes"; missing
    text is empty. A column of your own manifest whose name SPSS does not take is renamed; its label is the old name.
    """

    suffix: ClassVar[str] = ".sav"
    needs_frames: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Raise MissingExtra without pyreadstat: before a clip is analysed, not after it."""
        if find_spec("pyreadstat") is None:
            raise MissingExtra("export spss", "pyreadstat", "spss")

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write the file; the clip is not read.

        Raises OutputError if the file cannot be written.
        """
        import pandas as pd
        from pyreadstat import write_sav

        names = variable_names(table.column_names)
        frame: Any = pd.DataFrame(dict(zip(names, map(_values, table.columns), strict=True)))
        labels: list[str | None] = [_label(name, action_unit_scale(table)) for name in table.column_names]
        flags = [names[index] for index, field in enumerate(table.schema) if pa.types.is_boolean(field.type)]
        with atomic_write(path) as part:
            write_sav(
                frame,
                part,
                column_labels=labels,
                variable_value_labels=dict.fromkeys(flags, YES_NO),
                variable_format=_formats(table.schema, names),
                row_compress=True,  # the compression of .zsav is one that several programs do not read
            )


def variable_names(columns: list[str]) -> list[str]:
    """Return a different name for each column that SPSS takes: letters, digits and "_", first a letter.

    >>> variable_names(["au12", "2nd try", "not"])
    ['au12', 'v_2nd_try', 'v_not']
    """
    names: list[str] = []
    for column in columns:
        name = re.sub(r"[^A-Za-z0-9_]", "_", column).rstrip("_")[: MAX_NAME - 4] or "v"
        if not name[0].isalpha() or name.lower() in RESERVED:
            name = f"v_{name}"
        taken = {one.lower() for one in names}
        number = 2
        unique = name
        while unique.lower() in taken:
            unique, number = f"{name}_{number}", number + 1
        names.append(unique)
    return names


def _formats(schema: pa.Schema, names: list[str]) -> dict[str, str]:
    """Return how SPSS shows each variable with numbers: by default, with two decimals, 0.004 would be 0.00.

    names: of the variables, one for each field.
    """
    formats: dict[str, str] = {}
    for name, field in zip(names, schema, strict=True):
        if pa.types.is_floating(field.type):
            formats[name] = TIME if field.name == "time_s" else DECIMAL
        elif pa.types.is_integer(field.type) or pa.types.is_boolean(field.type):
            formats[name] = WHOLE
    return formats


def _label(name: str, scale: str) -> str:
    """Return the label of a variable with its unit, cut at a character to MAX_LABEL bytes.   scale: of action units"""
    facts = describe_column(name, scale)
    label = f"{facts.label} ({facts.unit})" if facts.unit else facts.label
    return label.encode()[:MAX_LABEL].decode(errors="ignore")


def _values(column: pa.ChunkedArray) -> list[str] | np.ndarray:
    """Return text, with "" where it is missing, or (N,) float64 with NaN where it is missing."""
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        kind = pa.int8() if pa.types.is_boolean(column.type) else column.type
        numbers = column.cast(kind).cast(pa.float64()).to_numpy(zero_copy_only=False)
        return numbers if column.type != pa.float32() else _shortest(column)
    return ["" if value is None else str(value).replace("\0", "\ufffd") for value in column.to_pylist()]  # \0 ends text


def _shortest(column: pa.ChunkedArray) -> np.ndarray:
    """Return float32 numbers as the shortest decimals that identify them: 0.3 and not 0.30000001192092896."""
    return column.cast(pa.string()).cast(pa.float64()).to_numpy(zero_copy_only=False)

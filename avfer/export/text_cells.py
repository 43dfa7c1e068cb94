"""Rows of text cells for CSV and TSV files: short numbers, a word for missing values, and no formulas."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")  # at the start of a cell, spreadsheets read these as a formula
TIME_DIGITS = 6  # decimals of a time in seconds


def without_formula(text: str) -> str:
    """Return a text that a spreadsheet shows as it is, with an apostrophe before what it would run as a formula.

    >>> without_formula("=1+1")
    "'=1+1"
    """
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def number_cell(value: float, missing: str = "") -> str:
    """Return a number with the fewest digits that identify it as float32, `missing` for NaN.

    >>> number_cell(0.30000001192092896)
    '0.3'
    """
    return missing if np.isnan(value) else _plain(np.float32(value))


def time_cell(seconds: float) -> str:
    """Return a time in seconds, rounded to 1 microsecond.

    >>> time_cell(1 / 3)
    '0.333333'
    """
    return _plain(np.float64(round(float(seconds), TIME_DIGITS)))


def number_cells(values: np.ndarray, missing: str = "") -> list[str]:
    """Return each of (N,) numbers as `number_cell` does."""
    return [number_cell(value, missing) for value in values.tolist()]


def column_cells(column: pa.ChunkedArray, missing: str = "", decimal: str = ".") -> list[str]:
    """Return the values of a column as text cells.

    Numbers have the fewest digits that identify them in the type of the column, and `decimal` as decimal mark; text is
    safe from formulas; truth values are "true" and "false"; null and NaN are `missing`.
    """
    if pa.types.is_floating(column.type):
        kind = np.float32 if column.type == pa.float32() else np.float64
        numbers = column.to_pylist()
        return [missing if one is None or one != one else _plain(kind(one)).replace(".", decimal) for one in numbers]
    if pa.types.is_boolean(column.type):
        return [missing if value is None else str(value).lower() for value in column.to_pylist()]
    if pa.types.is_integer(column.type):
        return [missing if value is None else str(value) for value in column.to_pylist()]
    return [missing if value is None else without_formula(str(value)) for value in column.to_pylist()]


def write_cells(
    path: Path, header: Sequence[str] | None, columns: Iterable[Sequence[str]], delimiter: str = ",", mark: bool = False
) -> None:
    """Write columns of equally many cells as UTF-8 text with a header line; None: without one.

    mark: begin with a byte order mark, without which Excel takes UTF-8 for the older encoding of the system.
    Cells with the delimiter, a quotation mark or a line break are quoted. Lines end in "\\n".
    """
    with path.open("w", encoding="utf-8-sig" if mark else "utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        if header is not None:
            writer.writerow([without_formula(name) for name in header])
        writer.writerows(zip(*columns, strict=True))


def _plain(value: np.floating) -> str:
    """Return the shortest digits of a number, without an exponent: "0.00001", and "2" for 2.0."""
    return "0" if value == 0 else np.format_float_positional(value, trim="-") if np.isfinite(value) else str(value)

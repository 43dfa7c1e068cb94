"""Text formats of label files: plain lines, tables with separators (CSV), and ARFF, the format of AVEC.

Files are UTF-8 with or without a byte order mark, with LF or CRLF line ends. Whatever cannot be read unambiguously
(another encoding, a decimal comma, a word in place of a number) is a DatasetError that names the file and the line.
"""

import codecs
import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from avfer.errors import DatasetError, counted

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")
# Spellings of a missing value, in lower case: of ARFF (?), R (NA), BIDS (n/a), spreadsheets (#N/A), pandas (<NA>).
MISSING = frozenset({"", "nan", "na", "?", "n/a", "#n/a", "null", "<na>"})
ARFF_NAME = r"""(?:'([^']*)'|"([^"]*)"|([^'"{\s][^{]*?)(?=[\s{]))"""
ARFF_ATTRIBUTE = re.compile(rf"@attribute\s+{ARFF_NAME}\s*(?:\{{.*\}}|[^\s'\"{{}}]+)\s*", re.IGNORECASE)


class TableRow(NamedTuple):
    """One row of a table."""

    line: int  # line of the file where the row ends, counted from 1
    cells: list[str]  # without quotes and surrounding blanks


@dataclass(frozen=True)
class ArffTable:
    """The columns and rows of an ARFF file, cells as text."""

    names: tuple[str, ...]  # of the columns, as spelled in the file
    rows: list[TableRow]


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file without their line ends, blank lines included.

    The n-th item is line n of the file, counted from 1. The file is read lazily and is never in memory as a whole.
    Raises DatasetError if the file cannot be opened or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            for line, raw in enumerate(file, start=1):
                yield _decode(raw.removeprefix(codecs.BOM_UTF8) if line == 1 else raw, path, line)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}; check the path, or copy it again") from error


def read_lines(path: Path) -> list[str]:
    """Return all lines of a file without the blank ones at its end. Raises DatasetError as `lines` does."""
    found = list(lines(path))
    while found and not found[-1].strip():
        found.pop()
    return found


def parse_number(cell: str, where: str) -> float:
    """Return the finite number in a cell, NaN if the cell is empty or another spelling of `MISSING`.

    where: location for the error message, such as `labels/dev_1.csv, line 7`.
    Raises DatasetError for any other text, also for a decimal comma, `inf`, `1_000` and digits of other scripts.

    >>> parse_number(" -0.5 ", "labels/dev_1.csv, line 7")
    -0.5
    """
    text = cell.strip()
    if text.lower().lstrip("+-") in MISSING:
        return math.nan
    if NUMBER.fullmatch(text):
        return float(text)
    if DECIMAL_COMMA.fullmatch(text):
        raise DatasetError(
            f"{where}: '{text}' has a decimal comma (was the file saved again by a spreadsheet?); use decimal points"
        )
    raise DatasetError(f"{where}: '{text}' is not a number; correct it, or copy the file again")


def parse_integer(cell: str, where: str) -> int:
    """Return the whole number in a cell (`3` or `3.0`). Raises DatasetError for any other text, also an empty cell."""
    value = parse_number(cell, where)
    if not value.is_integer():
        raise DatasetError(f"{where}: '{cell.strip()}' is not a whole number; correct it, or copy the file again")
    return int(value)


def read_rows(path: Path, separator: str = ",", quote: str = '"') -> Iterator[TableRow]:
    """Yield the rows of a table one at a time, a header included, blank lines left out.

    Raises DatasetError if the file is not UTF-8 or its quotes do not match.
    """
    table = csv.reader(lines(path), delimiter=separator, quotechar=quote, skipinitialspace=True, strict=True)
    try:
        for cells in table:
            if any(cell.strip() for cell in cells):
                yield TableRow(table.line_num, [cell.strip() for cell in cells])
    except csv.Error as error:
        raise DatasetError(f"{path}, line {table.line_num}: {error}; copy the file again") from error


def is_header(cells: list[str]) -> bool:
    """Return whether a row is a header: none of its cells is a number."""
    return not any(NUMBER.fullmatch(cell) for cell in cells)


def same_width(row: TableRow, width: int, path: Path) -> list[str]:
    """Return the `width` cells of a row, without surplus empty cells at its end.

    Raises DatasetError, which names the line, for a row of another width.
    """
    cells = without_empty_end(row.cells, width)
    if len(cells) != width:
        raise DatasetError(f"{path}, line {row.line}: {wrong_width(len(cells), width)}")
    return cells


def without_empty_end(cells: list[str], least: int = 0) -> list[str]:
    """Return cells without the blank ones at their end, but at least the first `least` of them.

    >>> without_empty_end(["a", "", "b", "", " "])
    ['a', '', 'b']
    """
    count = len(cells)
    while count > least and not cells[count - 1].strip():
        count -= 1
    return cells[:count]


def wrong_width(found: int, expected: int) -> str:
    """Return the error message for a row of `found` cells in a table of `expected` columns."""
    return (
        f"{counted(found, 'cell')}, expected {expected}; "
        "look for a decimal comma, another separator or a truncated line, and copy the file again"
    )


def read_arff(path: Path) -> ArffTable:
    """Read a whole ARFF file: `@attribute NAME TYPE` for each column, `@data`, then comma-separated rows.

    Raises DatasetError without `@data`, without rows, or for a row whose width differs from the number of attributes.
    """
    numbered = ((line, text.strip()) for line, text in enumerate(lines(path), start=1))
    content = ((line, text) for line, text in numbered if text and not text.startswith("%"))
    names = _attribute_names(content, path)
    table = [TableRow(line, _arff_cells(text)) for line, text in content]
    for row in table:
        if len(row.cells) != len(names):
            raise DatasetError(f"{path}, line {row.line}: {wrong_width(len(row.cells), len(names))}")
    if not table:
        raise DatasetError(f"{path}: no row after @data; copy the file again")
    return ArffTable(names, table)


def _attribute_names(content: Iterator[tuple[int, str]], path: Path) -> tuple[str, ...]:
    """Consume the header up to `@data` and return the names of the attributes."""
    names: list[str] = []
    for line, text in content:
        word = text.split(maxsplit=1)[0].lower()
        if word == "@data":
            return tuple(names)
        if word == "@attribute":
            match = ARFF_ATTRIBUTE.fullmatch(text)
            if match is None:
                raise DatasetError(f"{path}, line {line}: expected '@attribute NAME TYPE', got '{text}'; copy it again")
            names.append(next(name for name in match.groups() if name is not None).strip())
        elif word != "@relation":
            raise DatasetError(f"{path}, line {line}: unexpected '{text[:40]}' before @data; is this an ARFF file?")
    raise DatasetError(f"{path} has no line @data: not an ARFF file, or truncated; copy it again")


def _arff_cells(text: str) -> list[str]:
    """Return the cells of a row of ARFF without their quotes, single or double."""
    quote = "'" if "'" in text else '"'
    return [cell.strip() for cell in next(csv.reader([text], quotechar=quote, skipinitialspace=True))]


def _decode(raw: bytes, path: Path, line: int) -> str:
    """Return a line as text without its line end. Raises DatasetError if it is not UTF-8, or ends with CR alone."""
    if b"\0" in raw or raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DatasetError(f"{path}, line {line}: not UTF-8 (UTF-16, or a binary file); save it as UTF-8")
    content = raw.rstrip(b"\r\n")
    if b"\r" in content:
        raise DatasetError(
            f"{path}, line {line}: a carriage return without a line feed; save it with the line ends LF or CRLF"
            " (in a spreadsheet: CSV UTF-8, not CSV Macintosh)"
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}, line {line}: not UTF-8 (byte 0x{raw[error.start]:02x}); save it as UTF-8"
        ) from error

"""Text files of corpora: UTF-8 with or without a mark at the beginning, lines that end in LF or CRLF, plain numbers.

Whatever cannot be read for certain (another encoding, a decimal comma, a word for a number) is a DatasetError that
names the file and the line.
"""

import codecs
import math
import re
from collections.abc import Iterator
from pathlib import Path

from avfer.errors import DatasetError

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")
MISSING = frozenset({"", "nan", "na", "?"})  # how the corpora write that there is no value, in small letters


def lines(path: Path) -> Iterator[str]:
    """The lines of a file, without their ends, blank ones too; one at a time, so a long file costs no memory.

    The n-th one is line n of the file, counted from 1. DatasetError where there is no file, or it is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                yield _decoded(raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw, path, number)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}; check the path, or copy it again") from error


def read_lines(path: Path) -> list[str]:
    """All lines of a file; blank ones at its end are left out."""
    found = list(lines(path))
    while found and not found[-1].strip():
        found.pop()
    return found


def number(cell: str, place: str) -> float:
    """A finite number with a decimal point, or NaN where the cell is empty, `nan` or `?`.

    `place` is what an error calls the cell: `labels/dev_1.csv, line 7`. DatasetError for anything else.
    """
    text = cell.strip()
    if text.lower().lstrip("+-") in MISSING:
        return math.nan
    if NUMBER.fullmatch(text):
        return float(text)
    if DECIMAL_COMMA.fullmatch(text):
        raise DatasetError(f"{place}: '{text}' has a decimal comma; write decimal points (the file was re-saved)")
    raise DatasetError(f"{place}: '{text}' is no number; copy the file again from the distribution")


def integer(cell: str, place: str) -> int:
    """A whole number (`3` or `3.0`). DatasetError for anything else, an empty cell too."""
    value = number(cell, place)
    if not value.is_integer():
        raise DatasetError(f"{place}: '{cell.strip()}' is no whole number; copy the file again from the distribution")
    return int(value)


def _decoded(raw: bytes, path: Path, number: int) -> str:
    if b"\0" in raw or raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DatasetError(f"{path}, line {number}: no UTF-8 (UTF-16, or no text at all); save it as UTF-8")
    try:
        return raw.rstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError as error:
        byte = f"byte 0x{raw[error.start]:02x}"
        raise DatasetError(f"{path}, line {number}: no UTF-8 ({byte}); save it as UTF-8") from error

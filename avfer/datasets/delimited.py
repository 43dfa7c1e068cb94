"""Tables with separators, `;` or `,`, with or without a header."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from avfer.datasets.text import NUMBER, lines
from avfer.errors import DatasetError


class Row(NamedTuple):
    """One row of a file."""

    line: int  # of the file, counted from 1: where the row ends
    cells: list[str]  # without quotes and without blanks around


def rows(path: Path, separator: str = ",", quote: str = '"') -> Iterator[Row]:
    """The rows of a file, one at a time, a header too; blank lines are left out. DatasetError where it is no text."""
    table = csv.reader(lines(path), delimiter=separator, quotechar=quote, skipinitialspace=True, strict=True)
    try:
        for cells in table:
            if any(cell.strip() for cell in cells):
                yield Row(table.line_num, [cell.strip() for cell in cells])
    except csv.Error as error:
        raise DatasetError(f"{path}, line {table.line_num}: {error}; copy the file again") from error


def is_header(cells: list[str]) -> bool:
    """Whether a row names columns: none of its cells is a number."""
    return not any(NUMBER.fullmatch(cell) for cell in cells)


def same_width(row: Row, width: int, path: Path) -> list[str]:
    """The cells of a row, empty ones at its end left out. DatasetError unless there are `width` of them."""
    cells = row.cells
    while len(cells) > width and not cells[-1]:
        cells = cells[:-1]
    if len(cells) != width:
        told = f"{len(cells)} cells where {width} are expected"
        raise DatasetError(f"{path}, line {row.line}: {told}; a decimal comma, another separator, or cut off?")
    return cells

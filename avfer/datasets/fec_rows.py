"""Rows of Google's facial expression comparison data: three faces by URL and box, and who finds which least alike."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avfer.datasets.delimited import Row, rows
from avfer.datasets.example import Notes
from avfer.datasets.text import NUMBER, integer, number
from avfer.errors import DatasetError

KINDS = ("ONE_CLASS_TRIPLET", "TWO_CLASS_TRIPLET", "THREE_CLASS_TRIPLET")  # how many expressions its faces have
FACES, BOUNDS = 3, 4
COMMA = "rows with a comma in a URL that has no quotes: put together again"


class Triplet(NamedTuple):
    """One row."""

    line: int
    urls: tuple[str, ...]
    bounds: np.ndarray  # (3, 4) left, right, top, bottom of the face, as fractions of width and height
    kind: str  # one of KINDS
    votes: np.ndarray  # (3,) how many found this face the least alike


def read_triplets(path: Path, notes: Notes) -> Iterator[Triplet]:
    """The rows of a file without a header, one at a time. DatasetError, which names the line, for a damaged one."""
    for row in rows(path):
        place = f"{path}, line {row.line}"
        kind = next((at for at, cell in enumerate(row.cells) if cell in KINDS), None)
        if kind is None:
            raise DatasetError(f"{place}: no {', '.join(KINDS)} in it; give the file as Google distributes it")
        faces = row.cells[:kind]
        if kind != FACES * (1 + BOUNDS):
            faces = _mended(row, kind, place)
            notes.add(COMMA, place)
        urls = tuple(faces[:: 1 + BOUNDS])
        cells = [cell for at, cell in enumerate(faces) if at % (1 + BOUNDS)]
        bounds = np.array([number(cell, place) for cell in cells]).reshape(FACES, BOUNDS)
        yield Triplet(row.line, urls, bounds, row.cells[kind], _votes(row.cells[kind + 1 :], place))


def _mended(row: Row, kind: int, place: str) -> list[str]:
    """The cells of three faces, each URL in one: it begins with `http`, and four numbers stand after it."""
    cells = row.cells[:kind]
    starts = [at for at, cell in enumerate(cells) if cell.lower().startswith("http")]
    found: list[str] = []
    for start, stop in zip(starts, [*starts[1:], kind], strict=True):
        bounds = cells[stop - BOUNDS : stop]
        if stop - start <= BOUNDS or not all(NUMBER.fullmatch(cell) for cell in bounds):
            break
        found += [",".join(cells[start : stop - BOUNDS]), *bounds]
    if len(found) != FACES * (1 + BOUNDS) or starts[0]:
        told = f"the kind of the triplet is cell {kind + 1}, where {FACES * (1 + BOUNDS) + 1} is expected"
        raise DatasetError(f"{place}: {told}; a cell is lost, or too many are there: copy the file again")
    return found


def _votes(cells: list[str], place: str) -> np.ndarray:
    """(3,) from pairs of an annotator and a choice of 1 to 3; there are more or fewer of them in each row."""
    while cells and not cells[-1]:
        cells = cells[:-1]
    if len(cells) % 2:
        raise DatasetError(f"{place}: an annotator without a choice; the row was cut off, copy the file again")
    choices = [integer(cell, place) for cell in cells[1::2]]
    if wrong := [choice for choice in choices if not 1 <= choice <= FACES]:
        raise DatasetError(f"{place}: choice {wrong[0]}; it should be 1, 2 or 3")
    return np.bincount([choice - 1 for choice in choices], minlength=FACES).astype(np.float64)

"""Ratings and gold standards of RECOLA, from their files to series."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

from avfer.datasets import arff
from avfer.datasets.delimited import is_header, rows, same_width
from avfer.datasets.example import Notes
from avfer.datasets.gold_standard import Procedure, gold_standard
from avfer.datasets.listing import plain
from avfer.datasets.series import Series, make_series
from avfer.datasets.text import lines, number
from avfer.errors import AvferWarning, DatasetError

TIMES = frozenset({"time", "frametime", "timestamp", "times", "time(s)"})
SWAPPED = "gold standards whose rows name another recording"
NO_HEADER = "ratings without a header: raters are numbered"
SILENT = "raters without a single rating: left out of the gold standard"


def read_ratings(path: Path, notes: Notes) -> Series:
    """(T, R) ratings of one recording: `;`, a header `time` and the raters, a row every 40 ms."""
    table = rows(path, _separator(path))
    first = next(table, None)
    if first is None:
        raise DatasetError(f"{path} is empty; copy it again")
    headed = is_header(first.cells)
    if not headed:
        notes.add(NO_HEADER, path)
    names = _without_blanks(first.cells) if headed else ["time", *map(str, range(1, len(_without_blanks(first.cells))))]
    if len(names) < 2:
        raise DatasetError(f"{path}, line 1: {first.cells} is no time and raters separated by ';'; copy it again")
    at = _time_column(names)
    times: list[float] = []
    values: list[list[float]] = []
    for row in table if headed else (first, *table):
        cells = [number(cell, f"{path}, line {row.line}") for cell in same_width(row, len(names), path)]
        times.append(cells.pop(at))
        values.append(cells)
    del names[at]
    return make_series(times, values, tuple(names), path, notes)


def read_gold(path: Path, identify: Callable[[str], str | None], notes: Notes) -> Series:
    """(T, 1) gold standard of one recording: ARFF of its name, the time and the value."""
    table = arff.read(path)
    if len(table.names) < 2:
        raise DatasetError(f"{path}: attributes {table.names} are no name, time and gold standard; copy it again")
    at = _time_column(table.names, len(table.names) - 2)
    times: list[float] = []
    values: list[list[float]] = []
    for line, cells in table.rows:
        place = f"{path}, line {line}"
        times.append(number(cells[at], place))
        values.append([number(cells[-1], place)])
    named = identify(table.rows[0][1][0])
    if named and named != identify(path.stem):
        notes.add(SWAPPED, f"{path} ({named})", fault=True)
    return make_series(times, values, ("gold standard",), path, notes)


def rate(ratings: Series, procedure: str, path: Path, notes: Notes) -> Series:
    """(T, 1) gold standard made of ratings; steps that nobody rated are NaN."""
    spoken = ~np.isnan(ratings.values).all(axis=0)
    notes.add(SILENT, path, int((~spoken).sum()))
    if not spoken.any():
        return Series(ratings.times, np.full((len(ratings.times), 1), np.nan), ("gold standard",))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", AvferWarning)
        try:
            values = gold_standard(ratings.values[:, spoken].T, cast(Procedure, procedure))
        except DatasetError as error:
            raise DatasetError(f"{path}: {error}") from error
    for warning in told:
        notes.add(f"recordings of which {warning.message}", path)
    return Series(ratings.times, values[:, None], ("gold standard",))


def _separator(path: Path) -> str:
    first = next((line for line in lines(path) if line.strip()), "")
    return next((mark for mark in (";", "\t", ",") if mark in first), ";")


def _time_column(names: list[str] | tuple[str, ...], otherwise: int = 0) -> int:
    return next((index for index, name in enumerate(names) if plain(name) in TIMES), otherwise)


def _without_blanks(cells: list[str]) -> list[str]:
    last = max((index for index, cell in enumerate(cells) if cell), default=-1)
    return cells[: last + 1]

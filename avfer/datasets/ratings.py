"""Ratings of a recording over time, and the files of RECOLA and AVEC that contain them.

`Ratings` holds (T, C) values at their own times. Two of them are aligned by time, to the millisecond; nothing is
interpolated, and row numbers do not matter.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avfer.datasets.example import Labels, Notes
from avfer.datasets.gold_standard import Procedure, gold_standard
from avfer.datasets.listing import plain
from avfer.datasets.text_files import (
    is_header,
    lines,
    parse_number,
    read_arff,
    read_rows,
    same_width,
    without_empty_end,
)
from avfer.errors import AvferWarning, DatasetError

TIME_COLUMNS = frozenset({"time", "frametime", "timestamp", "times", "time(s)"})
GOLD = ("gold standard",)  # name of the one column of a gold standard
OUTSIDE = "values outside [-1, 1]: not valid"
REPEATED_TIME = "rows that repeat a time: the first is kept"
GAP = "stretches of time without a row"
OTHER_RECORDING = "gold standards whose rows name another recording"
NO_HEADER = "ratings without a header: raters are numbered"
EMPTY_RATER = "raters without a single rating: left out of the gold standard"


@dataclass(frozen=True, eq=False)
class Ratings:
    """Values of one recording over time, as one file contains them."""

    times: np.ndarray  # (T,) float64 s, strictly increasing
    values: np.ndarray  # (T, C) float64, NaN where missing
    names: tuple[str, ...]  # of the C columns: raters, or dimensions


def make_ratings(
    times: list[float], values: list[list[float]], names: tuple[str, ...], path: Path, notes: Notes
) -> Ratings:
    """Make ratings of the rows of a file; rows that repeat a time and gaps between rows are noted.

    times: T seconds. values: T rows of C numbers.
    Raises DatasetError if there is no row, a time is missing, or times decrease.
    """
    if not times:
        raise DatasetError(f"{path} has no values, at most a header; copy it again")
    stamps, table = np.array(times), np.array(values, np.float64).reshape(len(times), len(names))
    if np.isnan(stamps).any():
        raise DatasetError(f"{path}: row {int(np.isnan(stamps).argmax()) + 1} has no time; copy the file again")
    steps = np.diff(stamps)
    if (steps < 0).any():
        at = int((steps < 0).argmax())
        raise DatasetError(
            f"{path}: times must increase, but go backwards from {stamps[at]:g} to {stamps[at + 1]:g} s; "
            "copy the file again"
        )
    first = np.concatenate([[True], steps > 0])
    notes.add(REPEATED_TIME, f"{path}, {stamps[~first][0]:g} s" if not first.all() else path, int((~first).sum()))
    stamps, table = stamps[first], table[first]
    _note_gaps(stamps, path, notes)
    return Ratings(stamps, table, names)


def all_times(*ratings: Ratings) -> np.ndarray:
    """Return the union of the times of several ratings, (T,) float64 s, ascending."""
    stamps = np.concatenate([one.times for one in ratings])
    _, first = np.unique(_ms(stamps), return_index=True)
    return stamps[first]


def at_times(ratings: Ratings, times: np.ndarray) -> np.ndarray:
    """Return the values at other times, NaN where the ratings have no row.   times: (T,) s -> (T, C) float64"""
    have, wanted = _ms(ratings.times), _ms(times)
    index = np.searchsorted(have, wanted).clip(max=len(have) - 1)
    return np.where((have[index] == wanted)[:, None], ratings.values[index], np.nan)


def bounded(values: np.ndarray, path: Path, notes: Notes) -> Labels:
    """Return labels in [-1, 1]: NaN is not valid, and neither are values outside, which are noted.   values: (T,)"""
    with np.errstate(invalid="ignore"):
        outside = np.abs(values) > 1
    notes.add(OUTSIDE, path, int(outside.sum()))
    kept = np.where(outside, np.nan, values)
    return Labels(kept, ~np.isnan(kept))


def read_ratings(path: Path, notes: Notes) -> Ratings:
    """Read the ratings of one recording: a CSV with a column of times and one for each rater, a row every 40 ms.

    The separator (`;`, tab or `,`) and a missing header are detected. Raises DatasetError, which names the line, for
    a damaged file.
    """
    table = read_rows(path, _separator(path))
    first = next(table, None)
    if first is None:
        raise DatasetError(f"{path} is empty; copy it again")
    has_header = is_header(first.cells)
    if not has_header:
        notes.add(NO_HEADER, path)
    names = without_empty_end(first.cells)
    if not has_header:
        names = ["time", *map(str, range(1, len(names)))]
    if len(names) < 2:
        raise DatasetError(f"{path}, line 1: expected a time and raters separated by ';', got {first.cells}")
    time_column = _time_column(names)
    times: list[float] = []
    values: list[list[float]] = []
    for row in table if has_header else (first, *table):
        cells = [parse_number(cell, f"{path}, line {row.line}") for cell in same_width(row, len(names), path)]
        times.append(cells.pop(time_column))
        values.append(cells)
    del names[time_column]
    return make_ratings(times, values, tuple(names), path, notes)


def read_gold(path: Path, identify: Callable[[str], str | None], notes: Notes) -> Ratings:
    """Read the gold standard of one recording, C = 1, from an ARFF file with its name, the time and the value.

    identify: returns the id of a recording from a name, or None; rows that name another recording than the file are
    noted as a fault. Raises DatasetError, which names the line, for a damaged file.
    """
    table = read_arff(path)
    if len(table.names) < 2:
        raise DatasetError(f"{path}: expected attributes name, time and gold standard, got {table.names}")
    time_column = _time_column(table.names, len(table.names) - 2)
    times: list[float] = []
    values: list[list[float]] = []
    for row in table.rows:
        where = f"{path}, line {row.line}"
        times.append(parse_number(row.cells[time_column], where))
        values.append([parse_number(row.cells[-1], where)])
    named = identify(table.rows[0].cells[0])
    if named and named != identify(path.stem):
        notes.add(OTHER_RECORDING, f"{path} ({named})", fault=True)
    return make_ratings(times, values, GOLD, path, notes)


def compute_gold(ratings: Ratings, procedure: Procedure, path: Path, notes: Notes) -> Ratings:
    """Compute a gold standard, C = 1, from the ratings in a file; steps without any rating are NaN.

    Raters without a rating are left out and noted, warnings of the procedure are noted.
    Raises DatasetError, which names the file, if the procedure is not defined for these ratings.
    """
    rated = ~np.isnan(ratings.values).all(axis=0)
    notes.add(EMPTY_RATER, path, int((~rated).sum()))
    if not rated.any():
        return Ratings(ratings.times, np.full((len(ratings.times), 1), np.nan), GOLD)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AvferWarning)
        try:
            values = gold_standard(ratings.values[:, rated].T, procedure)
        except DatasetError as error:
            raise DatasetError(f"{path}: {error}") from error
    for warning in caught:
        notes.add(f"gold standards with a warning: {warning.message}", path)
    return Ratings(ratings.times, values[:, None], GOLD)


def _separator(path: Path) -> str:
    """Return the first of `;`, tab and `,` that occurs in the first line."""
    first = next((text for text in lines(path) if text.strip()), "")
    return next((mark for mark in (";", "\t", ",") if mark in first), ";")


def _time_column(names: Sequence[str], default: int = 0) -> int:
    """Return the index of the column of times, `default` if none has such a name."""
    return next((index for index, name in enumerate(names) if plain(name) in TIME_COLUMNS), default)


def _ms(times: np.ndarray) -> np.ndarray:
    """Return times in whole milliseconds.   (T,) float64 s -> (T,) int64"""
    return np.round(times * 1000).astype(np.int64)


def _note_gaps(times: np.ndarray, path: Path, notes: Notes) -> None:
    """Note steps that are longer than 1.5 times the median step.   times: (T,) s"""
    steps = np.diff(times)
    wide = steps > 1.5 * np.median(steps) if len(steps) else np.zeros(0, bool)
    if wide.any():
        notes.add(GAP, f"{path}, after {times[:-1][wide][0]:g} s", int(wide.sum()))

"""Ratings over time: (T, C) values at their own times, checked, and brought to the times of others.

Steps meet where their times agree to the millisecond; nothing is interpolated and nothing goes by row number.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avfer.datasets.example import Labels, Notes
from avfer.errors import DatasetError

OUTSIDE = "values outside [-1, 1]: not valid"
TWICE = "rows that repeat a time: the first is kept"
GAP = "stretches of time without a row"


@dataclass(frozen=True, eq=False)
class Series:
    """What one file tells over time."""

    times: np.ndarray  # (T,) float64 s, growing
    values: np.ndarray  # (T, C) float64, NaN where there is none
    names: tuple[str, ...]  # of the columns


def make_series(
    times: list[float], values: list[list[float]], names: tuple[str, ...], path: Path, notes: Notes
) -> Series:
    """A series from the rows of a file, counted where they repeat a time or leave some out.

    DatasetError where there is no row, or time is absent or runs backwards.
    """
    if not times:
        raise DatasetError(f"{path} holds no values, at most a header; copy it again")
    stamps, table = np.array(times), np.array(values, np.float64).reshape(len(times), len(names))
    if np.isnan(stamps).any():
        raise DatasetError(f"{path}: row {int(np.isnan(stamps).argmax()) + 1} has no time; copy the file again")
    steps = np.diff(stamps)
    if (steps < 0).any():
        at = int((steps < 0).argmax())
        told = f"time runs backwards from {stamps[at]:g} to {stamps[at + 1]:g} s"
        raise DatasetError(f"{path}: {told}; copy the file again")
    first = np.concatenate([[True], steps > 0])
    notes.add(TWICE, f"{path}, {stamps[~first][0]:g} s" if not first.all() else path, int((~first).sum()))
    stamps, table = stamps[first], table[first]
    _note_gaps(stamps, path, notes)
    return Series(stamps, table, names)


def all_times(*series: Series) -> np.ndarray:
    """(T,) s, every time at which one of them has a row."""
    stamps = np.concatenate([one.times for one in series])
    _, first = np.unique(_ms(stamps), return_index=True)
    return stamps[first]


def at_times(series: Series, times: np.ndarray) -> np.ndarray:
    """(T, C) values at other times, NaN where the series has no row."""
    have, wanted = _ms(series.times), _ms(times)
    index = np.searchsorted(have, wanted).clip(max=len(have) - 1)
    return np.where((have[index] == wanted)[:, None], series.values[index], np.nan)


def bounded(values: np.ndarray, place: Path, notes: Notes, names: tuple[str, ...] = ()) -> Labels:
    """Labels in [-1, 1]; what is absent is not valid, and neither is what lies outside, which is counted."""
    with np.errstate(invalid="ignore"):
        outside = np.abs(values) > 1
    notes.add(OUTSIDE, place, int(outside.sum()))
    kept = np.where(outside, np.nan, values)
    return Labels(kept, ~np.isnan(kept), names)


def _ms(times: np.ndarray) -> np.ndarray:
    return np.round(times * 1000).astype(np.int64)


def _note_gaps(times: np.ndarray, path: Path, notes: Notes) -> None:
    steps = np.diff(times)
    wide = steps > 1.5 * np.median(steps) if len(steps) else np.zeros(0, bool)
    if wide.any():
        notes.add(GAP, f"{path}, after {times[:-1][wide][0]:g} s", int(wide.sum()))

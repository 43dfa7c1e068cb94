"""The rows of each person in a table, with the time that every row covers.

A person is a value of the column `person`; where that is missing, each track is a person of its own. Summaries,
segments and exporters of segments all group a table in this way.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from avfer.segments import row_stops

_UNKNOWN = 2**31  # in place of a missing id; larger than every id, so that it is sorted to the end
_FACELESS = (_UNKNOWN, _UNKNOWN)  # person and track of the rows without a face


@dataclass(frozen=True, eq=False)
class PersonRows:
    """The M rows of one person in one clip, in the order of time."""

    clip: str  # file name
    source: str  # path of the clip below the input, or its file name
    person: int | None  # number of the person; None where the pipeline did not identify persons, and without a face
    tracks: tuple[int, ...]  # ids, in the order of their first rows; empty for rows without a face
    table: pa.Table  # M rows, all columns
    starts: np.ndarray  # (M,) float64 s, time of each row
    stops: np.ndarray  # (M,) float64 s, when the next instant of the clip begins, see `avfer.segments.row_stops`

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def label(self) -> str:
        """The name for charts and tiers: "person 1", "track 1" if persons are unknown, "voice alone" without a face."""
        return person_label(self.person, self.tracks[0] if self.tracks else None)

    @property
    def present(self) -> np.ndarray:
        """Whether each row has a face or, in rows without a face, a valence from the voice: (M,) bool."""
        return np.ones(len(self), bool) if self.tracks else np.isfinite(self.numbers("valence"))

    def numbers(self, column: str) -> np.ndarray:
        """Return a column as (M,) float64 with NaN where it is null; all NaN if the table lacks it."""
        return column_numbers(self.table, column)


@dataclass(frozen=True, eq=False)
class ClipRows:
    """The rows of one clip: T instants, and the people on them."""

    clip: str  # file name
    source: str  # path of the clip below the input, or its file name
    starts: np.ndarray  # (T,) float64 s, increasing, the instants of the clip
    stops: np.ndarray  # (T,) float64 s, when the next one begins
    people: tuple[PersonRows, ...]  # by number of the person, then of the track; rows without a face at the end


def person_label(person: int | None, track: int | None) -> str:
    """Return the name of a person: "person 1", "track 1" if persons are unknown, "voice alone" without a face."""
    if person is not None:
        return f"person {person}"
    return "voice alone" if track is None else f"track {track}"


def labels_by_presence(table: pa.Table) -> list[str]:
    """Return the labels of the people in the table of one clip, those with most rows first.

    The rows without a face come last. Charts, pages and overlays give their colours in this order.
    """
    counts = Counter(map(tuple, _ids(table).tolist()))
    order = sorted(counts, key=lambda key: (key == _FACELESS, -counts[key], key))
    ids = [[None if number == _UNKNOWN else number for number in key] for key in order]
    return [person_label(person, track) for person, track in ids]


def clips_of(table: pa.Table) -> list[ClipRows]:
    """Return the clips in a table, in the order of their first rows, each with its people.

    table: the columns of `AffectTrack.to_table`; `person` and `source` may be missing. It may hold several clips, as a
    merged data set does. The rows without a face are a person of their own, the last one, if they have values (then of
    the voice) or if the clip has no face at all.
    """
    names = [name for name in ("source", "clip") if name in table.column_names]
    keys = list(zip(*(table[name].fill_null("").to_pylist() for name in names), strict=True))
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    codes = np.fromiter((numbers[key] for key in keys), int, len(keys))
    return [_clip(table.filter(pa.array(codes == number)), key) for key, number in numbers.items()]


def column_numbers(table: pa.Table, column: str) -> np.ndarray:
    """Return a column of N rows as (N,) float64 with NaN where it is null; all NaN if the table lacks it."""
    if column not in table.column_names:
        return np.full(len(table), np.nan)
    return table[column].cast(pa.float64()).to_numpy(zero_copy_only=False)


def _clip(table: pa.Table, key: tuple[str, ...]) -> ClipRows:
    """Return the rows of one clip.   key: source and clip, or the clip alone"""
    source, clip = key[0], key[-1]
    times = table["time_s"].to_numpy(zero_copy_only=False)
    table, times = table.take(order := pa.array(np.argsort(times, kind="stable"))), times[order.to_numpy()]
    stops = row_stops(times)
    ids = _ids(table)
    groups = [key for key in sorted(set(map(tuple, ids.tolist()))) if key != _FACELESS]
    if (faceless := _faceless(table, ids)).any():
        groups.append(_FACELESS)
    people: list[PersonRows] = []
    for group in groups:
        chosen = faceless if group == _FACELESS else (ids == group).all(axis=1)
        rows = table.filter(pa.array(chosen))
        tracks = tuple(dict.fromkeys(rows["track"].drop_null().to_pylist()))
        person = group[0] if group[0] < _UNKNOWN else None
        people.append(PersonRows(clip, source, person, tracks, rows, times[chosen], stops[chosen]))
    first = np.unique(times, return_index=True)[1]
    return ClipRows(clip, source, times[first], stops[first], tuple(people))


def _ids(table: pa.Table) -> np.ndarray:
    """Return person and track of each row, where the track counts only if the person is unknown: (N, 2) int64."""
    tracks = table["track"].cast(pa.int64()).fill_null(_UNKNOWN).to_numpy()
    if "person" not in table.column_names:
        return np.stack([np.full(len(table), _UNKNOWN), tracks], axis=1)
    persons = table["person"].cast(pa.int64()).fill_null(_UNKNOWN).to_numpy()
    return np.stack([persons, np.where(persons < _UNKNOWN, 0, tracks)], axis=1)


def _faceless(table: pa.Table, ids: np.ndarray) -> np.ndarray:
    """Return the rows of the person without a face, at most one of each instant: (N, 2) int64 -> (N,) bool."""
    faceless = (ids == _FACELESS).all(axis=1)
    if not faceless.all() and not (faceless & ~np.isnan(column_numbers(table, "valence"))).any():
        return np.zeros(len(table), bool)
    return faceless

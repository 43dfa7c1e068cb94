"""Choose rows of an AffectTrack (a column, each person, a stretch of time), and join the parts of a clip."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

import numpy as np
import pyarrow as pa

from avfer.errors import ConfigError, unknown
from avfer.provenance import Provenance
from avfer.rows import FaceRows, concat, select
from avfer.types import NO_PERSON, NO_TRACK


class _AffectRows(FaceRows, Protocol):
    """The part of an AffectTrack that this module reads."""

    @property
    def valence(self) -> np.ndarray: ...

    @property
    def source(self) -> Provenance | None: ...

    def to_table(self) -> pa.Table: ...


Track = TypeVar("Track", bound=_AffectRows)


def column_values(track: _AffectRows, name: str) -> np.ndarray:
    """Return the values of a column of the table for the N rows of a track.

    The rows of nulls that the table has for instants without a face are left out.

    name: of a column, such as "valence" -> (N,): numbers as float64 with NaN where missing, int64 if none is missing,
    bool for `has_face` and `has_voice`, texts as object with None where missing.
    Raises KeyError, with the nearest name, for an unknown column.
    """
    table = track.to_table()
    if name not in table.column_names:
        raise KeyError(unknown("column", str(name), table.column_names))
    frames = track.faces.frames
    absent = np.setdiff1d(np.arange(track.clock.first, track.clock.stop), frames)
    kept = np.isin(np.sort(np.concatenate([frames, absent])), frames)
    column = table[name].filter(pa.array(kept))
    if pa.types.is_string(column.type) or pa.types.is_boolean(column.type):
        return np.array(column.to_pylist(), object if pa.types.is_string(column.type) else bool)
    if pa.types.is_integer(column.type) and not column.null_count:
        return column.cast(pa.int64()).to_numpy()
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)


def persons_of(track: Track) -> dict[str, Track]:
    """Return the rows of each person of a track, by name: "person 0", or "track 1" for a face without a person.

    Persons come first, in the order of their numbers, then tracks, and "voice alone" at the end: the rows without a
    face, if the voice gives them values. The clock is that of the whole track.
    """
    ids, persons = track.faces.track_ids, track.faces.person_ids
    known = (persons != NO_PERSON) & (ids != NO_TRACK)
    rows = {f"person {number}": known & (persons == number) for number in np.unique(persons[known])}
    unknown_person = ~known & (ids != NO_TRACK)
    rows |= {f"track {number}": unknown_person & (ids == number) for number in np.unique(ids[unknown_person])}
    voice = ids == NO_TRACK
    if (voice & ~np.isnan(track.valence)).any():
        rows["voice alone"] = voice
    return {name: select(track, chosen, track.clock) for name, chosen in rows.items()}


def rows_between(track: Track, start: float, stop: float) -> Track:
    """Return the rows and instants of a track with start <= time < stop, in s of the column `time_s`.

    Raises ConfigError if stop < start or either is NaN.
    """
    if not start <= stop:
        raise ConfigError(f"between: stop must be >= start ({start} s), got {stop} s")
    clock = track.clock
    first, end = (clock.first + int(np.searchsorted(clock.times, time)) for time in (start, stop))
    frames = track.faces.frames
    return select(track, (frames >= first) & (frames < end), clock.part(first, end))


def join_parts(parts: Sequence[Track]) -> Track:
    """Join consecutive parts of one clip into one track; classes and source are those of the first part.

    Raises ConfigError if there is no part, if parts are of different clips, or if one does not begin where the one
    before it ends.
    """
    if not parts:
        raise ConfigError("concat: there must be at least one part, got none")
    clips = {part.source.source or part.source.clip: None for part in parts if part.source}
    if len(clips) > 1:
        first, second, *_ = clips
        raise ConfigError(f"concat: all parts must be of one clip, got {first} and {second}; keep one track per clip")
    for before, after in pairwise(part.clock for part in parts):
        if after.first != before.stop:
            raise ConfigError(
                f"concat: each part must begin where the one before it ends, at instant {before.stop}, got one that"
                f" begins at {after.first}; pass the parts in the order of the clip, without gaps"
            )
    return concat(parts)

"""Select and join rows of the structs in `avfer.types`, and make rows without faces."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from avfer.types import NO_TRACK, Clock, FaceTracks


class _OnClock(Protocol):
    @property
    def clock(self) -> Clock: ...


class FaceRows(Protocol):
    """A struct of arrays with one row for each face of `faces`, such as FaceCrops."""

    @property
    def clock(self) -> Clock:
        """The instants for which the rows are complete."""
        ...

    @property
    def faces(self) -> FaceTracks:
        """The face of each row."""
        ...


MAX_TRACKS = 2**31  # every track id is below it, so that frame * MAX_TRACKS + track is a key of a row
Rows = TypeVar("Rows", bound=_OnClock)  # FaceTracks, or a struct of arrays with a field of FaceTracks
RowsOfFaces = TypeVar("RowsOfFaces", bound=FaceRows)


def select(rows: Rows, index: np.ndarray | slice, clock: Clock) -> Rows:
    """Return some rows of a struct, with `clock` in place of its clock.

    index: slice, or (N,) bool mask, or (M,) int64 positions -> the same struct with M rows; every array and tensor
    field is indexed, fields without rows are kept. Consecutive rows share the memory of `rows`.
    """
    index = index if isinstance(index, slice) else _slice_or_positions(index)
    values: dict[str, Any] = {}
    for name in _field_names(type(rows)):
        value = getattr(rows, name)
        if isinstance(value, np.ndarray):
            value = value[index]
        elif isinstance(value, FaceTracks):
            value = select(value, index, clock)
        elif isinstance(value, Clock):
            value = clock
        elif isinstance(value, Tensor):
            value = value[index if isinstance(index, slice) else torch.from_numpy(index)]
        values[name] = value
    return type(rows)(**values)


def _slice_or_positions(index: np.ndarray) -> np.ndarray | slice:
    """Return a slice if an index chooses consecutive rows, which copies nothing, otherwise the rows' positions.

    index: (N,) bool mask or (M,) int64 positions.
    """
    positions = np.flatnonzero(index) if index.dtype == np.bool_ else index
    first, count = int(positions[0]) if len(positions) else 0, len(positions)
    return slice(first, first + count) if np.array_equal(positions, np.arange(first, first + count)) else positions


def concat(parts: Sequence[Rows]) -> Rows:
    """Join consecutive parts of one clip into one struct; fields without rows are those of the first part."""
    filled = [part for part in parts if len(part.clock)]
    if len(filled) <= 1:  # most steps of a pipeline add no instant
        only = filled[0] if filled else parts[-1]
        if only.clock.last == parts[-1].clock.last:
            return only
    values: dict[str, Any] = {}
    for name in _field_names(type(parts[0])):
        several = [getattr(part, name) for part in parts]
        value = several[0]
        if isinstance(value, np.ndarray):
            value = np.concatenate(several)
        elif isinstance(value, FaceTracks):
            value = concat(several)
        elif isinstance(value, Clock):
            value = concat_clocks(several)
        elif isinstance(value, Tensor):
            value = torch.cat(several)
        values[name] = value
    return type(parts[0])(**values)


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    """Return the names of the fields of a struct."""
    return tuple(field.name for field in fields(kind))


def concat_clocks(clocks: Iterable[Clock]) -> Clock:
    """Join consecutive clocks of one clip into one."""
    parts = list(clocks)
    return replace(
        parts[0],
        times=np.concatenate([c.times for c in parts]),
        corrupt=np.concatenate([c.corrupt for c in parts]),
        last=parts[-1].last,
        pictures=all(c.pictures for c in parts),
        numbers=None if all(c.numbers is None for c in parts) else np.concatenate([c.frame_numbers for c in parts]),
    )


def matching_rows(wanted: FaceTracks, known: FaceTracks) -> np.ndarray:
    """Return for each row of `wanted` the row of `known` with the same frame and track, -1 for none: (N,) int64."""
    if not len(known):
        return np.full(len(wanted), -1)
    keys, sought = (faces.frames * MAX_TRACKS + faces.track_ids for faces in (known, wanted))
    order = np.argsort(keys)
    place = np.searchsorted(keys[order], sought).clip(max=len(keys) - 1)
    return np.where(keys[order][place] == sought, order[place], -1)


def no_faces(clock: Clock) -> FaceTracks:
    """Return a FaceTracks without rows, for instants on which there is no face."""
    return FaceTracks(
        clock,
        frames=np.zeros(0, np.int64),
        boxes=np.zeros((0, 4), np.float32),
        landmarks=np.zeros((0, 5, 2), np.float32),
        scores=np.zeros(0, np.float32),
        track_ids=np.zeros(0, np.int64),
    )


def blank_faces(clock: Clock, frames: np.ndarray) -> FaceTracks:
    """Return one row without a face for each of some instants.

    frames: (N,) int64 indices in the clip -> N rows with NO_TRACK and NaN.
    """
    n = len(frames)
    return FaceTracks(
        clock,
        frames=frames.astype(np.int64),
        boxes=np.full((n, 4), np.nan, np.float32),
        landmarks=np.full((n, 5, 2), np.nan, np.float32),
        scores=np.full(n, np.nan, np.float32),
        track_ids=np.full(n, NO_TRACK, np.int64),
    )

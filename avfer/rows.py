"""Select and join rows of the structs in `avfer.types`, and make rows without faces."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from avfer.types import NO_TRACK, Clock, FaceTracks


class _OnClock(Protocol):
    @property
    def clock(self) -> Clock: ...


MOST_TRACKS = 2**31  # a track's number is less
Rows = TypeVar("Rows", bound=_OnClock)  # FaceTracks, or a struct of arrays with a field of FaceTracks


def select(rows: Rows, index: np.ndarray | slice, clock: Clock) -> Rows:
    """Return some rows of a struct, as complete for the instants of another clock.

    index: slice, or (N,) bool mask, or (M,) int64 positions -> the same struct with M rows; every array and tensor
    field is indexed, fields without rows are kept.
    """
    changes: dict[str, Any] = {}
    for field in fields(rows):  # pyright: ignore[reportArgumentType]
        value = getattr(rows, field.name)
        if isinstance(value, FaceTracks):
            changes[field.name] = select(value, index, clock)
        elif isinstance(value, Clock):
            changes[field.name] = clock
        elif isinstance(value, Tensor):
            changes[field.name] = value[index if isinstance(index, slice) else torch.from_numpy(index)]
        elif isinstance(value, np.ndarray):
            changes[field.name] = value[index]
    return replace(rows, **changes)  # pyright: ignore[reportArgumentType, reportCallIssue]


def concat(parts: Sequence[Rows]) -> Rows:
    """Join consecutive parts of one clip into one struct; fields without rows are those of the first part."""
    first = parts[0]
    changes: dict[str, Any] = {}
    for field in fields(first):  # pyright: ignore[reportArgumentType]
        values = [getattr(part, field.name) for part in parts]
        if isinstance(values[0], FaceTracks):
            changes[field.name] = concat(values)
        elif isinstance(values[0], Clock):
            changes[field.name] = concat_clocks(values)
        elif isinstance(values[0], Tensor):
            changes[field.name] = torch.cat(values)
        elif isinstance(values[0], np.ndarray):
            changes[field.name] = np.concatenate(values)
    return replace(first, **changes)  # pyright: ignore[reportArgumentType, reportCallIssue]


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
    keys, sought = (faces.frames * MOST_TRACKS + faces.track_ids for faces in (known, wanted))
    order = np.argsort(keys)
    place = np.searchsorted(keys[order], sought).clip(max=len(keys) - 1)
    return np.where(keys[order][place] == sought, order[place], -1)


def no_faces(clock: Clock) -> FaceTracks:
    """Return no row, complete for the instants of a clock."""
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

"""smooth_affect: a centred moving average over time, for each track on its own."""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from avfer.affect_track import AffectTrack
from avfer.option_types import Number, check_options
from avfer.rows import concat, select

TIME_TOLERANCE = 1e-6  # s added to half a window, so that rounded time stamps do not decide which rows it contains
AVERAGED = ("valence", "arousal", "expressions", "action_units")


@dataclass(frozen=True)
class SmoothingState:
    """Rows that were not output yet, with those before them that lie in their windows."""

    waiting: AffectTrack | None = None  # None for no row
    finished: int = 0  # frames that were output


@dataclass
class SmoothAffect:
    """Replace each row by the mean of its track's rows at most half a `window` before and after it.

    A window of 0 s changes nothing. Missing values (NaN) stay missing and do not enter any mean. Where times go back,
    as in files that were joined, no window contains rows before and after that place.
    """

    window: Annotated[Number, Field(ge=0, le=600)] = 0.4  # seconds, width of the whole window; 0: no smoothing

    def __post_init__(self) -> None:
        check_options(self)

    def start(self) -> SmoothingState:
        """Return the state without rows."""
        return SmoothingState()

    def step(self, state: SmoothingState, affect: AffectTrack) -> tuple[SmoothingState, AffectTrack]:
        """Return the rows whose whole window is known; at the end of the clip all remaining ones."""
        rows = affect if state.waiting is None else concat([state.waiting, affect])
        clock, half = rows.clock, self.window / 2 + TIME_TOLERANCE
        times = _ascending(clock.times, 2 * half)
        ready = len(clock) if clock.last else int(np.sum(times + half < times[-1])) if len(times) else 0
        start, stop = state.finished, max(state.finished, clock.first + ready)
        smooth = _smoothed(rows, times, start, stop, half)
        reach = times[stop - clock.first] - half if stop < clock.stop else np.inf
        kept = clock.first + int(np.searchsorted(times, reach))
        waiting = select(rows, rows.faces.frames >= kept, clock.part(kept, clock.stop))
        return SmoothingState(waiting, stop), smooth


def _ascending(times: np.ndarray, apart: float) -> np.ndarray:
    """Return the same times, later by a constant after each place where they go back, so that they never do.

    The rows before and after such a place are then `apart` seconds from each other.   (T,) s -> (T,) s
    """
    back = np.maximum(0.0, -np.diff(times, prepend=times[:1]))
    return times + np.cumsum(np.where(back > 0, back + apart, 0.0))


def _smoothed(rows: AffectTrack, clock_times: np.ndarray, start: int, stop: int, half: float) -> AffectTrack:
    """Return the averaged rows of the frames from `start` to `stop` (half-open).

    clock_times: (T,) s, ascending, of the clock's instants; half: of a window in seconds.
    """
    chosen = (rows.faces.frames >= start) & (rows.faces.frames < stop)
    values = np.column_stack([np.asarray(getattr(rows, name), np.float64) for name in AVERAGED])
    means = values.copy()
    for track in np.unique(rows.faces.track_ids[chosen]):
        own = np.flatnonzero(rows.faces.track_ids == track)
        times = clock_times[rows.faces.frames[own] - rows.clock.first]
        wanted = np.flatnonzero(chosen[own])
        low = np.searchsorted(times, times[wanted] - half)
        high = np.searchsorted(times, times[wanted] + half)
        for i, a, b in zip(own[wanted], low, high, strict=True):
            means[i] = _mean(values[own[a:b]], values[i])
    columns = np.split(means.astype(np.float32), [1, 2, 2 + rows.expressions.shape[1]], 1)
    smooth = {name: part.reshape(getattr(rows, name).shape) for name, part in zip(AVERAGED, columns, strict=True)}
    return select(replace(rows, **smooth), chosen, rows.clock.part(start, stop))


def _mean(window: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return the mean of each column without its NaN; NaN where the row itself is NaN.   (M, V), (V,) -> (V,)"""
    known = ~np.isnan(window)
    total = np.where(known, window, 0.0).sum(0) / known.sum(0).clip(1)
    return np.where(np.isnan(row), np.nan, total)

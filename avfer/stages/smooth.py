"""smooth_affect: a centred moving mean over time, for each track by itself."""

from dataclasses import dataclass, replace

import numpy as np

from avfer.affect_track import AffectTrack
from avfer.errors import ConfigError
from avfer.rows import concat, select

EDGE = 1e-6  # s, so that rounding of time stamps does not decide what a window holds


@dataclass(frozen=True)
class State:
    """Rows not finished, with those before them that their windows reach."""

    held: AffectTrack | None = None
    finished: int = 0  # frames given so far


@dataclass
class SmoothAffect:
    """Mean of a track's rows at most half a `window` (seconds) before and after; 0 changes nothing."""

    window: float = 0.4

    def __post_init__(self) -> None:
        if not 0 <= self.window < float("inf"):
            raise ConfigError(f"window: should be seconds from 0, not {self.window}")

    def start(self) -> State:
        return State()

    def step(self, state: State, affect: AffectTrack) -> tuple[State, AffectTrack]:
        """Rows whose whole window is known; the others follow later, all at the end of the clip."""
        rows = affect if state.held is None else concat([state.held, affect])
        clock, half = rows.clock, self.window / 2 + EDGE
        ready = len(clock) if clock.last else int(np.sum(np.maximum.accumulate(clock.times) + half < _end(clock.times)))
        start, stop = state.finished, max(state.finished, clock.first + ready)
        smooth = self._smoothed(rows, start, stop, half)
        reach = clock.times[stop - clock.first] - half if stop < clock.stop else np.inf
        kept = clock.first + int(np.searchsorted(clock.times, reach))
        held = select(rows, rows.faces.frames >= kept, clock.part(kept, clock.stop))
        return State(held, stop), smooth

    def _smoothed(self, rows: AffectTrack, start: int, stop: int, half: float) -> AffectTrack:
        """The rows of the frames start to stop, averaged."""
        chosen = (rows.faces.frames >= start) & (rows.faces.frames < stop)
        names = ("valence", "arousal", "expressions", "action_units")
        values = np.column_stack([np.asarray(getattr(rows, name), np.float64) for name in names])
        means = values.copy()
        for track in np.unique(rows.faces.track_ids[chosen]):
            own = np.flatnonzero(rows.faces.track_ids == track)
            times = rows.faces.times[own]
            wanted = np.flatnonzero(chosen[own])
            low = np.searchsorted(times, times[wanted] - half)
            high = np.searchsorted(times, times[wanted] + half)
            for i, a, b in zip(own[wanted], low, high, strict=True):
                means[i] = _mean(values[own[a:b]], values[i])
        columns = np.split(means.astype(np.float32), [1, 2, 2 + rows.expressions.shape[1]], 1)
        smooth = {name: part.reshape(getattr(rows, name).shape) for name, part in zip(names, columns, strict=True)}
        return select(replace(rows, **smooth), chosen, rows.clock.part(start, stop))


def _end(times: np.ndarray) -> float:
    return float(times.max()) if len(times) else -np.inf


def _mean(window: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Mean over the rows of a window that know a value; what the row itself does not know stays NaN."""
    known = ~np.isnan(window)
    total = np.where(known, window, 0.0).sum(0) / known.sum(0).clip(1)
    return np.where(np.isnan(row), np.nan, total)

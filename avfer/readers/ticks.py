"""Ticks of a fixed rate that leave out gaps, so that a gap costs nothing however long it is."""

import math

import numpy as np

from avfer.types import Gaps

MAX_SILENCE = 60.0  # s; the inner part of a longer gap, without sound or frames, is left out
EDGE = 4.0  # s of silence that stay at both ends of a gap; more than one window of any voice network


def inner_gap(start: float, stop: float) -> tuple[float, float] | None:
    """Return the part of a gap that is left out, whole seconds; None if the gap is no longer than MAX_SILENCE.

    >>> inner_gap(1.0, 100.5)
    (5.0, 96.0)
    """
    if stop - start <= MAX_SILENCE:
        return None
    return start + EDGE, start + EDGE + math.floor(stop - start - 2 * EDGE)


class Coverage:
    """Finds the gaps between the pieces of a stream, which come roughly in the order of time."""

    def __init__(self) -> None:
        self.stop: float | None = None  # s, end of the latest piece
        self.gaps: list[tuple[float, float]] = []

    def add(self, start: float, stop: float) -> None:
        """Add a piece from `start` to `stop` seconds."""
        if self.stop is not None and (gap := inner_gap(self.stop, start)):
            self.gaps.append(gap)
        self.stop = stop if self.stop is None else max(self.stop, stop)

    def empty_parts(self, start: float, stop: float) -> Gaps:
        """Return the parts of a range that lie in no piece added so far."""
        if self.stop is None:
            return ((start, stop),)
        gaps = [*self.gaps, (self.stop, math.inf)]
        return tuple((max(a, start), min(b, stop)) for a, b in gaps if max(a, start) < min(b, stop))


def ticks_outside(first: int, stop: int, gaps: Gaps, rate: float, start: float = 0.0) -> np.ndarray:
    """Return the numbers k in [first, stop) whose times start + k / rate (s) lie in no gap: (K,) int64.

    >>> ticks_outside(0, 10, ((0.3, 0.7),), rate=10)
    array([0, 1, 2, 7, 8, 9])
    """
    parts: list[np.ndarray] = []
    for gap_start, gap_stop in gaps:
        before = min(stop, math.ceil((gap_start - start) * rate - 1e-6))
        parts.append(np.arange(first, max(first, before)))
        first = max(first, math.ceil((min(gap_stop, start + stop / rate) - start) * rate - 1e-6))
    return np.concatenate([*parts, np.arange(first, max(first, stop))])

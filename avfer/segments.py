"""Segments of a series over time: events by thresholds with hysteresis, and stretches of a constant label.

All functions are pure: NumPy arrays in, a `Segments` out, with the parameters that made it. A row of a series covers
the time from its start to its stop; `row_stops` returns the stops of the rows of a table. Where a row does not start at
the stop of the row before it, the series has a gap, and no segment crosses a gap longer than `max_gap`.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from avfer.errors import ConfigError

LONGEST_ROW = 1.0  # s, a row covers at most this time, or LONGEST_STEP median steps if that is more
LONGEST_STEP = 2.5  # median steps
LONE_ROW = 0.04  # s, of the row of a clip with a single instant
TOUCHING = 1e-6  # s, largest distance of two rows without a gap between them


@dataclass(frozen=True)
class SegmentRule:
    """What makes a segment; the fields are the parameters that every output records.

    Raises ConfigError unless off <= on, 0 <= min_duration <= max_duration and max_gap >= 0.
    """

    on: float = 0.5  # unit of the column; an event starts at the first row with at least this value
    off: float = 0.3  # unit of the column; it stops before the first row with less
    min_duration: float = 0.0  # s, shorter segments are dropped, after the gaps are closed
    max_duration: float = math.inf  # s, longer segments are dropped
    max_gap: float = 0.0  # s, segments of one label with at most this time between them are joined

    def __post_init__(self) -> None:
        if not self.off <= self.on:
            raise ConfigError(f"off: must be <= on ({self.on}), got {self.off}")
        if not 0 <= self.min_duration <= self.max_duration:
            limits = f"min_duration {self.min_duration}, max_duration {self.max_duration}"
            raise ConfigError(f"min_duration: must be >= 0 s and <= max_duration, got {limits}")
        if not 0 <= self.max_gap < math.inf:
            raise ConfigError(f"max_gap: must be >= 0 s and finite, got {self.max_gap}")

    def parameters(self) -> dict[str, float]:
        """Return the fields by name, without a `max_duration` that limits nothing, as JSON has no infinity."""
        return {name: value for name, value in asdict(self).items() if math.isfinite(value)}


@dataclass(frozen=True)
class Segment:
    """A stretch of time with one label."""

    label: str  # "smile", "happiness"
    start: float  # s, start of the first row
    stop: float  # s, stop of the last row, exclusive
    mean: float  # of the values of its rows weighted by time, unit of the column; NaN without values
    peak: float  # largest value, unit of the column; NaN without values
    peak_time: float  # s, start of the first row with the largest value; NaN without values

    @property
    def duration(self) -> float:
        """The time from start to stop in seconds."""
        return self.stop - self.start


@dataclass(frozen=True)
class Segments:
    """Segments in the order of time, none overlapping another, with the rule that made them."""

    items: tuple[Segment, ...]  # in the order of time
    rule: SegmentRule  # the parameters

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.items)


def row_stops(times: np.ndarray) -> np.ndarray:
    """Return the time at which each row of a table stops: the next later time of the table.

    times: (N,) float64 s, in any order, with repeats (rows of several people at one instant) -> (N,) float64 s. A row
    covers at most 1 s, or 2.5 median steps if that is more, so that a pause of the recording counts for no row; the
    last one covers a median step.

    >>> row_stops(np.array([0.0, 0.0, 0.1, 0.3, 9.0])).round(2).tolist()
    [0.1, 0.1, 0.3, 1.3, 9.2]
    """
    instants = np.unique(times)
    steps = np.diff(instants)
    middle = float(np.median(steps)) if len(steps) else LONE_ROW
    durations = np.minimum(np.append(steps, middle), max(LONGEST_ROW, LONGEST_STEP * middle))
    return (instants + durations)[np.searchsorted(instants, times)]


def find_events(
    starts: np.ndarray, stops: np.ndarray, values: np.ndarray, rule: SegmentRule, label: str = "event"
) -> Segments:
    """Return the events of a series, found with two thresholds.

    An event starts at the first row with a value >= `rule.on` and stops before the first row with a value < `rule.off`,
    a missing value, or a gap. Events with at most `rule.max_gap` between them are then joined, and at last those are
    dropped that are shorter than `rule.min_duration` or longer than `rule.max_duration`.

    starts, stops: (N,) float64 s, increasing, of the rows; values: (N,) float, NaN where missing.
    label: of every event. Raises ValueError for unequal lengths.

    >>> starts = np.arange(6) / 10
    >>> events = find_events(starts, starts + 0.1, np.array([0, 0.6, 0.4, 0.8, 0.1, 0]), SegmentRule(on=0.5, off=0.3))
    >>> [(event.start, round(event.stop, 1), round(event.mean, 2), event.peak) for event in events]
    [(0.1, 0.4, 0.6, 0.8)]
    """
    _check_lengths(starts, stops, values)
    first = _first_after_gap(starts, stops)
    active = _hysteresis(values, first, rule)
    runs = [(a, b, label) for a, b in _runs(active.astype(int), first) if active[a]]
    joined = _join(runs, starts, stops, rule.max_gap)
    made = (_segment(starts, stops, values, run) for run in joined)
    return Segments(tuple(segment for segment in made if _fits(segment, rule)), rule)


def find_stretches(
    starts: np.ndarray, stops: np.ndarray, labels: np.ndarray, values: np.ndarray, rule: SegmentRule
) -> Segments:
    """Return the stretches of time with a constant label, such as the dominant expression.

    Stretches shorter than `rule.min_duration` are dropped first, so that a flicker does not divide a long one; then
    neighbours with the same label and at most `rule.max_gap` between them are joined, and those longer than
    `rule.max_duration` are dropped. `rule.on` and `rule.off` are not used.

    starts, stops: (N,) float64 s, increasing, of the rows; labels: (N,) str, "" where missing; values: (N,) float,
    of the label on each row, such as its probability, NaN where missing. A segment's mean and peak are those of its
    rows with its own label. Raises ValueError for unequal lengths.

    >>> starts, labels = np.arange(5.0), np.array(["joy", "joy", "", "joy", "fear"])
    >>> found = find_stretches(starts, starts + 1, labels, np.array([0.5, 0.7, 0, 0.9, 0.4]), SegmentRule(max_gap=1))
    >>> [(one.label, one.start, one.stop, round(one.mean, 2)) for one in found]
    [('joy', 0.0, 4.0, 0.7), ('fear', 4.0, 5.0, 0.4)]
    """
    _check_lengths(starts, stops, labels, values)
    codes = np.unique(labels, return_inverse=True)[1]
    runs = [(a, b, str(labels[a])) for a, b in _runs(codes, _first_after_gap(starts, stops)) if labels[a]]
    long = [(a, b, label) for a, b, label in runs if stops[b - 1] - starts[a] >= rule.min_duration - TOUCHING]
    joined = _join(long, starts, stops, rule.max_gap)
    made = (_segment(starts, stops, np.where(labels == run[2], values, np.nan), run) for run in joined)
    return Segments(tuple(segment for segment in made if _fits(segment, rule)), rule)


Run = tuple[int, int, str]  # first row, row after the last, label


def _check_lengths(*arrays: np.ndarray) -> None:
    if len({len(array) for array in arrays}) > 1:
        raise ValueError(f"the arrays must have the same length, got {[len(array) for array in arrays]}")


def _first_after_gap(starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Return whether each row is the first one, or does not start at the stop of the row before it: (N,) bool."""
    first = np.ones(len(starts), bool)
    first[1:] = np.abs(starts[1:] - stops[:-1]) > TOUCHING
    return first


def _hysteresis(values: np.ndarray, first: np.ndarray, rule: SegmentRule) -> np.ndarray:
    """Return which rows belong to an event: (N,) float, (N,) bool -> (N,) bool."""
    above = values >= rule.on
    decided = above | first | ~(values >= rule.off)  # a NaN is below
    latest = np.maximum.accumulate(np.where(decided, np.arange(len(values)), 0)) if len(values) else np.zeros(0, int)
    return above[latest]


def _runs(codes: np.ndarray, first: np.ndarray) -> list[tuple[int, int]]:
    """Return the runs of rows with equal codes and no gap: (first row, row after the last)."""
    if not len(codes):
        return []
    edges = first.copy()
    edges[1:] |= codes[1:] != codes[:-1]
    begins = np.flatnonzero(edges)
    return [(int(a), int(b)) for a, b in zip(begins, np.append(begins[1:], len(codes)), strict=True)]


def _join(runs: list[Run], starts: np.ndarray, stops: np.ndarray, max_gap: float) -> list[Run]:
    """Join neighbours with the same label and at most `max_gap` seconds between them."""
    joined: list[Run] = []
    for first, end, label in runs:
        if joined and joined[-1][2] == label and starts[first] - stops[joined[-1][1] - 1] <= max_gap + TOUCHING:
            joined[-1] = (joined[-1][0], end, label)
        else:
            joined.append((first, end, label))
    return joined


def _segment(starts: np.ndarray, stops: np.ndarray, values: np.ndarray, run: Run) -> Segment:
    """Return the segment of a run of rows, with the statistics of its values that are not NaN."""
    first, end, label = run
    start, stop = float(starts[first]), float(stops[end - 1])
    part = values[first:end].astype(float)
    known = ~np.isnan(part)
    if not known.any():
        return Segment(label, start, stop, math.nan, math.nan, math.nan)
    durations = stops[first:end] - starts[first:end]
    mean = float(np.average(part[known], weights=durations[known]))
    top = int(np.nanargmax(part))
    return Segment(label, start, stop, mean, float(part[top]), float(starts[first + top]))


def _fits(segment: Segment, rule: SegmentRule) -> bool:
    """Return whether a segment is neither too short nor too long."""
    return rule.min_duration - TOUCHING <= segment.duration <= rule.max_duration + TOUCHING

"""Percentile intervals over recordings or subjects, never over frames, because the frames of a recording resemble
each other.

A recording enters with the few sums its scores are computed from, so a draw merges sums and reads no frame. All draws
are computed at once: the sums are stacked, and merging works on arrays over the draws.
Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import NamedTuple, Protocol, Self, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avfer.errors import MetricError
from avfer.metrics.validation import Floats, to_floats

DRAWS = 1000
LEVEL = 0.95


class Mergeable(Protocol):
    """A dataclass of float64 arrays, or of such dataclasses, that merges elementwise."""

    def merge(self, other: Self) -> Self:
        """Return the summary of both parts together."""
        ...


class Interval(NamedTuple):
    """A percentile interval of a score: equal shares of the draws lie below `low` and above `high`.

    Both are NaN if there were fewer than two groups to draw from, or if the score of every draw was NaN.
    """

    low: float  # lower end, unit of the score
    high: float  # upper end, unit of the score
    level: float = LEVEL  # share of the draws between low and high
    draws: int = DRAWS
    groups: int = 0  # recordings, or subjects, that were drawn from


S = TypeVar("S", bound=Mergeable)


def bootstrap(
    summaries: Sequence[S],
    scores: Callable[[S], Mapping[str, Floats]],
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Interval]:
    """Interval of each joined score, by drawing as many recordings as there are, with replacement.

    summaries: one item for each recording or subject, with fields of shape ().
    scores: takes a stacked summary with fields of shape (draws,), and returns scores (draws,) by name.
    level: share of the draws inside the interval, in (0, 1).
    seed: of the random numbers; the same seed gives the same intervals.

    Draws whose score is NaN do not count. Raises MetricError without any recording.
    """
    if not summaries:
        raise MetricError("summaries: must have at least one recording, got none")
    stacked = _combine(summaries, np.stack)
    choice = _choices(len(summaries), draws, seed)
    drawn = _combine([stacked], lambda arrays: arrays[0][choice[:, 0]])
    for column in choice.T[1:]:
        drawn = drawn.merge(_combine([stacked], lambda arrays, rows=column: arrays[0][rows]))
    return {name: _interval(values, level, len(summaries)) for name, values in scores(drawn).items()}


def bootstrap_mean(
    values: ArrayLike,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
    groups: Sequence[str] | None = None,
) -> Interval:
    """Interval of the mean score of recordings, by drawing as many of them as there are, with replacement.

    values: (R,) scores of the recordings; a NaN does not count in a mean. `level` and `seed` are those of `bootstrap`.
    groups: subject of each recording, R of them, to draw subjects with all their recordings; None draws recordings.
    Raises MetricError for another shape or without any recording.

    >>> interval = bootstrap_mean([0.2, 0.4, 0.6], draws=100)
    >>> interval.low < 0.4 < interval.high, interval.groups
    (True, 3)
    """
    of_each = to_floats(values)
    if of_each.ndim != 1 or not len(of_each):
        raise MetricError(f"values: must be (R,) scores of at least one recording, got {of_each.shape}")
    if groups is not None and len(groups) != len(of_each):
        raise MetricError(f"groups: must name one group for each of {len(of_each)} recordings, got {len(groups)}")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups or ()))}
    codes = np.arange(len(of_each)) if groups is None else np.array([numbers[name] for name in groups])
    known = ~np.isnan(of_each)
    totals = np.bincount(codes, np.where(known, of_each, 0.0))
    counts = np.bincount(codes, known)
    chosen = _choices(len(counts), draws, seed)
    with np.errstate(invalid="ignore"):
        means = totals[chosen].sum(1) / counts[chosen].sum(1)
    return _interval(means, level, len(counts))


def _choices(count: int, draws: int, seed: int) -> NDArray[np.int64]:
    """Return the positions that each draw takes, (draws, count) in [0, count)."""
    return np.random.default_rng(seed).integers(count, size=(draws, count))


def _interval(values: Floats, level: float, groups: int) -> Interval:
    known = values[~np.isnan(values)]
    if groups < 2 or not len(known):
        return Interval(float("nan"), float("nan"), level, len(values), groups)
    low, high = np.quantile(known, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(low), float(high), level, len(values), groups)


def _combine(summaries: Sequence[S], join: Callable[[list[Floats]], Floats]) -> S:
    """Return a summary in which every field is `join` of the same field of all summaries."""
    parts: list[object] = []
    for field in fields(summaries[0]):  # pyright: ignore[reportArgumentType]
        values = [getattr(summary, field.name) for summary in summaries]
        nested = is_dataclass(values[0])
        parts.append(_combine(cast("list[Mergeable]", values), join) if nested else join(values))
    return type(summaries[0])(*parts)

"""Percentile intervals over recordings or subjects, never over frames: those of one recording resemble each other.

A recording is its summary (the few sums its scores are made of), so a draw merges summaries and touches no frame.
All draws are made at once: the summaries are stacked, and what is merged is an array over the draws.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import NamedTuple, Protocol, Self, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avfer.errors import MetricError
from avfer.metrics.inputs import Floats, to_floats

DRAWS = 1000
LEVEL = 0.95


class Summary(Protocol):
    """A dataclass of float64 arrays (or of such dataclasses) that merges elementwise."""

    def merge(self, other: Self) -> Self: ...


class Interval(NamedTuple):
    """Where a score lies in `level` of the draws; NaN where fewer than two groups were there to draw from."""

    low: float
    high: float
    level: float = LEVEL
    draws: int = DRAWS
    groups: int = 0


S = TypeVar("S", bound=Summary)


def bootstrap(
    summaries: Sequence[S],
    scores: Callable[[S], Mapping[str, Floats]],
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Interval]:
    """An interval for each joined score, by drawing as many summaries as there are, with replacement.

    `scores` takes a stacked summary and gives (draws,) arrays. Draws whose score is NaN do not count.
    """
    if not summaries:
        raise MetricError("no recording to draw from")
    stacked = _combine(summaries, np.stack)
    choice = _choices(len(summaries), draws, seed)
    drawn = _combine([stacked], lambda arrays: arrays[0][choice[:, 0]])
    for column in choice.T[1:]:
        drawn = drawn.merge(_combine([stacked], lambda arrays, rows=column: arrays[0][rows]))
    return {name: _interval(values, level, len(summaries)) for name, values in scores(drawn).items()}


def bootstrap_mean(values: ArrayLike, draws: int = DRAWS, level: float = LEVEL, seed: int = 0) -> Interval:
    """An interval for the mean of (R,) scores of recordings; those that are NaN do not count in a mean."""
    of_each = to_floats(values)
    if of_each.ndim != 1 or not len(of_each):
        raise MetricError(f"one score a recording is needed, not {of_each.shape}")
    drawn = of_each[_choices(len(of_each), draws, seed)]
    known = ~np.isnan(drawn)
    with np.errstate(invalid="ignore"):
        means = np.where(known, drawn, 0.0).sum(1) / known.sum(1)
    return _interval(means, level, len(of_each))


def _choices(count: int, draws: int, seed: int) -> NDArray[np.int64]:
    """(draws, count) positions of what is drawn."""
    return np.random.default_rng(seed).integers(count, size=(draws, count))


def _interval(values: Floats, level: float, groups: int) -> Interval:
    known = values[~np.isnan(values)]
    if groups < 2 or not len(known):
        return Interval(float("nan"), float("nan"), level, len(values), groups)
    low, high = np.quantile(known, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(low), float(high), level, len(values), groups)


def _combine(summaries: Sequence[S], join: Callable[[list[Floats]], Floats]) -> S:
    """A summary whose arrays are what `join` makes of the same array of each."""
    parts: list[object] = []
    for field in fields(summaries[0]):  # pyright: ignore[reportArgumentType]
        values = [getattr(summary, field.name) for summary in summaries]
        nested = is_dataclass(values[0])
        parts.append(_combine(cast("list[Summary]", values), join) if nested else join(values))
    return type(summaries[0])(*parts)

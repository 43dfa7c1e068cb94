"""Counts, means and central sums of paired series, merged without loss: what CCC and PCC are made of.

Every field is a float64 array of one shape, () for one series; series that were stacked merge elementwise, so that
a thousand resamples of a corpus cost what one does. Merging follows Chan, Golub and LeVeque (1979).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from avfer.metrics.inputs import Floats, omit, scalar


@dataclass(frozen=True, eq=False)
class Spread:
    """One series without its NaN."""

    count: Floats
    mean: Floats
    square: Floats  # sum of squared distances from the mean

    @classmethod
    def of(cls, values: Floats) -> Self:
        """The spread of (T,) values, in two passes."""
        values = values[~np.isnan(values)]
        mean, centred = _centre(values)
        return cls(scalar(len(values)), mean, scalar(np.sum(centred * centred)))

    def merge(self, other: Self) -> Self:
        count, share = _weigh(self.count, other.count)
        step = other.mean - self.mean
        square = self.square + other.square + step * step * (self.count * share)
        return type(self)(count, self.mean + step * share, square)


@dataclass(frozen=True, eq=False)
class Pairs:
    """The steps where both series have a value."""

    count: Floats
    mean_x: Floats
    mean_y: Floats
    square_x: Floats  # sums of squared distances from the means
    square_y: Floats
    cross: Floats  # sum of products of the distances

    @classmethod
    def of(cls, x: Floats, y: Floats) -> Self:
        """The sums of two (T,) series without NaN, in two passes."""
        mean_x, dx = _centre(x)
        mean_y, dy = _centre(y)
        sums = (scalar(np.sum(product)) for product in (dx * dx, dy * dy, dx * dy))
        return cls(scalar(len(x)), mean_x, mean_y, *sums)

    def merge(self, other: Self) -> Self:
        count, share = _weigh(self.count, other.count)
        step_x, step_y = other.mean_x - self.mean_x, other.mean_y - self.mean_y
        weight = self.count * share
        return type(self)(
            count,
            self.mean_x + step_x * share,
            self.mean_y + step_y * share,
            self.square_x + other.square_x + step_x * step_x * weight,
            self.square_y + other.square_y + step_y * step_y * weight,
            self.cross + other.cross + step_x * step_y * weight,
        )


@dataclass(frozen=True, eq=False)
class Moments:
    """All that any convention of the CCC asks of two series."""

    steps: Floats  # with those that are NaN
    x: Spread
    y: Spread
    pairs: Pairs

    @classmethod
    def of(cls, x: Floats, y: Floats) -> Self:
        """The moments of two (T,) series; a NaN counts as a step alone."""
        both_x, both_y = omit(x, y)
        pairs = Pairs.of(both_x, both_y)
        if len(both_x) == len(x):
            spread_x = Spread(pairs.count, pairs.mean_x, pairs.square_x)
            return cls(scalar(len(x)), spread_x, Spread(pairs.count, pairs.mean_y, pairs.square_y), pairs)
        return cls(scalar(len(x)), Spread.of(x), Spread.of(y), pairs)

    def merge(self, other: Self) -> Self:
        pairs = self.pairs.merge(other.pairs)
        return type(self)(self.steps + other.steps, self.x.merge(other.x), self.y.merge(other.y), pairs)


def _centre(values: Floats) -> tuple[Floats, Floats]:
    """Mean, and distances from it; measured from the first value, so that a constant has distances of exactly 0."""
    if not len(values):
        return scalar(0.0), values
    moved = values - values[0]
    offset = np.mean(moved)
    return scalar(values[0] + offset), moved - offset


def _weigh(mine: Floats, others: Floats) -> tuple[Floats, Floats]:
    """The count of both together, and the share of the others in it."""
    count = mine + others
    return count, others / np.maximum(count, 1.0)

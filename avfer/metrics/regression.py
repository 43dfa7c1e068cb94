"""Errors and agreement of a continuous prediction beside its CCC: PCC, RMSE, MAE, SAGR."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from avfer.metrics.ccc import Convention, ccc_of
from avfer.metrics.inputs import LIMITS, Floats, Limits, Nan, omit, scalar, to_pair
from avfer.metrics.moments import Moments

SAGR_RULE = "signs agree where both values are positive, both negative, or both exactly 0"


def pcc(prediction: ArrayLike, target: ArrayLike, nan: Nan = "error", limits: Limits = LIMITS) -> float:
    """Pearson correlation of two (T,) series; NaN where a side is constant or there are fewer than two steps."""
    return _score("pcc", prediction, target, nan, limits)


def rmse(prediction: ArrayLike, target: ArrayLike, nan: Nan = "error", limits: Limits = LIMITS) -> float:
    """Root of the mean squared error; NaN without a step."""
    return _score("rmse", prediction, target, nan, limits)


def mae(prediction: ArrayLike, target: ArrayLike, nan: Nan = "error", limits: Limits = LIMITS) -> float:
    """Mean absolute error; NaN without a step."""
    return _score("mae", prediction, target, nan, limits)


def sagr(prediction: ArrayLike, target: ArrayLike, nan: Nan = "error", limits: Limits = LIMITS) -> float:
    """Share of the steps where the signs agree, 0 being a sign of its own (SAGR_RULE); NaN without a step."""
    return _score("sagr", prediction, target, nan, limits)


@dataclass(frozen=True, eq=False)
class RegressionSums:
    """All that the scores of a continuous prediction are made of; merges, and stacks as its moments do."""

    moments: Moments
    squared: Floats  # sum of squared errors
    absolute: Floats  # sum of absolute errors
    same_sign: Floats  # steps whose signs agree

    @classmethod
    def of(cls, prediction: Floats, target: Floats) -> Self:
        """The sums of two (T,) series; a NaN counts as a step alone."""
        x, y = omit(prediction, target)
        error = x - y
        sums = np.sum(error * error), np.sum(np.abs(error)), np.sum(np.sign(x) == np.sign(y))
        return cls(Moments.of(prediction, target), *map(scalar, sums))

    def merge(self, other: Self) -> Self:
        return type(self)(
            self.moments.merge(other.moments),
            self.squared + other.squared,
            self.absolute + other.absolute,
            self.same_sign + other.same_sign,
        )

    def scores(self, convention: Convention = "population") -> dict[str, Floats]:
        """Each score by name, elementwise where sums are stacked; NaN where it is not defined."""
        pairs = self.moments.pairs
        with np.errstate(invalid="ignore", divide="ignore"):
            # Ratios first: exactly 1 for equal series, and no product that is too small for a float.
            correlation = pairs.cross / pairs.square_x * np.sqrt(pairs.square_x / pairs.square_y)
            means = self.squared / pairs.count, self.absolute / pairs.count, self.same_sign / pairs.count
        return {
            "ccc": ccc_of(self.moments, convention),
            "pcc": np.where(pairs.count < 2, np.nan, np.clip(correlation, -1.0, 1.0)),
            "rmse": np.sqrt(means[0]),
            "mae": means[1],
            "sagr": means[2],
        }


def _score(name: str, prediction: ArrayLike, target: ArrayLike, nan: Nan, limits: Limits) -> float:
    return float(RegressionSums.of(*to_pair(prediction, target, nan, limits)).scores()[name])

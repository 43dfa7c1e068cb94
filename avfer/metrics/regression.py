"""Scores of a continuous prediction other than the CCC: PCC, RMSE, MAE and SAGR.

All functions take two vectors (T,) and compute in float64; a step with a NaN is an error unless `nan="omit"`. `nan` and
`limits` are those of `avfer.metrics.ccc`.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from avfer.metrics.ccc import Convention, Moments, ccc_of
from avfer.metrics.validation import LIMITS, Floats, Limits, NanRule, check_series, drop_nan, scalar

SAGR_RULE = "signs agree where both values are positive, both negative, or both exactly 0"


def pcc(prediction: ArrayLike, target: ArrayLike, nan: NanRule = "error", limits: Limits = LIMITS) -> float:
    """Pearson correlation coefficient, cov(x, y) / (sd(x) sd(y)), in [-1, 1].

    prediction, target: (T,) numeric -> () float. NaN if one side is constant or there are fewer than two steps.
    Raises MetricError for input that `ccc` rejects as well.

    >>> round(pcc([0.1, 0.2, 0.3], [0.1, 0.5, 0.6]), 6)
    0.944911
    """
    return _score("pcc", prediction, target, nan, limits)


def rmse(prediction: ArrayLike, target: ArrayLike, nan: NanRule = "error", limits: Limits = LIMITS) -> float:
    """Root mean squared error, sqrt(mean((x - y)²)), in the unit of the values, >= 0.

    prediction, target: (T,) numeric -> () float. NaN without any step. Raises MetricError as `ccc` does.

    >>> rmse([0.0, 0.5], [0.0, 0.0]) == (0.25 / 2) ** 0.5
    True
    """
    return _score("rmse", prediction, target, nan, limits)


def mae(prediction: ArrayLike, target: ArrayLike, nan: NanRule = "error", limits: Limits = LIMITS) -> float:
    """Mean absolute error, mean(|x - y|), in the unit of the values, >= 0.

    prediction, target: (T,) numeric -> () float. NaN without any step. Raises MetricError as `ccc` does.

    >>> mae([0.0, 0.5], [0.0, 0.0])
    0.25
    """
    return _score("mae", prediction, target, nan, limits)


def sagr(prediction: ArrayLike, target: ArrayLike, nan: NanRule = "error", limits: Limits = LIMITS) -> float:
    """Sign agreement: the share of steps at which both signs are equal, in [0, 1].

    prediction, target: (T,) numeric -> () float. 0 is a sign of its own (SAGR_RULE); some published code counts it as
    positive. NaN without any step. Raises MetricError as `ccc` does.

    >>> sagr([0.4, 0.3, 0, -0.1], [0.5, -0.2, 0, 0.1])
    0.5
    """
    return _score("sagr", prediction, target, nan, limits)


@dataclass(frozen=True, eq=False)
class RegressionSums:
    """Sums that all scores of a continuous prediction are computed from; every field has the same shape (...)."""

    moments: Moments  # for CCC and PCC
    squared: Floats  # sum of squared errors
    absolute: Floats  # sum of absolute errors
    same_sign: Floats  # steps whose signs agree

    @classmethod
    def of(cls, prediction: Floats, target: Floats) -> Self:
        """Return the sums of two (T,) series; a step with a NaN enters only the number of steps."""
        x, y = drop_nan(prediction, target)
        error = x - y
        sums = np.sum(error * error), np.sum(np.abs(error)), np.sum(np.sign(x) == np.sign(y))
        return cls(Moments.of(prediction, target), *map(scalar, sums))

    def merge(self, other: Self) -> Self:
        """Return the sums of both parts in one series."""
        return type(self)(
            self.moments.merge(other.moments),
            self.squared + other.squared,
            self.absolute + other.absolute,
            self.same_sign + other.same_sign,
        )

    def scores(self, convention: Convention = "population") -> dict[str, Floats]:
        """Return ccc, pcc, rmse, mae and sagr by name, (...) float64 each; NaN where a score is not defined."""
        pairs = self.moments.pairs
        with np.errstate(invalid="ignore", divide="ignore"):
            # Dividing first gives exactly 1 for equal series, and never underflows.
            correlation = pairs.cross / pairs.square_x * np.sqrt(pairs.square_x / pairs.square_y)
            means = self.squared / pairs.count, self.absolute / pairs.count, self.same_sign / pairs.count
        return {
            "ccc": ccc_of(self.moments, convention),
            "pcc": np.where(pairs.count < 2, np.nan, np.clip(correlation, -1.0, 1.0)),
            "rmse": np.sqrt(means[0]),
            "mae": means[1],
            "sagr": means[2],
        }


def _score(name: str, prediction: ArrayLike, target: ArrayLike, nan: NanRule, limits: Limits) -> float:
    return float(RegressionSums.of(*check_series(prediction, target, nan, limits)).scores()[name])

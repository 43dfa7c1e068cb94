"""Concordance correlation coefficient (CCC), and the moments of two series that it is computed from.

    CCC(x, y) = 2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))²)

Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics 45(1), 1989. Three conventions are
in use, and a value can only be compared with others of the same convention:

- `population`: covariance and variances are divided by n (Lin 1989, ABAW, AVEC 2018 GES per recording);
- `sample`: covariance and variances are divided by n - 1 (torchmetrics);
- `avec2018`: the covariance is divided by the n steps at which both sides have a value, the variances by N - 1, where
  N counts steps with NaN too, and each mean drops only the NaN of its own side (evaluation script of AVEC 2018 and
  2019). Two equal series score (n - 1) / n instead of 1.

Moments are float64 arrays of one shape: () for one series, (D,) for D resamples that are scored at once. They merge
elementwise without loss of precision (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
computing sample variances", 1979).
"""

import warnings
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from avfer.errors import AvferWarning, MetricError, unknown
from avfer.metrics.validation import LIMITS, Floats, Limits, NanRule, check_series, drop_nan, scalar

Convention = Literal["population", "sample", "avec2018"]
CONVENTIONS: tuple[Convention, ...] = ("population", "sample", "avec2018")


@dataclass(frozen=True, eq=False)
class SeriesMoments:
    """Moments of one series without its NaN; every field has the same shape (...)."""

    count: Floats  # (...), values that are not NaN
    mean: Floats  # (...)
    square: Floats  # (...), sum of squared deviations from the mean

    @classmethod
    def of(cls, values: Floats) -> Self:
        """Return the moments of (T,) values, computed in two passes; fields have the shape ()."""
        values = values[~np.isnan(values)]
        mean, deviations = _centre(values)
        return cls(scalar(len(values)), mean, scalar(np.sum(deviations * deviations)))

    def merge(self, other: Self) -> Self:
        """Return the moments of both series in one."""
        count, share = _merge_counts(self.count, other.count)
        step = other.mean - self.mean
        square = self.square + other.square + step * step * (self.count * share)
        return type(self)(count, self.mean + step * share, square)


@dataclass(frozen=True, eq=False)
class PairMoments:
    """Moments of two series x (prediction) and y (target) over the steps at which both have a value.

    Every field has the same shape (...).
    """

    count: Floats  # (...), number of steps
    mean_x: Floats  # (...), of the prediction
    mean_y: Floats  # (...), of the target
    square_x: Floats  # (...), sum of squared deviations of the prediction from its mean
    square_y: Floats  # (...), sum of squared deviations of the target from its mean
    cross: Floats  # (...), sum of the products of both deviations

    @classmethod
    def of(cls, x: Floats, y: Floats) -> Self:
        """Return the moments of two (T,) series without NaN, computed in two passes; fields have the shape ()."""
        mean_x, dx = _centre(x)
        mean_y, dy = _centre(y)
        sums = (scalar(np.sum(product)) for product in (dx * dx, dy * dy, dx * dy))
        return cls(scalar(len(x)), mean_x, mean_y, *sums)

    def merge(self, other: Self) -> Self:
        """Return the moments of both parts in one series."""
        count, share = _merge_counts(self.count, other.count)
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
    """Moments of a prediction x and a target y, enough for every convention of the CCC."""

    steps: Floats  # (...) all steps, with those that have a NaN
    x: SeriesMoments
    y: SeriesMoments
    pairs: PairMoments  # of the steps where both have a value

    @classmethod
    def of(cls, x: Floats, y: Floats) -> Self:
        """Return the moments of two (T,) series, which may have NaN; fields have the shape ()."""
        both_x, both_y = drop_nan(x, y)
        pairs = PairMoments.of(both_x, both_y)
        if len(both_x) == len(x):
            moments_x = SeriesMoments(pairs.count, pairs.mean_x, pairs.square_x)
            return cls(scalar(len(x)), moments_x, SeriesMoments(pairs.count, pairs.mean_y, pairs.square_y), pairs)
        return cls(scalar(len(x)), SeriesMoments.of(x), SeriesMoments.of(y), pairs)

    def merge(self, other: Self) -> Self:
        """Return the moments of both parts in one series."""
        pairs = self.pairs.merge(other.pairs)
        return type(self)(self.steps + other.steps, self.x.merge(other.x), self.y.merge(other.y), pairs)


def ccc(
    prediction: ArrayLike,
    target: ArrayLike,
    convention: Convention = "population",
    nan: NanRule = "error",
    limits: Limits = LIMITS,
) -> float:
    """Lin's concordance correlation coefficient of two series, in [-1, 1], computed in float64.

    prediction, target: (T,) numeric -> () float.
    convention: how covariance and variances are divided; see the module.
    nan: "error", or "omit" to drop the steps with a NaN (`avec2018` then treats them as its script does).
    limits: range that the target must keep; a target outside is an unmasked sentinel. None accepts any target.

    Returns NaN for fewer than two steps and, with an AvferWarning, for two equal constants; 0 if one side is constant.
    Raises MetricError for unequal lengths, NaN, infinite values, targets outside `limits`, or an unknown option.

    >>> round(ccc([0, 0.1, 0.2, 0.4, 0.3], [0.1, 0.1, 0.3, 0.5, 0.2]), 6)
    0.818182
    >>> round(ccc([0, 0.1, 0.2, 0.4, 0.3], [0.1, 0.1, 0.3, 0.5, 0.2], convention="sample"), 6)
    0.824176
    """
    check_convention(convention)
    moments = Moments.of(*check_series(prediction, target, nan, limits))
    return scalar_ccc(moments, convention)


def ccc_of(moments: Moments, convention: Convention = "population") -> Floats:
    """Return the CCC of moments with fields of shape (...), as (...) float64; NaN where it is not defined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if convention == "avec2018":
            value = _avec2018(moments)
        else:
            value = _concordance(moments, ddof=1.0 if convention == "sample" else 0.0)
    return np.where(moments.pairs.count < 2, np.nan, value)


def scalar_ccc(moments: Moments, convention: Convention = "population") -> float:
    """Return the CCC of one series as a float, with an AvferWarning if both sides are the same constant."""
    value = float(ccc_of(moments, convention))
    if np.isnan(value) and moments.pairs.count >= 2:
        warnings.warn("CCC is NaN: prediction and target are the same constant", AvferWarning, stacklevel=3)
    return value


def check_convention(convention: str) -> None:
    """Raise MetricError if `convention` is not one of CONVENTIONS."""
    if convention not in CONVENTIONS:
        raise MetricError(unknown("convention of the CCC", convention, CONVENTIONS))


def _concordance(moments: Moments, ddof: float) -> Floats:
    """Return the CCC (...), with covariance and variances divided by n - ddof."""
    pairs = moments.pairs
    n = pairs.count - ddof
    distance = pairs.mean_x - pairs.mean_y
    return 2.0 * (pairs.cross / n) / (pairs.square_x / n + pairs.square_y / n + distance * distance)


def _avec2018(moments: Moments) -> Floats:
    """Return the CCC (...) of the convention `avec2018`, see the module."""
    x, y, pairs = moments.x, moments.y, moments.pairs
    # Deviations are from the mean of each whole series, which steps with only one value change too.
    covariance = pairs.cross / pairs.count + (pairs.mean_x - x.mean) * (pairs.mean_y - y.mean)
    n = moments.steps - 1.0
    distance = x.mean - y.mean
    return 2.0 * covariance / (x.square / n + y.square / n + distance * distance)


def _centre(values: Floats) -> tuple[Floats, Floats]:
    """Return the mean () and the deviations (T,) of (T,) values.

    The mean is taken relative to the first value, so that a constant series has deviations of exactly 0.
    """
    if not len(values):
        return scalar(0.0), values
    shifted = values - values[0]
    offset = np.mean(shifted)
    return scalar(values[0] + offset), shifted - offset


def _merge_counts(count: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Return the sum of both counts, and the share of `other` in it (0 if both are 0)."""
    total = count + other
    return total, other / np.maximum(total, 1.0)

"""Concordance correlation coefficient (Lin 1989): 2 cov / (var + var + squared distance of the means).

Three conventions are in use, and a number without its convention cannot be compared:

- `population`: all is divided by n (ABAW, Lin 1989, AVEC 2018 GES per recording);
- `sample`: covariance and variances are divided by n - 1 (torchmetrics);
- `avec2018`: the covariance is divided by the n steps where both have a value, the variances by N - 1, where N counts
  NaN too, and each mean leaves out its own NaN alone (the script of AVEC 2018 and 2019). Equal series give (n - 1) / n.
"""

import warnings
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from avfer.errors import AvferWarning, MetricError, unknown
from avfer.metrics.inputs import LIMITS, Floats, Limits, Nan, to_pair
from avfer.metrics.moments import Moments

Convention = Literal["population", "sample", "avec2018"]
CONVENTIONS: tuple[Convention, ...] = ("population", "sample", "avec2018")


def ccc(
    prediction: ArrayLike,
    target: ArrayLike,
    convention: Convention = "population",
    nan: Nan = "error",
    limits: Limits = LIMITS,
) -> float:
    """CCC of two (T,) series, in float64.

    NaN for fewer than two steps, and, with a warning, for two constant series that are equal; 0 where one series is
    constant. A NaN is an error that tells how many and where; nan="omit" drops such pairs (under `avec2018` they are
    treated as its script does). Truth outside `limits` is an error: a sentinel reached the metric. None: any truth.

    >>> round(ccc([0, 0.1, 0.2, 0.4, 0.3], [0.1, 0.1, 0.3, 0.5, 0.2]), 6)
    0.818182
    """
    check_convention(convention)
    moments = Moments.of(*to_pair(prediction, target, nan, limits))
    return told_ccc(moments, convention)


def ccc_of(moments: Moments, convention: Convention = "population") -> Floats:
    """CCC of moments, elementwise where series are stacked; NaN where it is not defined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if convention == "avec2018":
            value = _avec2018(moments)
        else:
            value = _concordance(moments, ddof=1.0 if convention == "sample" else 0.0)
    return np.where(moments.pairs.count < 2, np.nan, value)


def told_ccc(moments: Moments, convention: Convention = "population") -> float:
    """CCC of the moments of one series, with a warning where two constants agree."""
    value = float(ccc_of(moments, convention))
    if np.isnan(value) and moments.pairs.count >= 2:
        warnings.warn("CCC is NaN: prediction and truth are the same constant", AvferWarning, stacklevel=3)
    return value


def check_convention(convention: str) -> None:
    """MetricError for a convention that does not exist."""
    if convention not in CONVENTIONS:
        raise MetricError(unknown("convention of the CCC", convention, CONVENTIONS))


def _concordance(moments: Moments, ddof: float) -> Floats:
    pairs = moments.pairs
    n = pairs.count - ddof
    apart = pairs.mean_x - pairs.mean_y
    return 2.0 * (pairs.cross / n) / (pairs.square_x / n + pairs.square_y / n + apart * apart)


def _avec2018(moments: Moments) -> Floats:
    x, y, pairs = moments.x, moments.y, moments.pairs
    # Distances are from the mean of each series, which steps without a partner move too.
    covariance = pairs.cross / pairs.count + (pairs.mean_x - x.mean) * (pairs.mean_y - y.mean)
    n = moments.steps - 1.0
    apart = x.mean - y.mean
    return 2.0 * covariance / (x.square / n + y.square / n + apart * apart)

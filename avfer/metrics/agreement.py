"""How far raters agree with each other: the CCC of every pair of them."""

import numpy as np
from numpy.typing import ArrayLike

from avfer.errors import MetricError
from avfer.metrics.ccc import Convention, ccc
from avfer.metrics.inputs import Floats, Nan, to_floats


def pairwise_ccc(ratings: ArrayLike, convention: Convention = "population", nan: Nan = "error") -> Floats:
    """(R, R) CCC of the rows of (R, T) ratings; the diagonal is NaN, as nobody agrees with others by being one."""
    values = to_floats(ratings)
    if values.ndim != 2 or len(values) < 2:
        raise MetricError(f"agreement needs (R, T) ratings of two raters or more, not {values.shape}")
    table = np.full((len(values), len(values)), np.nan)
    for one in range(len(values)):
        for other in range(one):
            table[one, other] = table[other, one] = ccc(values[one], values[other], convention, nan, limits=None)
    return table


def rater_agreement(ratings: ArrayLike, convention: Convention = "population", nan: Nan = "error") -> Floats:
    """(R,) mean CCC of each rater with each other one; pairs without a CCC do not count."""
    table = pairwise_ccc(ratings, convention, nan)
    known = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        return np.where(known, table, 0.0).sum(1) / known.sum(1)

"""Gold standards: one series from the ratings of several raters, which models are trained and scored against.

Ratings are (R, T): one row for each of R raters, one column for each of T steps. A missing rating is NaN: means are
taken over the ratings present, as the AVEC 2018 script does, and a step without any rating is NaN.
"""

import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from avfer.errors import AvferWarning, DatasetError, counted, unknown
from avfer.metrics.agreement import rater_agreement
from avfer.metrics.regression import pcc
from avfer.metrics.validation import Floats, drop_nan, to_floats

Procedure = Literal["mean", "avec", "ewe"]
PROCEDURES: tuple[Procedure, ...] = ("mean", "avec", "ewe")
DESCRIPTIONS: dict[Procedure, str] = {
    "mean": "plain mean over the raters",
    "avec": "mean over the raters, each moved to the level on which they agree (AVEC 2016 and 2018)",
    "ewe": "mean over the raters, weighted by the correlation of each with the mean of the others",
}
DECIMALS = 6  # of the AVEC files


def gold_standard(ratings: ArrayLike, procedure: Procedure = "avec") -> Floats:
    """Return the gold standard of one recording by a named procedure.   ratings: (R, T) float in [-1, 1] -> (T,)

    Raises DatasetError for an unknown procedure, or if the procedure is not defined for these ratings.

    >>> gold_standard([[0.0, 0.5], [0.25, 0.75]], "mean").tolist()
    [0.125, 0.625]
    """
    if procedure not in PROCEDURES:
        raise DatasetError(unknown("gold standard", procedure, PROCEDURES))
    procedures: dict[Procedure, Callable[[ArrayLike], Floats]] = {"mean": mean, "avec": avec, "ewe": ewe}
    return procedures[procedure](ratings)


def mean(ratings: ArrayLike) -> Floats:
    """Return the plain mean over the raters.   (R, T) -> (T,). Raises DatasetError for infinite or empty ratings."""
    return _column_means(_checked(ratings, min_raters=1))


def avec(ratings: ArrayLike, decimals: int | None = DECIMALS) -> Floats:
    """Return the mean over the raters, moved to their reference level (AVEC 2016, Valstar et al.).   (R, T) -> (T,)

    All ratings are moved to the same level and averaged, so the result is `mean` plus a constant.
    decimals: rounds as the AVEC files do; None for no rounding.
    Raises DatasetError for fewer than 2 raters, infinite ratings, or a rater without ratings.
    """
    values = _checked(ratings, min_raters=2)
    moved = _column_means(values) - float(np.nanmean(values)) + reference_level(values)
    return moved if decimals is None else np.round(moved, decimals)


def reference_level(ratings: ArrayLike) -> float:
    """Return the mean of the raters' means, each weighted by its agreement.   (R, T) -> float in [-1, 1]

    The agreement of a rater is its mean CCC with the other raters. If the agreements do not sum to a positive number,
    the weights are undefined: AvferWarning, and the plain mean is returned. Raises DatasetError as `avec` does.
    """
    values = _checked(ratings, min_raters=2)
    weights = np.nan_to_num(rater_agreement(values, nan="omit"))
    if weights.sum() <= 0:
        warnings.warn("the raters do not agree at all; their plain mean is the level", AvferWarning, stacklevel=2)
        return float(np.nanmean(values))
    return float(weights @ np.nanmean(values, axis=1) / weights.sum())


def ewe(ratings: ArrayLike) -> Floats:
    """Return the evaluator weighted estimator (Grimm and Kroschel, 2005).   (R, T) -> (T,)

    It is the mean over the raters weighted by `ewe_weights`. Raises DatasetError if all weights are 0, and as `avec`.
    """
    values = _checked(ratings, min_raters=2)
    weights = ewe_weights(values)
    if not weights.any():
        raise DatasetError("no rater correlates with the others: the weights of 'ewe' are all 0; take 'mean' or 'avec'")
    given = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return (weights @ np.where(given, values, 0.0)) / (weights @ given)


def ewe_weights(ratings: ArrayLike) -> Floats:
    """Return the correlation of each rater with the mean of the others.   (R, T) -> (R,) in [0, 1]

    Negative and undefined correlations become 0.
    """
    values = _checked(ratings, min_raters=2)
    weights = np.zeros(len(values))
    for rater in range(len(values)):
        others = _column_means(np.delete(values, rater, axis=0))
        weights[rater] = pcc(*drop_nan(values[rater], others), limits=None)
    return np.maximum(np.nan_to_num(weights), 0.0)


def _column_means(values: Floats) -> Floats:
    """Return the mean of the ratings present in each column, NaN where there are none.   (R, T) -> (T,)"""
    given = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(given, values, 0.0).sum(0) / given.sum(0)


def _checked(ratings: ArrayLike, min_raters: int) -> Floats:
    """Return ratings as (R, T) float64. Raises DatasetError for another shape, infinity, or a row of NaN alone."""
    values = to_floats(ratings)
    if values.ndim != 2 or len(values) < min_raters or not values.shape[1]:
        raise DatasetError(f"ratings must have shape (R, T) with R >= {min_raters} and T >= 1, got {values.shape}")
    if np.isinf(values).any():
        found = counted(np.isinf(values).sum(), "infinite value")
        raise DatasetError(f"ratings must be finite or NaN (missing), got {found}")
    empty = np.flatnonzero(np.isnan(values).all(axis=1))
    if len(empty):
        raise DatasetError(f"rater {empty[0]} has no rating at all; leave that row out")
    return values

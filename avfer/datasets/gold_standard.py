"""One series from the ratings of several raters of a recording: the gold standard that a model is scored against.

Ratings are (R, T), one row a rater. A missing rating is NaN: means go over what there is, as the AVEC 2018 script
does; a step that nobody rated is NaN.
"""

import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from avfer.errors import AvferWarning, DatasetError, unknown
from avfer.metrics.agreement import rater_agreement
from avfer.metrics.inputs import Floats, omit, to_floats
from avfer.metrics.regression import pcc

Procedure = Literal["mean", "avec", "ewe"]
PROCEDURES: tuple[Procedure, ...] = ("mean", "avec", "ewe")
TOLD: dict[Procedure, str] = {
    "mean": "plain mean over the raters",
    "avec": "mean over the raters, each moved to the level on which they agree (AVEC 2016 and 2018)",
    "ewe": "mean over the raters, weighted by the correlation of each with the mean of the others",
}
DECIMALS = 6  # of the AVEC files


def gold_standard(ratings: ArrayLike, procedure: Procedure = "avec") -> Floats:
    """(T,) gold standard of one recording by a named procedure."""
    if procedure not in PROCEDURES:
        raise DatasetError(unknown("gold standard", procedure, PROCEDURES))
    makers: dict[Procedure, Callable[[ArrayLike], Floats]] = {"mean": mean, "avec": avec, "ewe": ewe}
    return makers[procedure](ratings)


def mean(ratings: ArrayLike) -> Floats:
    """(T,) plain mean over the raters."""
    return _column_means(_checked(ratings, raters=1))


def avec(ratings: ArrayLike, decimals: int | None = DECIMALS) -> Floats:
    """(T,) mean over the raters, moved to their reference level; six decimals, as AVEC distributes it.

    All ratings are moved to one level and averaged, so this is `mean` plus a constant.
    """
    values = _checked(ratings, raters=2)
    moved = _column_means(values) - float(np.nanmean(values)) + reference_level(values)
    return moved if decimals is None else np.round(moved, decimals)


def reference_level(ratings: ArrayLike) -> float:
    """Mean of the raters' means, each weighted by its agreement: the mean CCC with the other raters."""
    values = _checked(ratings, raters=2)
    weights = np.nan_to_num(rater_agreement(values, nan="omit"))
    if weights.sum() <= 0:
        # Weights that do not add up to something positive are none: the level could lie anywhere.
        warnings.warn("the raters do not agree at all; their plain mean is the level", AvferWarning, stacklevel=2)
        return float(np.nanmean(values))
    return float(weights @ np.nanmean(values, axis=1) / weights.sum())


def ewe(ratings: ArrayLike) -> Floats:
    """(T,) mean over the raters by their weights (evaluator weighted estimator)."""
    values = _checked(ratings, raters=2)
    weights = ewe_weights(values)
    if not weights.any():
        raise DatasetError("no rater correlates with the others: the weights of 'ewe' are all 0; take 'mean' or 'avec'")
    given = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return (weights @ np.where(given, values, 0.0)) / (weights @ given)


def ewe_weights(ratings: ArrayLike) -> Floats:
    """(R,) correlation of each rater with the mean of the others; 0 where it is negative or not defined."""
    values = _checked(ratings, raters=2)
    weights = np.zeros(len(values))
    for rater in range(len(values)):
        others = _column_means(np.delete(values, rater, axis=0))
        weights[rater] = pcc(*omit(values[rater], others), limits=None)
    return np.maximum(np.nan_to_num(weights), 0.0)


def _column_means(values: Floats) -> Floats:
    """(T,) mean of what there is in each column; NaN where there is nothing."""
    given = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(given, values, 0.0).sum(0) / given.sum(0)


def _checked(ratings: ArrayLike, raters: int) -> Floats:
    values = to_floats(ratings)
    if values.ndim != 2 or len(values) < raters or not values.shape[1]:
        raise DatasetError(f"ratings are (R, T), of {raters} raters or more, not {values.shape}")
    if np.isinf(values).any():
        raise DatasetError(f"{np.isinf(values).sum()} ratings are infinite")
    silent = np.flatnonzero(np.isnan(values).all(axis=1))
    if len(silent):
        raise DatasetError(f"rater {silent[0]} gave no rating at all; leave the row out")
    return values

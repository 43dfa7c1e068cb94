"""Krippendorff's alpha: agreement of any number of raters beyond chance, missing ratings allowed.

alpha = 1 - D_o / D_e, the disagreement observed within units over the one expected if the same values were dealt at
random. Ordinal distances are differences of mid-ranks, so that ordinal is interval on ranks, and neither needs the
table of all pairs of values, which continuous ratings would make huge.
"""

import warnings
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from avfer.errors import AvferWarning, MetricError, unknown
from avfer.metrics.inputs import Floats, to_floats

Level = Literal["nominal", "ordinal", "interval"]
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")


def krippendorff_alpha(ratings: ArrayLike, level: Level = "interval") -> float:
    """Alpha of (R, T) ratings, one row a rater, one column a unit, NaN where missing.

    A unit with fewer than two ratings does not count. NaN where no unit counts, and, with a warning, where all
    ratings that count are the same.
    """
    if level not in LEVELS:
        raise MetricError(unknown("level of measurement", level, LEVELS))
    values = to_floats(ratings)
    if values.ndim != 2:
        raise MetricError(f"alpha needs (R, T) ratings, not {values.shape}")
    if np.isinf(values).any():
        raise MetricError(f"{np.isinf(values).sum()} ratings are infinite")
    values = values[:, np.sum(~np.isnan(values), axis=0) >= 2]
    given = values[~np.isnan(values)]
    if not len(given):
        return float("nan")
    if len(np.unique(given)) == 1:
        warnings.warn("alpha is NaN: all ratings are the same value", AvferWarning, stacklevel=2)
        return float("nan")
    if level == "nominal":
        return _nominal(values, given)
    return _interval(_ranks(values, given) if level == "ordinal" else values)


def _interval(values: Floats) -> float:
    """Alpha of squared differences: sums over pairs are sums of squares about a mean."""
    n = np.sum(~np.isnan(values), axis=0)
    within = np.nansum((values - np.nanmean(values, axis=0)) ** 2, axis=0)
    observed = np.sum(n * within / (n - 1))
    total = np.nansum((values - np.nanmean(values)) ** 2)
    return float(1.0 - observed * (n.sum() - 1) / (total * n.sum()))


def _nominal(values: Floats, given: Floats) -> float:
    """Alpha of unequal pairs: all pairs of a unit less those of one value."""
    known, totals = np.unique(given, return_counts=True)
    here = ~np.isnan(values)
    units = np.broadcast_to(np.arange(values.shape[1]), values.shape)[here]
    codes = units * len(known) + np.searchsorted(known, values[here])
    cells, counts = np.unique(codes, return_counts=True)
    n = here.sum(0)
    same = np.bincount(cells // len(known), weights=counts.astype(np.float64) ** 2, minlength=len(n))
    observed = np.sum((n.astype(np.float64) ** 2 - same) / (n - 1))
    size = float(len(given))
    expected = (size**2 - np.sum(totals.astype(np.float64) ** 2)) / (size - 1)
    return float(1.0 - observed / expected)


def _ranks(values: Floats, given: Floats) -> Floats:
    """Mid-ranks of all ratings: how many are smaller, and half of those that are equal."""
    known, totals = np.unique(given, return_counts=True)
    middle = np.cumsum(totals) - totals / 2.0
    places = np.searchsorted(known, np.nan_to_num(values, nan=known[0]))
    return np.where(np.isnan(values), np.nan, middle[places])

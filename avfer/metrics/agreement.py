"""Agreement of raters: CCC of every pair, intraclass correlation (ICC), Cohen's kappa, Krippendorff's alpha.

Ratings are (R, T): one row for each rater, one column for each rated step or target.
"""

import warnings
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from avfer.errors import AvferWarning, MetricError, unknown
from avfer.metrics.ccc import Convention, PairMoments, ccc
from avfer.metrics.classification import Classes, count_classes
from avfer.metrics.validation import Floats, NanRule, to_floats

IccKind = Literal["3,1", "2,1"]
Level = Literal["nominal", "ordinal", "interval"]
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")


def pairwise_ccc(ratings: ArrayLike, convention: Convention = "population", nan: NanRule = "error") -> Floats:
    """CCC of every pair of raters.

    ratings: (R, T) of R >= 2 raters -> (R, R) float64, symmetric, with NaN on the diagonal.
    `convention` and `nan` are those of `ccc`. Raises MetricError for fewer than two raters and as `ccc` does.

    >>> pairwise_ccc([[0.0, 0.2, 0.4], [0.0, 0.2, 0.4]]).tolist()
    [[nan, 1.0], [1.0, nan]]
    """
    values = to_floats(ratings)
    if values.ndim != 2 or len(values) < 2:
        raise MetricError(f"ratings: must be (R, T) of at least two raters, got {values.shape}")
    table = np.full((len(values), len(values)), np.nan)
    for one in range(len(values)):
        for other in range(one):
            table[one, other] = table[other, one] = ccc(values[one], values[other], convention, nan, limits=None)
    return table


def rater_agreement(ratings: ArrayLike, convention: Convention = "population", nan: NanRule = "error") -> Floats:
    """Mean CCC of each rater with the others; pairs whose CCC is NaN do not count.

    ratings: (R, T) of R >= 2 raters -> (R,) float64. Arguments and errors are those of `pairwise_ccc`.

    >>> rater_agreement([[0.0, 0.2, 0.4], [0.0, 0.2, 0.4], [0.1, 0.3, 0.5]]).round(3).tolist()
    [0.921, 0.921, 0.842]
    """
    table = pairwise_ccc(ratings, convention, nan)
    known = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        return np.where(known, table, 0.0).sum(1) / known.sum(1)


def icc(ratings: ArrayLike, kind: IccKind = "3,1") -> float:
    """Intraclass correlation of single ratings, as used for action unit intensity in DISFA and BP4D.

    With the mean squares of a two-way layout, B between targets, J between raters, E of the residual:

        ICC(3,1) = (B - E) / (B + (R - 1) E)                      consistency: a constant bias of a rater is ignored
        ICC(2,1) = (B - E) / (B + (R - 1) E + R (J - E) / T)      absolute agreement: a bias lowers it

    Shrout and Fleiss, "Intraclass correlations: uses in assessing rater reliability", Psychological Bulletin 86, 1979.
    Prediction and target can be passed as two raters.

    ratings: (R, T) without NaN, R >= 2 -> () float, at most 1; NaN for fewer than two targets or without any variance.
    Raises MetricError for other shapes, NaN, infinite values, or an unknown kind.

    >>> round(icc([[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]], "2,1"), 2)
    0.29
    """
    if kind not in ("3,1", "2,1"):
        raise MetricError(unknown("kind of ICC", kind, ("3,1", "2,1")))
    values = to_floats(ratings)
    if values.ndim != 2 or len(values) < 2:
        raise MetricError(f"ratings: must be (R, T) of at least two raters, got {values.shape}")
    if not np.isfinite(values).all():
        raise MetricError(
            f"ratings: must be finite, got {np.sum(~np.isfinite(values))} NaN or infinite; drop those steps"
        )
    raters, targets = values.shape
    if targets < 2:
        return float("nan")
    values = values - values[0, 0]  # so that equal ratings leave a variance of exactly 0
    of_target, of_rater, mean = values.mean(0), values.mean(1), values.mean()
    rest = values - of_target - of_rater[:, None] + mean
    between = raters * np.sum((of_target - mean) ** 2) / (targets - 1)
    bias = targets * np.sum((of_rater - mean) ** 2) / (raters - 1)
    error = np.sum(rest**2) / ((targets - 1) * (raters - 1))
    whole = between + (raters - 1) * error + (raters * (bias - error) / targets if kind == "2,1" else 0.0)
    return float((between - error) / whole) if whole > 0 else float("nan")


def krippendorff_alpha(ratings: ArrayLike, level: Level = "interval") -> float:
    """Krippendorff's alpha, 1 - D_o / D_e: agreement beyond chance, with missing ratings allowed.

    D_o is the mean disagreement of the ratings of one step, D_e that of all ratings regardless of their step;
    disagreement is inequality (nominal), the squared difference (interval), or the squared difference of mid-ranks
    (ordinal). Krippendorff, "Content Analysis", 2004, chapter 11.

    ratings: (R, T), NaN where a rating is missing -> () float, at most 1. A step with fewer than two ratings does not
    count. NaN if no step counts and, with an AvferWarning, if all ratings that count are equal.
    Raises MetricError for other shapes, infinite values, or an unknown level.

    >>> round(krippendorff_alpha([[1, 2, 3, 3], [1, 2, 3, 4]], "interval"), 3)
    0.889
    """
    if level not in LEVELS:
        raise MetricError(unknown("level of measurement", level, LEVELS))
    values = to_floats(ratings)
    if values.ndim != 2:
        raise MetricError(f"ratings: must be (R, T), got {values.shape}")
    if np.isinf(values).any():
        raise MetricError(f"ratings: must be finite or NaN, {np.isinf(values).sum()} are infinite")
    values = values[:, np.sum(~np.isnan(values), axis=0) >= 2]
    given = values[~np.isnan(values)]
    if not len(given):
        return float("nan")
    if len(np.unique(given)) == 1:
        warnings.warn("alpha is NaN: all ratings have the same value", AvferWarning, stacklevel=2)
        return float("nan")
    if level == "nominal":
        return _nominal_alpha(values, given)
    return _interval_alpha(_mid_ranks(values, given) if level == "ordinal" else values)


def cohen_kappa(prediction: ArrayLike, target: ArrayLike, classes: Classes | None = None) -> float:
    """Cohen's kappa, (p_o - p_e) / (1 - p_e): agreement of two raters beyond chance.

    p_o is the share of steps with equal labels, p_e the share expected from how often each rater uses each class.
    Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20, 1960.

    prediction, target: (T,) class names or indices -> () float, at most 1; NaN without any step, or if both raters use
    one and the same class only. `classes` and errors are those of `accuracy`; classes that no one uses change nothing.

    >>> round(cohen_kappa(["a", "a", "b", "b"], ["a", "a", "a", "b"]), 6)
    0.5
    """
    return float(kappa_of(count_classes(prediction, target, classes).counts))


def kappa_of(counts: Floats) -> Floats:
    """Return Cohen's kappa of counts (..., K, K) of two raters' classes, (...) float64; NaN where it is not defined."""
    steps = counts.sum((-2, -1))
    equal = np.trace(counts, axis1=-2, axis2=-1) * steps
    chance = (counts.sum(-1) * counts.sum(-2)).sum(-1)  # both in units of steps², so that equality is exact
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(steps**2 > chance, (equal - chance) / (steps**2 - chance), np.nan)


def nominal_alpha_of(counts: Floats) -> Floats:
    """Return the nominal alpha of `krippendorff_alpha` from counts (..., K, K) of two raters' classes, (...) float64.

    Every step has two ratings. NaN where all ratings are equal, or without any step.
    """
    ratings = 2.0 * counts.sum((-2, -1))
    of_class = counts.sum(-1) + counts.sum(-2)
    observed = ratings - 2.0 * np.trace(counts, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (ratings**2 - (of_class**2).sum(-1)) / (ratings - 1.0)
        return np.where(expected > 0, 1.0 - observed / expected, np.nan)


def interval_alpha_of(pairs: PairMoments) -> Floats:
    """Return the interval alpha of `krippendorff_alpha` from the moments of two raters, (...) float64.

    Every step has two ratings. NaN where all ratings are equal, or without any step.
    """
    shift = pairs.count * (pairs.mean_x - pairs.mean_y) ** 2
    observed = pairs.square_x + pairs.square_y - 2.0 * pairs.cross + shift
    total = pairs.square_x + pairs.square_y + shift / 2.0
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, 1.0 - observed * (2.0 * pairs.count - 1.0) / (total * 2.0 * pairs.count), np.nan)


def _interval_alpha(values: Floats) -> float:
    """Return alpha of squared differences for (R, T) values.

    A sum of squares about the mean replaces the sum over all pairs, so continuous ratings need no table of values.
    """
    n = np.sum(~np.isnan(values), axis=0)
    within = np.nansum((values - np.nanmean(values, axis=0)) ** 2, axis=0)
    observed = np.sum(n * within / (n - 1))
    total = np.nansum((values - np.nanmean(values)) ** 2)
    return float(1.0 - observed * (n.sum() - 1) / (total * n.sum()))


def _nominal_alpha(values: Floats, given: Floats) -> float:
    """Return alpha of unequal pairs for (R, T) values; `given`: (G,) the values that are not NaN.

    The unequal pairs of a step are all its pairs minus the pairs of equal values.
    """
    known, totals = np.unique(given, return_counts=True)
    rated = ~np.isnan(values)
    steps = np.broadcast_to(np.arange(values.shape[1]), values.shape)[rated]
    codes = steps * len(known) + np.searchsorted(known, values[rated])
    cells, counts = np.unique(codes, return_counts=True)
    n = rated.sum(0)
    same = np.bincount(cells // len(known), weights=counts.astype(np.float64) ** 2, minlength=len(n))
    observed = np.sum((n.astype(np.float64) ** 2 - same) / (n - 1))
    size = float(len(given))
    expected = (size**2 - np.sum(totals.astype(np.float64) ** 2)) / (size - 1)
    return float(1.0 - observed / expected)


def _mid_ranks(values: Floats, given: Floats) -> Floats:
    """Return the mid-rank of each rating, (R, T): the number of smaller ones plus half of the equal ones."""
    known, totals = np.unique(given, return_counts=True)
    middle = np.cumsum(totals) - totals / 2.0
    places = np.searchsorted(known, np.nan_to_num(values, nan=known[0]))
    return np.where(np.isnan(values), np.nan, middle[places])

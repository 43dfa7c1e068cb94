"""F1 of action units: each unit is a binary problem, scored by the F1 of its occurrence; the score is their mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avfer.errors import MetricError
from avfer.metrics.validation import Floats, raise_where, to_floats

OCCURRENCE_THRESHOLD = 0.5  # above which the probability of an action unit predicts it


@dataclass(frozen=True, eq=False)
class UnitCounts:
    """Counts of each of A units by target and prediction, which can be merged, and stacked along leading axes (...)."""

    hits: Floats  # (..., A) occurs and is predicted
    false_alarms: Floats  # (..., A) is predicted, but does not occur
    misses: Floats  # (..., A) occurs, but is not predicted
    rejections: Floats  # (..., A) neither occurs nor is predicted

    def merge(self, other: Self) -> Self:
        """Return the counts of both parts together."""
        return type(self)(
            self.hits + other.hits,
            self.false_alarms + other.false_alarms,
            self.misses + other.misses,
            self.rejections + other.rejections,
        )

    @property
    def support(self) -> Floats:
        """Number of steps at which each unit occurs, (..., A)."""
        return self.hits + self.misses

    @property
    def f1(self) -> Floats:
        """2 hits / (2 hits + false alarms + misses) of each unit, (..., A) in [0, 1]; 0 if it never occurs."""
        return 2.0 * self.hits / np.maximum(2.0 * self.hits + self.false_alarms + self.misses, 1.0)

    def scores(self) -> dict[str, Floats]:
        """Return f1_macro (mean over the units) and accuracy (share of correct labels), (...) float64 each."""
        correct = (self.hits + self.rejections).sum(-1)
        labels = correct + (self.false_alarms + self.misses).sum(-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"f1_macro": np.where(labels > 0, self.f1.mean(-1), np.nan), "accuracy": correct / labels}


@dataclass(frozen=True, eq=False)
class UnitScores:
    """Scores of A action units, in the order of the columns."""

    f1: Floats  # (A,) in [0, 1]
    support: NDArray[np.int64]  # (A,) steps at which the unit occurs; an F1 of 0 without support has no meaning
    threshold: Floats  # (A,) a unit is predicted where its probability is above it
    f1_macro: float  # mean of f1
    accuracy: float  # share of correct labels, all units together


def au_f1(
    prediction: ArrayLike,
    target: ArrayLike,
    threshold: float | Sequence[float] = OCCURRENCE_THRESHOLD,
    valid: ArrayLike | None = None,
) -> UnitScores:
    """F1 of each of A action units, and their mean, the score of ABAW from 2022.

    prediction: (T, A) probabilities in [0, 1], or occurrences 0 and 1.
    target: (T, A) occurrences, 0 or 1.
    threshold: a unit is predicted where its probability is above it; one for all units, or (A,). A report must state
    whether it was tuned.
    valid: (T,) or (T, A) bool, False where the target is unknown; None if all of it is known.

    Raises MetricError for other shapes, a threshold of NaN, a valid target other than 0 and 1, and a prediction of NaN
    or infinity.

    >>> au_f1([[0.9, 0.2], [0.6, 0.4]], [[1, 0], [0, 1]]).f1.round(3).tolist()
    [0.667, 0.0]
    """
    counts = count_units(prediction, target, threshold, valid)
    scores = counts.scores()
    limits = np.broadcast_to(to_floats(threshold), counts.hits.shape).copy()
    support = counts.support.astype(np.int64)
    return UnitScores(counts.f1, support, limits, float(scores["f1_macro"]), float(scores["accuracy"]))


def count_units(
    prediction: ArrayLike,
    target: ArrayLike,
    threshold: float | Sequence[float] = OCCURRENCE_THRESHOLD,
    valid: ArrayLike | None = None,
    first: int = 0,
) -> UnitCounts:
    """Return the counts (A,) of (T, A) predictions and targets; arguments and errors are those of `au_f1`.

    `first` is the index of row 0 in error messages.
    """
    predicted, true = to_floats(prediction), to_floats(target)
    if predicted.shape != true.shape or predicted.ndim != 2:
        raise MetricError(
            f"prediction {predicted.shape} and target {true.shape} must be two (T, A) arrays of the same shape"
        )
    limits = to_floats(threshold)
    if limits.shape not in ((), predicted.shape[1:]) or np.isnan(limits).any():
        raise MetricError(
            f"threshold: must be a number, or one for each of {predicted.shape[1]} units, got {threshold}"
        )
    use = _to_mask(valid, predicted.shape)
    message = "the target has {} other than 0 and 1, the first in row {}; mask steps without a label"
    raise_where(use & (true != 0) & (true != 1), "value", message, first)
    message = "the prediction has {}, the first in row {}"
    raise_where(use & ~np.isfinite(predicted), "NaN or infinite value", message, first)
    occurs, positive = true == 1, predicted > limits
    kinds = occurs & positive, ~occurs & positive, occurs & ~positive, ~occurs & ~positive
    return UnitCounts(*(to_floats(np.sum(kind & use, axis=0)) for kind in kinds))


def _to_mask(valid: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if valid is None:
        return np.ones(shape, bool)
    mask = np.asarray(valid, bool)
    if mask.shape not in (shape, shape[:1]):
        raise MetricError(f"valid: must have the shape {shape} or {shape[:1]}, got {mask.shape}")
    return np.broadcast_to(mask[:, None] if mask.ndim == 1 else mask, shape)

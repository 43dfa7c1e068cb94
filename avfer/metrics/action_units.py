"""F1 of action units: one binary problem a unit, the F1 of its occurrence, and the mean over all units."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avfer.errors import MetricError
from avfer.metrics.inputs import Floats, to_floats


@dataclass(frozen=True, eq=False)
class UnitCounts:
    """Steps of each unit by truth and prediction, (..., A) each; merges, and stacks along leading axes."""

    hits: Floats  # occurs, and is told
    false_alarms: Floats
    misses: Floats
    rejections: Floats  # does not occur, and is not told

    def merge(self, other: Self) -> Self:
        return type(self)(
            self.hits + other.hits,
            self.false_alarms + other.false_alarms,
            self.misses + other.misses,
            self.rejections + other.rejections,
        )

    @property
    def support(self) -> Floats:
        """(..., A): steps where the unit occurs."""
        return self.hits + self.misses

    @property
    def f1(self) -> Floats:
        """(..., A): 0 for a unit that neither occurs nor is told."""
        return 2.0 * self.hits / np.maximum(2.0 * self.hits + self.false_alarms + self.misses, 1.0)

    def scores(self) -> dict[str, Floats]:
        """`f1_macro` is the mean over the units, `accuracy` the share of all labels that are right."""
        right = (self.hits + self.rejections).sum(-1)
        labels = right + (self.false_alarms + self.misses).sum(-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"f1_macro": np.where(labels > 0, self.f1.mean(-1), np.nan), "accuracy": right / labels}


@dataclass(frozen=True, eq=False)
class UnitScores:
    """What a report tells of action units; arrays are (A,), in the order of the columns."""

    f1: Floats
    support: NDArray[np.int64]  # steps where the unit occurs; with 0 an F1 of 0 says nothing of the prediction
    threshold: Floats  # a unit is told where its probability is above it
    f1_macro: float
    accuracy: float  # of all labels together


def au_f1(
    prediction: ArrayLike,
    target: ArrayLike,
    threshold: float | Sequence[float] = 0.5,
    valid: ArrayLike | None = None,
) -> UnitScores:
    """F1 per unit of (T, A) probabilities (or 0 and 1) against (T, A) occurrences.

    `threshold` is one for all units or one each; say so where it was tuned. `valid` (T,) or (T, A) is False where
    the truth is not known; any truth but 0 and 1 elsewhere is an error.
    """
    counts = count_units(prediction, target, threshold, valid)
    scores = counts.scores()
    limits = np.broadcast_to(to_floats(threshold), counts.hits.shape).copy()
    support = counts.support.astype(np.int64)
    return UnitScores(counts.f1, support, limits, float(scores["f1_macro"]), float(scores["accuracy"]))


def count_units(
    prediction: ArrayLike,
    target: ArrayLike,
    threshold: float | Sequence[float] = 0.5,
    valid: ArrayLike | None = None,
    first: int = 0,
) -> UnitCounts:
    """Counts of (T, A) predictions and truth; `first` is the index of their first step in an error."""
    told, true = to_floats(prediction), to_floats(target)
    if told.shape != true.shape or told.ndim != 2:
        raise MetricError(f"prediction {told.shape} and truth {true.shape} must be two (T, A) tables of one shape")
    use = _mask(valid, told.shape)
    _refuse(use & (true != 0) & (true != 1), "{} truths are neither 0 nor 1, the first in row {}; mask them", first)
    _refuse(use & ~np.isfinite(told), "{} predictions are NaN or infinite, the first in row {}", first)
    occurs, says = true == 1, told > to_floats(threshold)
    kinds = occurs & says, ~occurs & says, occurs & ~says, ~occurs & ~says
    return UnitCounts(*(to_floats(np.sum(kind & use, axis=0)) for kind in kinds))


def _mask(valid: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if valid is None:
        return np.ones(shape, bool)
    mask = np.asarray(valid, bool)
    if mask.shape not in (shape, shape[:1]):
        raise MetricError(f"valid {mask.shape} must be {shape} or {shape[:1]}")
    return np.broadcast_to(mask[:, None] if mask.ndim == 1 else mask, shape)


def _refuse(wrong: NDArray[np.bool_], told: str, first: int) -> None:
    if wrong.any():
        raise MetricError(told.format(int(wrong.sum()), first + int(wrong.any(axis=1).argmax())))

"""Scores of data that do not fit memory: added chunk by chunk, merged across workers, joined or by recording.

One accumulator a family: `RegressionScores`, `ClassScores`, `ActionUnitScores`. Each holds a summary of fixed size and
turns one summary, or a stack of them, into scores. `ByRecording` (recordings.py) keeps one a recording.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from avfer.errors import MetricError
from avfer.metrics.action_units import UnitCounts, count_units
from avfer.metrics.ccc import Convention, check_convention, told_ccc
from avfer.metrics.classification import Classes, Confusion, confuse
from avfer.metrics.inputs import LIMITS, Floats, Limits, Nan, to_pair
from avfer.metrics.regression import RegressionSums


class RegressionScores:
    """CCC, PCC, RMSE, MAE and SAGR of a continuous prediction."""

    def __init__(self, convention: Convention = "population", nan: Nan = "error", limits: Limits = LIMITS) -> None:
        check_convention(convention)
        self.convention: Convention = convention
        self.nan: Nan = nan
        self.limits = limits
        self.summary = RegressionSums.of(np.zeros(0), np.zeros(0))

    def add(self, prediction: ArrayLike, target: ArrayLike) -> None:
        """The next (T,) steps."""
        first = int(self.summary.moments.steps)
        self.summary = self.summary.merge(RegressionSums.of(*to_pair(prediction, target, self.nan, self.limits, first)))

    def merge(self, other: Self) -> None:
        """Take in what another one has added."""
        if other.convention != self.convention:
            raise MetricError(f"scores of {self.convention} and of {other.convention} cannot be merged")
        self.summary = self.summary.merge(other.summary)

    def scores(self, summary: RegressionSums) -> dict[str, Floats]:
        """Each score of a summary, elementwise where it is stacked."""
        return summary.scores(self.convention)

    def result(self) -> dict[str, float]:
        """Each score by name."""
        values = {name: float(value) for name, value in self.scores(self.summary).items()}
        return values | {"ccc": told_ccc(self.summary.moments, self.convention)}


class ClassScores:
    """F1, accuracy and UAR over a fixed class list."""

    def __init__(self, classes: Classes) -> None:
        self.classes = range(classes) if isinstance(classes, int) else classes
        self.summary = Confusion(np.zeros((len(self.classes), len(self.classes))))

    def add(self, prediction: ArrayLike, target: ArrayLike) -> None:
        """The next (T,) steps, as names or indices."""
        first = int(self.summary.counts.sum())
        self.summary = self.summary.merge(confuse(prediction, target, self.classes, first))

    def merge(self, other: Self) -> None:
        """Take in what another one has added."""
        if list(other.classes) != list(self.classes):
            raise MetricError(f"scores over {list(self.classes)} and over {list(other.classes)} cannot be merged")
        self.summary = self.summary.merge(other.summary)

    def scores(self, summary: Confusion) -> dict[str, Floats]:
        """Each score of a summary, elementwise where it is stacked."""
        return summary.scores()

    def result(self) -> dict[str, float]:
        """Each score by name."""
        return {name: float(value) for name, value in self.scores(self.summary).items()}


class ActionUnitScores:
    """Mean F1 and accuracy of A action units; `summary` holds support and F1 of each."""

    def __init__(self, units: int | Sequence[str], threshold: float | Sequence[float] = 0.5) -> None:
        self.units = units if isinstance(units, int) else len(units)
        self.threshold = threshold
        self.steps = 0
        self.summary = UnitCounts(*(np.zeros(self.units) for _ in range(4)))

    def add(self, prediction: ArrayLike, target: ArrayLike, valid: ArrayLike | None = None) -> None:
        """The next (T, A) steps."""
        counts = count_units(prediction, target, self.threshold, valid, self.steps)
        if counts.hits.shape != (self.units,):
            raise MetricError(f"{len(counts.hits)} action units were given, and {self.units} are scored")
        self.steps += len(np.asarray(target))
        self.summary = self.summary.merge(counts)

    def merge(self, other: Self) -> None:
        """Take in what another one has added."""
        if other.units != self.units or not np.array_equal(other.threshold, self.threshold):
            raise MetricError("scores of other action units or thresholds cannot be merged")
        self.steps += other.steps
        self.summary = self.summary.merge(other.summary)

    def scores(self, summary: UnitCounts) -> dict[str, Floats]:
        """Each score of a summary, elementwise where it is stacked."""
        return summary.scores()

    def result(self) -> dict[str, float]:
        """Each score by name."""
        return {name: float(value) for name, value in self.scores(self.summary).items()}

"""Scores of data that do not fit into memory: steps are added chunk by chunk, and accumulators of workers are merged.

There is one accumulator for each family of scores: `RegressionScores`, `ClassScores`, `ActionUnitScores`. Each keeps
a summary of fixed size, the sums that its scores are computed from. `ByRecording` keeps one accumulator for each
recording and returns both numbers that reports print: the score of all recordings joined, and the mean over them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from avfer.errors import MetricError, counted
from avfer.metrics.action_units import OCCURRENCE_THRESHOLD, UnitCounts, count_units
from avfer.metrics.bootstrap import DRAWS, LEVEL, Interval, bootstrap, bootstrap_mean
from avfer.metrics.ccc import Convention, check_convention, scalar_ccc
from avfer.metrics.classification import Classes, Confusion, count_classes
from avfer.metrics.regression import RegressionSums
from avfer.metrics.validation import LIMITS, Floats, Limits, NanRule, check_series


class Accumulator(Protocol):
    """The protocol of the three accumulators."""

    summary: Any  # RegressionSums, Confusion or UnitCounts: see avfer.metrics.bootstrap.Mergeable

    def add(self, prediction: ArrayLike, target: ArrayLike) -> None:
        """Add the next (T, ...) steps. Raises MetricError for values that cannot be scored."""
        ...

    def merge(self, other: Self) -> None:
        """Add everything that `other` has. Raises MetricError if it scores by other rules."""
        ...

    def scores(self, summary: Any) -> dict[str, Floats]:
        """Return each score by name, computed from a summary with fields of shape (...), as (...) float64."""
        ...

    def result(self) -> dict[str, float]:
        """Return each score by name, of everything added so far."""
        ...


class RegressionScores:
    """CCC, PCC, RMSE, MAE and SAGR of a continuous prediction; arguments are those of `ccc`.

    >>> scores = RegressionScores()
    >>> scores.add([0.0, 0.1, 0.2], [0.1, 0.1, 0.3])
    >>> scores.add([0.4, 0.3], [0.5, 0.2])
    >>> round(scores.result()["ccc"], 6)
    0.818182

    convention: the form of the CCC; nan: "error" or "omit"; limits: smallest and largest target that is accepted.
    """

    def __init__(self, convention: Convention = "population", nan: NanRule = "error", limits: Limits = LIMITS) -> None:
        check_convention(convention)
        self.convention: Convention = convention
        self.nan: NanRule = nan
        self.limits = limits
        self.summary = RegressionSums.of(np.zeros(0), np.zeros(0))

    def add(self, prediction: ArrayLike, target: ArrayLike) -> None:
        """Add the next steps, (T,) each. Raises MetricError as `ccc`, with indices counted from the first step."""
        first = int(self.summary.moments.steps)
        self.summary = self.summary.merge(
            RegressionSums.of(*check_series(prediction, target, self.nan, self.limits, first))
        )

    def merge(self, other: Self) -> None:
        """Add everything that `other` has. Raises MetricError if its convention differs."""
        if other.convention != self.convention:
            raise MetricError(f"scores of the conventions {self.convention} and {other.convention} cannot be merged")
        self.summary = self.summary.merge(other.summary)

    def scores(self, summary: RegressionSums) -> dict[str, Floats]:
        """Return ccc, pcc, rmse, mae and sagr of a summary with fields of shape (...), as (...) float64."""
        return summary.scores(self.convention)

    def result(self) -> dict[str, float]:
        """Return ccc, pcc, rmse, mae and sagr; NaN where a score is not defined."""
        values = {name: float(value) for name, value in self.scores(self.summary).items()}
        return values | {"ccc": scalar_ccc(self.summary.moments, self.convention)}


class ClassScores:
    """F1, accuracy and UAR over a fixed list of K classes.

    classes: all K names or indices in order, or the number K for the indices 0 to K - 1.
    """

    def __init__(self, classes: Classes) -> None:
        self.classes = range(classes) if isinstance(classes, int) else classes
        self.summary = Confusion(np.zeros((len(self.classes), len(self.classes))))

    def add(self, prediction: ArrayLike, target: ArrayLike) -> None:
        """Add the next steps, (T,) names or indices each. Raises MetricError for a label outside the list."""
        first = int(self.summary.counts.sum())
        self.summary = self.summary.merge(count_classes(prediction, target, self.classes, first))

    def merge(self, other: Self) -> None:
        """Add everything that `other` has. Raises MetricError if its class list differs."""
        if list(other.classes) != list(self.classes):
            raise MetricError(f"scores over {list(self.classes)} and over {list(other.classes)} cannot be merged")
        self.summary = self.summary.merge(other.summary)

    def scores(self, summary: Confusion) -> dict[str, Floats]:
        """Return f1_macro, accuracy, war and uar of counts (..., K, K), as (...) float64."""
        return summary.scores()

    def result(self) -> dict[str, float]:
        """Return f1_macro, accuracy, war and uar; NaN without any step."""
        return {name: float(value) for name, value in self.scores(self.summary).items()}


class ActionUnitScores:
    """Mean F1 and accuracy of A action units; `summary` has the support and the F1 of each.

    units: A or their names; threshold: probability above which a unit is predicted, in [0, 1]; one for all, or (A,).
    """

    def __init__(self, units: int | Sequence[str], threshold: float | Sequence[float] = OCCURRENCE_THRESHOLD) -> None:
        self.units = units if isinstance(units, int) else len(units)
        self.threshold = threshold
        self.steps = 0
        self.summary = UnitCounts(*(np.zeros(self.units) for _ in range(4)))

    def add(self, prediction: ArrayLike, target: ArrayLike, valid: ArrayLike | None = None) -> None:
        """Add the next steps, (T, A) each. Raises MetricError as `au_f1`, with rows counted from the first step."""
        counts = count_units(prediction, target, self.threshold, valid, self.steps)
        if counts.hits.shape != (self.units,):
            raise MetricError(f"prediction: must have {counted(self.units, 'action unit')}, got {len(counts.hits)}")
        self.steps += len(np.asarray(target))
        self.summary = self.summary.merge(counts)

    def merge(self, other: Self) -> None:
        """Add everything that `other` has. Raises MetricError if its units or thresholds differ."""
        if other.units != self.units or not np.array_equal(other.threshold, self.threshold):
            rules = " and ".join(f"{counted(scores.units, 'unit')} at {scores.threshold}" for scores in (self, other))
            raise MetricError(f"scores of {rules} cannot be merged; give both the same units and thresholds")
        self.steps += other.steps
        self.summary = self.summary.merge(other.summary)

    def scores(self, summary: UnitCounts) -> dict[str, Floats]:
        """Return f1_macro and accuracy of counts (..., A), as (...) float64."""
        return summary.scores()

    def result(self) -> dict[str, float]:
        """Return f1_macro and accuracy; NaN without any step."""
        return {name: float(value) for name, value in self.scores(self.summary).items()}


A = TypeVar("A", bound=Accumulator)


class ByRecording(Generic[A]):
    """One accumulator for each recording; `make` is called without arguments to create it.

    >>> scores = ByRecording(RegressionScores)
    >>> scores.add("a", [0.0, 0.1, 0.2], [0.1, 0.2, 0.3])
    >>> scores.add("b", [0.6, 0.5, 0.7], [0.4, 0.4, 0.5])
    >>> round(scores.joined()["ccc"], 6), round(scores.mean()["ccc"], 6)
    (0.773585, 0.376623)
    """

    def __init__(self, make: Callable[[], A]) -> None:
        self.make = make
        self.parts: dict[str, A] = {}

    def __getitem__(self, recording: str) -> A:
        """Return the accumulator of a recording; create an empty one at the first access."""
        return self.parts.setdefault(recording, self.make())

    def add(self, recording: str, prediction: ArrayLike, target: ArrayLike) -> None:
        """Add the next (T, ...) steps of a recording. Raises MetricError as its accumulator does."""
        self[recording].add(prediction, target)

    def merge(self, other: Self) -> None:
        """Add everything that `other` has, recording by recording."""
        for recording, part in other.parts.items():
            self[recording].merge(part)

    def whole(self) -> A:
        """Return a new accumulator with the steps of all recordings in one series."""
        return self._join(self.parts)

    def joined(self) -> dict[str, float]:
        """Return the scores of all steps of all recordings in one series."""
        return self.whole().result()

    def results(self) -> dict[str, dict[str, float]]:
        """Return the scores of each recording."""
        return {recording: part.result() for recording, part in self.parts.items()}

    def mean(self) -> dict[str, float]:
        """Return the mean of each score over the recordings in which it is defined, as AVEC 2018 GES does."""
        return {name: float(np.nanmean(v)) if np.isfinite(v).any() else np.nan for name, v in self._columns().items()}

    def intervals(
        self, groups: Mapping[str, str] | None = None, draws: int = DRAWS, level: float = LEVEL, seed: int = 0
    ) -> dict[str, Interval]:
        """Return the bootstrap interval of each joined score.

        groups: recording -> subject, to draw subjects with all their recordings; None draws recordings.
        `draws`, `level` and `seed` are those of `bootstrap`.
        """
        units: dict[str, dict[str, A]] = {}
        for recording, part in self.parts.items():
            units.setdefault(groups[recording] if groups else recording, {})[recording] = part
        summaries = [self._join(parts).summary for parts in units.values()]
        return bootstrap(summaries, self.make().scores, draws, level, seed)

    def mean_intervals(
        self, groups: Mapping[str, str] | None = None, draws: int = DRAWS, level: float = LEVEL, seed: int = 0
    ) -> dict[str, Interval]:
        """Return the bootstrap interval of each mean over the recordings; the arguments are those of `intervals`."""
        drawn = [groups[recording] for recording in self.parts] if groups else None
        return {name: bootstrap_mean(values, draws, level, seed, drawn) for name, values in self._columns().items()}

    def _join(self, parts: Mapping[str, A]) -> A:
        whole = self.make()
        for part in parts.values():
            whole.merge(part)
        return whole

    def _columns(self) -> dict[str, Floats]:
        """Return each score as one value for each of R recordings, (R,) by name."""
        rows = [part.scores(part.summary) for part in self.parts.values()]
        return {name: np.array([row[name] for row in rows], np.float64) for name in (rows[0] if rows else {})}

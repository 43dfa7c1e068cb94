"""Scores of a partition gathered recording by recording, each twice: with the filled steps and without them.

The headline has them: every valid step must be predicted. What is kept of a recording is its sums, a sketch of its
curve, and, only where something is fitted, its series.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import reduce
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from avfer.datasets.example import Example
from avfer.evaluation.evaluation_config import EvalConfig
from avfer.evaluation.kinds import Dimension, not_told
from avfer.evaluation.series import Series
from avfer.metrics import ActionUnitScores, ByRecording, ClassScores, RegressionScores
from avfer.metrics.accumulators import Accumulator
from avfer.metrics.action_units import UnitCounts
from avfer.metrics.bootstrap import Interval
from avfer.metrics.classification import Confusion

CELLS = 40  # of the density of truth and prediction, along each side
POINTS = 400  # of a recording's curve that are drawn

A = TypeVar("A", bound=Accumulator)


@dataclass(frozen=True, eq=False)
class Told:
    """One kind of one example, ready to be scored."""

    example: Example
    prediction: np.ndarray  # (T,) or (T, K)
    target: np.ndarray  # (T,) or (T, K); whatever where not valid
    valid: np.ndarray  # (T,) bool
    held: np.ndarray  # (T,) bool: no row of its own
    late: np.ndarray  # (T,) bool: before the first prediction that the delay was undone on
    step: float | None = None  # s


@dataclass
class Steps:
    """valid = predicted + held + delayed; a step that is held and delayed counts as delayed."""

    recordings: int = 0
    annotated: int = 0
    valid: int = 0
    predicted: int = 0
    held: int = 0
    delayed: int = 0

    def add(self, told: Told) -> None:
        """Count a recording."""
        valid, late = told.valid, told.late
        counts = (1, len(valid), valid, valid & ~told.held & ~late, valid & told.held & ~late, valid & late)
        for name, count in zip(fields(self), counts, strict=True):
            setattr(self, name.name, getattr(self, name.name) + int(np.sum(count)))


@dataclass(frozen=True)
class KindScores:
    """One kind: joined over all recordings, and the mean of the recordings; with filled steps and without them."""

    steps: Steps
    joined: dict[str, float]
    mean: dict[str, float]  # empty for pictures
    joined_own: dict[str, float]  # over predicted steps alone
    mean_own: dict[str, float]
    intervals: dict[str, Interval]  # of `joined`
    mean_intervals: dict[str, Interval]
    drawn: str  # what the intervals draw: "subjects"
    recordings: dict[str, dict[str, float]]  # empty for pictures


class Curve(NamedTuple):
    """At most POINTS steps of a recording."""

    recording: str
    times: np.ndarray  # s, or steps where no time is known
    truth: np.ndarray  # NaN where not valid
    prediction: np.ndarray


class Both(Generic[A]):
    """One family of scores over all valid steps, and over those that were predicted."""

    def __init__(self, make: Callable[[], A], gaps: bool = False) -> None:
        self.whole, self.own, self.steps, self.gaps = ByRecording(make), ByRecording(make), Steps(), gaps
        self.subjects: dict[str, str | None] = {}
        self.pictures = True

    def add(self, told: Told, prediction: np.ndarray, target: np.ndarray) -> None:
        """Score a recording; with `gaps` the steps without a label are shown to the metric as NaN."""
        name = told.example.id
        self.steps.add(told)
        if not told.valid.any():
            return
        self.subjects[name] = told.example.subject
        self.pictures &= len(told.valid) == 1
        whole = np.ones(len(target), bool) if self.gaps else told.valid
        self.whole.add(name, prediction[whole], target[whole])
        own = told.valid & ~told.held & ~told.late
        if own.any():
            self.own.add(name, prediction[own], target[own])

    @property
    def drawn(self) -> str:
        """What intervals draw: subjects where each is known."""
        return "subjects" if self._groups() else "pictures" if self.pictures else "recordings"

    def _groups(self) -> dict[str, str] | None:
        known = {name: subject for name, subject in self.subjects.items() if subject is not None}
        return known if len(known) == len(self.subjects) else None

    def result(self, draws: int) -> KindScores:
        """All scores, with intervals over subjects where each is known, else over recordings."""
        own = self.own if self.own.parts else None
        return KindScores(
            self.steps,
            self.whole.joined(),
            {} if self.pictures else self.whole.mean(),
            own.joined() if own else {},
            own.mean() if own and not self.pictures else {},
            self.whole.intervals(self._groups(), draws),
            {} if self.pictures else self.whole.mean_intervals(draws),
            self.drawn,
            {} if self.pictures else self.whole.results(),
        )


@dataclass
class DimensionTally:
    """Valence or arousal."""

    name: Dimension
    config: EvalConfig
    both: Both[RegressionScores] = field(init=False)
    density: np.ndarray = field(default_factory=lambda: np.zeros((CELLS, CELLS), np.int64))  # truth, prediction
    curves: list[Curve] = field(default_factory=list[Curve])
    series: list[Series] = field(default_factory=list[Series])
    outside: int = 0  # valid steps whose prediction lies outside [-1, 1]

    def __post_init__(self) -> None:
        convention = self.config.ccc
        self.both = Both(lambda: RegressionScores(convention, nan="omit"), gaps=convention == "avec2018")

    def add(self, told: Told) -> None:
        """The next recording."""
        target = np.where(told.valid, told.target, np.nan)
        self.both.add(told, told.prediction, target)
        shown = told.prediction[told.valid]
        self.outside += int((np.abs(shown) > 1).sum())
        self.density += np.histogram2d(target[told.valid], shown.clip(-1, 1), CELLS, [(-1, 1)] * 2)[0].astype(np.int64)
        if len(target) > 1:
            self.curves.append(_curve(told, target))
        if self.config.fits and told.step:
            self.series.append(Series(told.prediction, target, told.step))


@dataclass
class ExpressionTally:
    """Classes, by the corpus's own list."""

    classes: tuple[str, ...]
    both: Both[ClassScores] = field(init=False)
    told: np.ndarray = field(init=False)  # (K,) bool: classes that some prediction tells

    def __post_init__(self) -> None:
        self.both = Both(lambda: ClassScores(len(self.classes)))
        self.told = np.zeros(len(self.classes), bool)

    def add(self, told: Told) -> None:
        """The next recording; the most probable class of those that are told."""
        self.told |= ~not_told(told.prediction)
        most = np.where(np.isnan(told.prediction), -np.inf, told.prediction).argmax(1)
        self.both.add(told, most, told.target)

    @property
    def confusion(self) -> Confusion:
        """Of all valid steps."""
        return _merged(self.both.whole.parts)


@dataclass
class ActionUnitTally:
    """Occurrence of action units."""

    units: tuple[str, ...]
    threshold: float
    both: Both[ActionUnitScores] = field(init=False)
    told: np.ndarray = field(init=False)  # (A,) bool
    mixed: int = 0  # steps with some units known and some not: not scored

    def __post_init__(self) -> None:
        self.both = Both(lambda: ActionUnitScores(self.units, self.threshold))
        self.told = np.zeros(len(self.units), bool)

    def add(self, told: Told) -> None:
        """The next recording."""
        self.told |= ~not_told(told.prediction)
        self.mixed += int((told.example.labels["action_units"].valid.any(1) & ~told.valid).sum())
        self.both.add(told, np.nan_to_num(told.prediction), told.target)

    @property
    def counts(self) -> UnitCounts:
        """Of all valid steps."""
        return _merged(self.both.whole.parts)


def _merged(parts: Mapping[str, Any]) -> Any:
    return reduce(lambda whole, part: whole.merge(part), (part.summary for part in parts.values()))


def _curve(told: Told, target: np.ndarray) -> Curve:
    here = np.unique(np.linspace(0, len(target) - 1, POINTS).round().astype(np.int64))
    example = told.example
    if example.times is not None:
        times = example.times
    else:
        times = (np.arange(len(target)) if example.frames is None else example.frames) * (told.step or 1.0)
    return Curve(example.id, times[here], target[here], told.prediction[here])

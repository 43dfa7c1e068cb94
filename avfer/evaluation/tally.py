"""Collect the scores of a partition recording by recording, over all valid steps and over the predicted steps alone.

Headline scores include filled steps, because every valid step must be predicted. A tally keeps sums for each
recording, a coarse curve for the report and, only if post-processing is fitted, the whole series.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from avfer.datasets.example import Dimension, Example
from avfer.errors import AvferWarning
from avfer.evaluation.alignment import frames_between_steps, is_picture
from avfer.evaluation.evaluation_config import EvalConfig
from avfer.evaluation.post_processing import RecordingSeries
from avfer.metrics import ActionUnitScores, ByRecording, ClassScores, Interval, RegressionScores
from avfer.metrics.accumulators import Accumulator
from avfer.metrics.action_units import UnitCounts
from avfer.metrics.classification import Confusion

CELLS = 40  # of the density of target and prediction, along each axis
CURVE_POINTS = 400  # of a recording's curve in the report

A = TypeVar("A", bound=Accumulator)


@dataclass(frozen=True, eq=False)
class ScoredExample:
    """Predictions and labels of one kind for one example, ready to be scored."""

    example: Example
    prediction: np.ndarray  # (T,) or (T, K)
    target: np.ndarray  # (T,) or (T, K); any value where not valid
    valid: np.ndarray  # (T,) bool
    repeated: np.ndarray  # (T,) bool: the step has no row of its own and repeats the prediction of another step
    delayed: np.ndarray  # (T,) bool: the step lies before the first prediction once its delay was undone
    step: float | None = None  # s between two steps

    @property
    def predicted(self) -> np.ndarray:
        """Which steps are valid and have a prediction of their own, (T,) bool."""
        return self.valid & ~self.repeated & ~self.delayed


@dataclass
class StepCounts:
    """Numbers of steps; valid = predicted + repeated + delayed. A step that is both counts as delayed."""

    recordings: int = 0  # number of them
    annotated: int = 0  # steps of the corpus
    valid: int = 0
    predicted: int = 0
    repeated: int = 0
    delayed: int = 0

    def add(self, scored: ScoredExample) -> None:
        """Count the steps of a recording."""
        self.recordings += 1
        self.annotated += len(scored.valid)
        self.valid += int(scored.valid.sum())
        self.predicted += int(scored.predicted.sum())
        self.repeated += int((scored.valid & scored.repeated & ~scored.delayed).sum())
        self.delayed += int((scored.valid & scored.delayed).sum())


@dataclass(frozen=True)
class KindScores:
    """Scores of one kind by name: of all recordings joined, and the mean over the recordings.

    Keys are ccc, pcc, rmse, mae and sagr of a dimension, f1_macro, accuracy, war and uar of expressions, f1_macro and
    accuracy of action units. Both numbers are reported, because they can differ by 0.4 in CCC.
    """

    steps: StepCounts  # that the scores are computed from
    joined: dict[str, float]  # over all valid steps
    mean: dict[str, float]  # empty for pictures, and for clips with a single label
    joined_own: dict[str, float]  # over predicted steps alone
    mean_own: dict[str, float]  # metric -> mean over the recordings
    intervals: dict[str, Interval]  # of `joined`
    mean_intervals: dict[str, Interval]  # metric -> 95 % interval of that mean
    drawn: str  # what the bootstrap of both intervals resamples: "subjects", "recordings" or "pictures"
    recordings: dict[str, dict[str, float]]  # empty where `mean` is


@dataclass(frozen=True, eq=False)
class Curve:
    """A recording's dimension over time, at no more than CURVE_POINTS of its steps."""

    recording: str
    times: np.ndarray  # (P,) s, or step numbers if no time is known
    target: np.ndarray  # (P,) NaN where not valid
    prediction: np.ndarray  # (P,)


class KindAccumulator(Generic[A]):
    """Accumulators of one kind of scores, one over all valid steps and one over the predicted steps alone.

    make: creates an empty accumulator. with_gaps: pass steps without a label to the metric as NaN instead of dropping
    them, as the CCC of AVEC 2018 needs.
    """

    def __init__(self, make: Callable[[], A], with_gaps: bool = False) -> None:
        self.valid_steps, self.predicted_steps = ByRecording(make), ByRecording(make)
        self.steps, self.with_gaps = StepCounts(), with_gaps
        self.subjects: dict[str, str | None] = {}  # recording -> subject
        self.only_pictures = self.single_steps = True
        self.whole_clips = 0  # recordings with a label for their whole length

    def add(self, scored: ScoredExample, prediction: np.ndarray, target: np.ndarray) -> None:
        """Add a recording.   prediction, target: (T,) or (T, K), in the form that the accumulator expects"""
        name = scored.example.id
        self.steps.add(scored)
        if not scored.valid.any():
            return
        self.subjects[name] = scored.example.subject
        self.only_pictures &= is_picture(scored.example)
        self.single_steps &= len(scored.valid) == 1
        self.whole_clips += scored.example.whole_clip
        use = np.ones(len(target), bool) if self.with_gaps else scored.valid
        self.valid_steps.add(name, prediction[use], target[use])
        predicted = scored.predicted
        if predicted.any():
            self.predicted_steps.add(name, prediction[predicted], target[predicted])

    @property
    def only_whole_clips(self) -> bool:
        """Whether every recording with a valid label has one for its whole length."""
        return self.whole_clips == len(self.subjects)

    @property
    def drawn(self) -> str:
        """What the bootstrap resamples: subjects if every recording has one, else recordings or pictures."""
        return "subjects" if self._groups() else "pictures" if self.only_pictures else "recordings"

    def result(self, draws: int) -> KindScores:
        """Return all scores, with intervals of `draws` bootstrap draws; NaN where one is not defined."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AvferWarning)  # of a CCC that is NaN, which reports name by recording
            return self._result(draws)

    def _result(self, draws: int) -> KindScores:
        own, groups = self.predicted_steps if self.predicted_steps.parts else None, self._groups()
        return KindScores(
            self.steps,
            self.valid_steps.joined(),
            {} if self.single_steps else self.valid_steps.mean(),
            own.joined() if own else {},
            own.mean() if own and not self.single_steps else {},
            self.valid_steps.intervals(groups, draws),
            {} if self.single_steps else self.valid_steps.mean_intervals(groups, draws),
            self.drawn,
            {} if self.single_steps else self.valid_steps.results(),
        )

    def _groups(self) -> dict[str, str] | None:
        """Return recording -> subject if every recording has a subject, else None."""
        known = {name: subject for name, subject in self.subjects.items() if subject is not None}
        return known if len(known) == len(self.subjects) else None


@dataclass
class DimensionTally:
    """Scores of valence or arousal, over all examples that were added.

    Predictions outside [-1, 1] are scored as they are and counted; only the density clips them.
    """

    name: Dimension  # "valence" or "arousal"
    config: EvalConfig  # of the evaluation
    scores: KindAccumulator[RegressionScores] = field(init=False)  # joined, and of each recording
    density: np.ndarray = field(default_factory=lambda: np.zeros((CELLS, CELLS), np.int64))  # (C, C) target, prediction
    curves: list[Curve] = field(default_factory=list[Curve])  # of the first recordings, for the chart
    series: list[RecordingSeries] = field(default_factory=list[RecordingSeries])  # kept for post-processing alone
    without_step: list[str] = field(default_factory=list[str])  # recordings that post-processing leaves out
    outside: int = 0  # valid steps whose prediction is outside [-1, 1]

    def __post_init__(self) -> None:
        convention = self.config.ccc
        with_gaps = convention == "avec2018"
        self.scores = KindAccumulator(lambda: RegressionScores(convention, nan="omit"), with_gaps)

    def add(self, scored: ScoredExample) -> None:
        """Add a recording with prediction and target (T,). Raises MetricError for values that cannot be scored."""
        target = np.where(scored.valid, scored.target, np.nan)
        self.scores.add(scored, scored.prediction, target)
        valid = scored.prediction[scored.valid]
        self.outside += int((np.abs(valid) > 1).sum())
        cells = np.histogram2d(target[scored.valid], valid.clip(-1, 1), CELLS, [(-1, 1)] * 2)[0]
        self.density += cells.astype(np.int64)
        if len(target) > 1:
            self.curves.append(_sample_curve(scored, target))
        step = scored.step if self.config.post_processing else scored.step or 1.0  # a moving mean needs no seconds
        if self.config.fits and step and len(target) > 1:
            self.series.append(RecordingSeries(scored.prediction, target, step))
        elif self.config.fits:
            self.without_step.append(scored.example.id)


@dataclass
class ExpressionTally:
    """Scores of expressions, over the class list of the corpus.

    A class that the predictions do not have can never be predicted, but counts in the macro-F1.
    """

    names: tuple[str, ...]  # K classes
    scores: KindAccumulator[ClassScores] = field(init=False)  # joined, and of each recording
    predicted: np.ndarray = field(init=False)  # (K,) bool: classes that any table has a column of

    def __post_init__(self) -> None:
        self.scores = KindAccumulator(lambda: ClassScores(len(self.names)))
        self.predicted = np.zeros(len(self.names), bool)

    def add(self, scored: ScoredExample) -> None:
        """Add a recording with prediction (T, K) and target (T,); the most probable of the predicted classes counts."""
        self.predicted |= ~_is_missing(scored.prediction)
        most_probable = np.where(np.isnan(scored.prediction), -np.inf, scored.prediction).argmax(1)
        self.scores.add(scored, most_probable, scored.target)

    @property
    def confusion(self) -> Confusion:
        """Counts of target and prediction over all valid steps, (K, K)."""
        return self.scores.valid_steps.whole().summary


@dataclass
class ActionUnitTally:
    """Scores of the occurrence of action units, over the list of the corpus, with one threshold for all units."""

    names: tuple[str, ...]  # A action units
    threshold: float
    scores: KindAccumulator[ActionUnitScores] = field(init=False)  # joined, and of each recording
    predicted: np.ndarray = field(init=False)  # (A,) bool: units that any table has a column of
    mixed: int = 0  # steps with some units known and some not, which are not scored

    def __post_init__(self) -> None:
        self.scores = KindAccumulator(lambda: ActionUnitScores(self.names, self.threshold))
        self.predicted = np.zeros(len(self.names), bool)

    def add(self, scored: ScoredExample) -> None:
        """Add a recording with prediction and target (T, A); a missing unit counts as not occurring."""
        self.predicted |= ~_is_missing(scored.prediction)
        self.mixed += int((scored.example.labels["action_units"].valid.any(1) & ~scored.valid).sum())
        self.scores.add(scored, np.nan_to_num(scored.prediction), scored.target)

    @property
    def counts(self) -> UnitCounts:
        """Counts of each unit over all valid steps, (A,)."""
        return self.scores.valid_steps.whole().summary


def _is_missing(values: np.ndarray) -> np.ndarray:
    """Return which columns of (T, K) values are NaN at every step, (K,) bool."""
    return np.asarray(np.isnan(values).all(0))


def _sample_curve(scored: ScoredExample, target: np.ndarray) -> Curve:
    """Return evenly spaced steps of a recording; target: (T,) with NaN where not valid."""
    positions = np.unique(np.linspace(0, len(target) - 1, CURVE_POINTS).round().astype(np.int64))
    example = scored.example
    if example.times is not None:
        times = example.times
    elif example.frames is not None and scored.step:
        times = example.frames * (scored.step / frames_between_steps(example))
    else:
        times = np.arange(len(target)) * (scored.step or 1.0)
    return Curve(example.id, times[positions], target[positions], scored.prediction[positions])

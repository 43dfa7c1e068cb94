"""Collect the predictions of a partition into tallies: undo delays, check for missing recordings, add every example.

Classes and action units are matched by name. A class or unit that the predictions do not have counts as never
predicted; a class that only the predictions have is ignored. Reports state both.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from avfer.datasets.example import DIMENSIONS, Example, Labels
from avfer.errors import ConfigError, DatasetError, MetricError, counted, shortened
from avfer.evaluation.alignment import AlignedPredictions, Kind, columns_of, is_picture, kinds_of
from avfer.evaluation.evaluation_config import EvalConfig
from avfer.evaluation.post_processing import undo_delay
from avfer.evaluation.prediction_sources import THRESHOLD_MISSING
from avfer.evaluation.tally import ActionUnitTally, DimensionTally, ExpressionTally, ScoredExample

MAX_LISTED = 10  # names that a message lists
SAME_LENGTH = 0.02  # by which a table may be shorter or longer than the labels, as a share of their length
NEUTRAL = "neutral"

Tally = DimensionTally | ExpressionTally | ActionUnitTally


@dataclass(frozen=True, eq=False)
class KindPrediction:
    """Predictions of one kind at the T steps of an example."""

    values: np.ndarray  # (T,) or (T, K); a column that is missing is NaN
    filled: np.ndarray  # (T,) bool: the step repeats another step's value


@dataclass
class Collected:
    """Tallies of the kinds that are labelled and predicted, and what was found on the way."""

    tallies: dict[Kind, Tally] = field(default_factory=dict[Kind, Tally])  # kind of label -> its scores so far
    examples: int = 0  # number that was scored
    labelled: dict[Kind, int] = field(default_factory=dict[Kind, int])  # recordings with valid steps
    unpredicted: dict[Kind, list[str]] = field(default_factory=dict[Kind, list[str]])  # their ids, without predictions
    unit_labels: dict[str, int] = field(default_factory=dict[str, int])  # action unit -> number of its labels
    missing_pictures: dict[Kind, int] = field(default_factory=dict[Kind, int])  # labelled pictures without a file
    shorter: list[str] = field(default_factory=list[str])  # ids of recordings whose table ends before their labels
    longer: list[str] = field(default_factory=list[str])  # whose table has more frames than are labelled one by one
    other_faces: int = 0  # rows of further faces on a frame, which are ignored

    @property
    def not_predicted(self) -> list[Kind]:
        """Kinds that have labels but no prediction at all."""
        return [kind for kind in self.labelled if kind not in self.tallies]

    @property
    def incomplete_units(self) -> str:
        """Why no action unit can be scored although some have labels, as the end of a sentence; else ""."""
        if "action_units" in self.labelled or not any(self.unit_labels.values()):
            return ""
        absent = [name for name, count in self.unit_labels.items() if not count]
        hint = "keep those that are labelled on the same steps"
        if absent:
            hint = f"never labelled, remove from the labels: {shortened(absent, MAX_LISTED)}"
        return f"no step with labels of all {len(self.unit_labels)} action units ({hint})"


def collect(config: EvalConfig, predictions: Iterable[AlignedPredictions]) -> Collected:
    """Add all examples of a partition to tallies, one at a time.

    Raises DatasetError if a kind is predicted for only some recordings (unless `absent: neutral`), if class lists
    differ between examples, or if values cannot be scored; ConfigError if a delay is given but the seconds between two
    steps are unknown.
    """
    found = Collected()
    for aligned in predictions:
        found.examples += 1
        found.other_faces += aligned.other_faces
        _compare_lengths(found, aligned)
        for kind in kinds_of(aligned.example):
            _add(config, found, kind, aligned)
    for kind in list(found.tallies):
        _check_complete(config, found, kind)
    return found


def select_kind(kind: Kind, aligned: AlignedPredictions) -> KindPrediction | None:
    """Return the predictions of a kind, or None if all of its columns are missing.

    A step counts as filled if any of the present columns was filled there.
    """
    columns = columns_of(kind, aligned.example.labels[kind])
    present = [column for column in columns if not np.isnan(aligned.values[column]).all()]
    if not present:
        return None
    values = np.stack([aligned.values[column] for column in columns], 1)
    filled = np.any([aligned.filled[column] for column in present], axis=0)
    return KindPrediction(values[:, 0] if kind in DIMENSIONS else values, filled)


def neutral_prediction(kind: Kind, labels: Labels) -> KindPrediction:
    """Return the prediction that replaces a missing recording: no affect, a neutral face, no action unit."""
    values = np.zeros(labels.values.shape if kind != "expression" else (len(labels.values), len(labels.names)))
    if kind == "expression":
        values[:, labels.names.index(NEUTRAL) if NEUTRAL in labels.names else 0] = 1.0
    return KindPrediction(values, np.ones(len(values), bool))


def valid_steps(kind: Kind, labels: Labels) -> np.ndarray:
    """Return which steps are scored, (T,) bool; a step with any action unit unknown is not, as in ABAW."""
    return np.asarray(labels.valid.all(1)) if kind == "action_units" else labels.valid


def _add(config: EvalConfig, found: Collected, kind: Kind, aligned: AlignedPredictions) -> None:
    """Add one kind of an example to its tally, or note that its predictions are missing."""
    example = aligned.example
    labels = example.labels[kind]
    given = select_kind(kind, aligned)
    _count_labels(found, kind, example, is_predicted=given is not None)
    if given is None and (config.absent == "refuse" or is_picture(example)):
        return
    if kind == "action_units":
        _check_units(config, aligned, labels, given)
    scored = _prepare(config, kind, aligned, given or neutral_prediction(kind, labels))
    tally = found.tallies.setdefault(kind, _new_tally(config, kind, labels.names))
    if not isinstance(tally, DimensionTally) and tally.names != labels.names:
        names = f"got {', '.join(labels.names)} after {', '.join(tally.names)}; correct the reader of the corpus"
        raise DatasetError(f"{example.id}, {kind}: all examples must have the same names in the same order, {names}")
    try:
        tally.add(scored)
    except MetricError as error:
        raise DatasetError(f"{example.id}, {kind}: {error}") from error


def _count_labels(found: Collected, kind: Kind, example: Example, is_predicted: bool) -> None:
    """Count an example with valid steps of a kind, and its labels by action unit; note it if it is not predicted."""
    labels = example.labels[kind]
    if kind == "action_units":
        for name, count in zip(labels.names, labels.valid.sum(0).tolist(), strict=True):
            found.unit_labels[name] = found.unit_labels.get(name, 0) + count
    if valid_steps(kind, labels).any():
        found.labelled[kind] = found.labelled.get(kind, 0) + 1
        if not is_predicted:
            _note_missing(found, kind, example)


def _compare_lengths(found: Collected, aligned: AlignedPredictions) -> None:
    """List a recording whose table and labels may be of different frame rates or videos, as they differ in length."""
    frames, name = aligned.example.frames, aligned.example.id
    if aligned.relative_length is None:
        return
    if aligned.relative_length < 1 - SAME_LENGTH:
        found.shorter.append(name)
    every_frame = frames is not None and frames[0] == 0 and frames[-1] == len(frames) - 1
    if aligned.relative_length > 1 + SAME_LENGTH and every_frame:
        found.longer.append(name)


def _check_units(config: EvalConfig, aligned: AlignedPredictions, labels: Labels, given: KindPrediction | None) -> None:
    """Raise an error for action units that cannot be scored by occurrence.

    ConfigError if the predictions are activations and no threshold is set; DatasetError if labels are intensities, or
    predictions (T, A) lie outside [0, 1], where a threshold has no meaning.
    """
    example, valid_labels = aligned.example, labels.values[labels.valid]
    if aligned.unit_scale == "activation" and config.threshold is None:
        raise ConfigError(f"{example.id}: {THRESHOLD_MISSING}: --set threshold=0.5")
    if not np.isin(valid_labels, (0, 1)).all():
        raise DatasetError(
            f"{example.id}: its action units are intensities, up to {valid_labels.max():g}, but their occurrence is"
            " scored; give a table with 0 where a unit is absent and 1 where it is present"
        )
    if given is None:
        return
    known = given.values[~np.isnan(given.values)]
    if known.min() < 0 or known.max() > 1:
        scale = f"from {known.min():g} to {known.max():g}"
        problem = "must be probabilities, activations or occurrences in [0, 1]"
        raise DatasetError(
            f"predictions for {example.id}: action units {problem}, got values {scale}; rescale the table"
        )


def _prepare(config: EvalConfig, kind: Kind, aligned: AlignedPredictions, given: KindPrediction) -> ScoredExample:
    """Return the example ready to be scored: with the delay undone, without its last step if the protocol says so.

    A step whose prediction was moved there from a filled step counts as filled, too. The label of a whole clip has no
    delay; the only step of another recording lies before its first prediction.
    """
    example, labels = aligned.example, aligned.example.labels[kind]
    valid, values, repeated = valid_steps(kind, labels).copy(), given.values, given.filled
    delayed = np.zeros(len(valid), bool)
    if config.protocol == "avec2018-ges":
        valid[-1:] = False
    delay = config.delay.get(kind, 0.0) if kind in DIMENSIONS and not example.whole_clip else 0.0
    if delay and len(valid) == 1:
        delayed[:] = True
    elif delay:
        if aligned.step is None:
            problem = f"the seconds between two steps of {example.id} are unknown"
            raise ConfigError(f"delay: got {delay:g} s, but {problem}; add a column time_s to its table")
        values, delayed = undo_delay(values, delay, aligned.step)
        repeated = undo_delay(repeated.astype(np.float64), delay, aligned.step).values > 0
    return ScoredExample(example, values, labels.values, valid, repeated, delayed, aligned.step)


def _new_tally(config: EvalConfig, kind: Kind, names: tuple[str, ...]) -> Tally:
    """Return an empty tally for a kind with K class or unit names."""
    if kind == "expression":
        return ExpressionTally(names)
    if kind == "action_units":
        return ActionUnitTally(names, config.unit_threshold)
    return DimensionTally(kind, config)


def _note_missing(found: Collected, kind: Kind, example: Example) -> None:
    """Count a picture without a file, which no network can read; list a recording without predictions."""
    if is_picture(example):
        found.missing_pictures[kind] = found.missing_pictures.get(kind, 0) + 1
    else:
        found.unpredicted.setdefault(kind, []).append(example.id)


def _check_complete(config: EvalConfig, found: Collected, kind: Kind) -> None:
    """Drop a kind that is predicted for no recording; raise DatasetError if it is predicted for only some."""
    missing, labelled = found.unpredicted.get(kind, []), found.labelled.get(kind, 0)
    if not labelled or len(missing) == labelled:
        del found.tallies[kind]
    elif missing and config.absent == "refuse":
        names = shortened(missing, MAX_LISTED)
        problem = f"no prediction of {kind} for {len(missing)} of {counted(labelled, 'labelled recording')}: {names}"
        raise DatasetError(f"{problem}; predict all, or set absent: neutral, which scores and counts these as neutral")

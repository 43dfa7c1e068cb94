"""Agreement of predictions with human codings: Cohen's kappa, Krippendorff's alpha, CCC and F1, with intervals.

Moments that are coded and predicted are scored, joined over all clips, one for each instant of the tables. Intervals
come from drawing clips with replacement, never moments, because the moments of a clip resemble each other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avfer.codings.columns import EXPRESSION
from avfer.datasets.example import DIMENSIONS
from avfer.datasets.table_rows import EXPRESSIONS
from avfer.errors import ConfigError, DatasetError
from avfer.evaluation.coded_recordings import CodedRecording, CodingOptions, read_pairs, read_recordings
from avfer.metrics.action_units import OCCURRENCE_THRESHOLD, UnitCounts, count_units
from avfer.metrics.agreement import interval_alpha_of, kappa_of, nominal_alpha_of
from avfer.metrics.bootstrap import LEVEL, S, bootstrap
from avfer.metrics.classification import Confusion, count_classes
from avfer.metrics.regression import RegressionSums
from avfer.metrics.validation import Floats

FEW_CLIPS = 10  # an interval of fewer clips is unreliable
MEAN_UNIT = "action units"  # row of the mean over all units
MEAN_RULE = "the mean F1 of the units that occur in the scored coding; moments are summed over all units"


class AgreementScore(NamedTuple):
    """One measure of one column."""

    column: str  # "valence", "expression", "au12", or MEAN_UNIT
    measure: str  # "ccc", "pcc", "alpha", "kappa", "accuracy", "f1", "f1_macro"
    value: float  # NaN if it is not defined
    low: float  # of the interval; NaN for fewer than two clips
    high: float
    clips: int  # with at least one scored moment
    moments: int  # coded and predicted
    unpredicted: int  # coded, but without a prediction: not scored


@dataclass
class Agreement:
    """All scores, and what a reader must know about them."""

    scores: list[AgreementScore] = field(default_factory=list[AgreementScore])
    notes: list[str] = field(default_factory=list[str])  # reasons to doubt or to limit the scores
    facts: dict[str, str] = field(default_factory=dict[str, str])  # tables, coding, threshold, rules

    def to_dict(self) -> dict[str, object]:
        """Return what is written as JSON: a value that is not defined is null."""
        rows = [
            {name: None if cell != cell else cell for name, cell in row._asdict().items()}  # NaN differs from itself
            for row in self.scores
        ]
        return {"scores": rows, "notes": self.notes, "facts": self.facts}


def agree(
    tables: Path, codings: Path, options: CodingOptions | None = None, threshold: float | None = None
) -> Agreement:
    """Return the agreement of tables with human codings.

    tables, codings: a file or a folder each; clips are paired by name. threshold: an action unit is predicted where its
    value is above it, in [0, 1]; None: 0.5 for probabilities of occurrence.

    Raises DatasetError if a file cannot be read or nothing can be compared, and ConfigError if the action units are
    activations and no threshold is given.
    """
    options = options or CodingOptions()
    pairs, notes = read_pairs(tables, codings, options)
    recordings = list(read_recordings(pairs, options))
    agreement = Agreement(notes=notes)
    columns = _common_columns(recordings, agreement.notes)
    for column in (column for column in DIMENSIONS if column in columns):
        _add_dimension(agreement, recordings, column)
    if EXPRESSION in columns:
        _add_expression(agreement, recordings)
    units = sorted(columns - {*DIMENSIONS, EXPRESSION})
    limit = _threshold(recordings, threshold, agreement.notes) if units else None
    if limit is not None:
        _add_units(agreement, recordings, units, limit)
    _note_few_clips(agreement)
    agreement.facts |= _facts(tables, codings, options, limit, len(recordings))
    if len(units) > 1:
        agreement.facts[MEAN_UNIT] = MEAN_RULE
    return agreement


def _common_columns(recordings: Sequence[CodedRecording], notes: list[str]) -> set[str]:
    """Return the columns that are coded and predicted; note the others. Raises DatasetError if there are none."""
    coded = {column for recording in recordings for column in recording.coded}
    predicted = {column for recording in recordings for column in recording.predicted}
    if not predicted:
        raise DatasetError(f"the tables have none of the coded columns: {', '.join(sorted(coded))}")
    notes += [f"{column} is coded, but no table has this column: not scored" for column in sorted(coded - predicted)]
    return predicted


def _add_dimension(agreement: Agreement, recordings: Sequence[CodedRecording], column: str) -> None:
    """Add CCC, PCC and the interval alpha of valence or arousal."""
    summaries: list[RegressionSums] = []
    unpredicted = 0
    for predicted, coded in _pairs(recordings, column):
        both = ~np.isnan(predicted) & ~np.isnan(coded)
        unpredicted += int((~np.isnan(coded) & ~both).sum())
        if both.any():
            summaries.append(RegressionSums.of(predicted[both], coded[both]))

    def scores(sums: RegressionSums) -> dict[str, Floats]:
        found = sums.scores()
        return {"ccc": found["ccc"], "pcc": found["pcc"], "alpha": interval_alpha_of(sums.moments.pairs)}

    moments = int(sum(float(one.moments.pairs.count) for one in summaries))
    _add_scores(agreement, column, summaries, scores, moments, unpredicted)


def _add_expression(agreement: Agreement, recordings: Sequence[CodedRecording]) -> None:
    """Add kappa, the nominal alpha and the accuracy of the expression."""
    parts: list[tuple[list[str], list[str]]] = []
    unpredicted = 0
    for predicted, coded in _pairs(recordings, EXPRESSION):
        both = [(str(p), str(c)) for p, c in zip(predicted, coded, strict=True) if p is not None and c is not None]
        unpredicted += sum(c is not None and p is None for p, c in zip(predicted, coded, strict=True))
        if both:
            parts.append(([p for p, _ in both], [c for _, c in both]))
    known = {name for recording in recordings for name in recording.classes}
    coded_names = {name for _, names in parts for name in names}
    used = coded_names | {name for names, _ in parts for name in names}
    classes = [*(name for name in EXPRESSIONS if name in used), *sorted(used - set(EXPRESSIONS))]
    if parts and known - coded_names:
        agreement.notes.append(
            f"classes that never occur in the scored coding: {', '.join(sorted(known - coded_names))}"
        )
    if known and coded_names - known:
        lacking = ", ".join(sorted(coded_names - known))
        agreement.notes.append(f"coded classes that the tables do not predict, each a disagreement: {lacking}")

    def scores(summary: Confusion) -> dict[str, Floats]:
        counts = summary.counts
        return {
            "kappa": kappa_of(counts),
            "alpha": nominal_alpha_of(counts),
            "accuracy": summary.scores()["accuracy"],
        }

    summaries = [count_classes(predicted, coded, classes) for predicted, coded in parts]
    moments = sum(len(names) for names, _ in parts)
    _add_scores(agreement, EXPRESSION, summaries, scores, moments, unpredicted)


def _add_units(
    agreement: Agreement, recordings: Sequence[CodedRecording], units: Sequence[str], threshold: float
) -> None:
    """Add F1, kappa and the nominal alpha of each action unit, and the mean F1."""
    summaries: list[UnitCounts] = []
    unpredicted = np.zeros(len(units), np.int64)
    for recording in recordings:
        length = len(next(iter(recording.coded.values())))
        nothing = np.full(length, np.nan)
        predicted = np.stack([recording.predicted.get(unit, nothing) for unit in units], axis=1)
        coded = np.stack([recording.coded.get(unit, nothing) for unit in units], axis=1)
        valid = ~np.isnan(predicted) & ~np.isnan(coded)
        unpredicted += (~np.isnan(coded) & ~valid).sum(0)
        if valid.any():
            summaries.append(count_units(predicted, coded, threshold, valid))
    steps = np.array([counts.hits + counts.misses + counts.false_alarms + counts.rejections for counts in summaries])
    for index, unit in enumerate(units):
        own = [_of_unit(counts, index) for counts, of_clip in zip(summaries, steps, strict=True) if of_clip[index]]
        moments = int(steps[:, index].sum()) if len(steps) else 0
        _add_scores(agreement, unit, own, _unit_scores, moments, int(unpredicted[index]))
        if own and not any(counts.support for counts in own):
            agreement.notes.append(f"{unit} never occurs in the scored coding: it has no F1")
    if len(units) > 1:
        total = int(steps.sum()), int(unpredicted.sum())
        _add_scores(agreement, MEAN_UNIT, summaries, lambda counts: {"f1_macro": _mean_f1(counts)}, *total)


def _of_unit(counts: UnitCounts, index: int) -> UnitCounts:
    """Return the counts of one of A units, with fields of shape ()."""
    fields = counts.hits, counts.false_alarms, counts.misses, counts.rejections
    return UnitCounts(*(field[index] for field in fields))


def _unit_scores(counts: UnitCounts) -> dict[str, Floats]:
    """Return f1, kappa and alpha of counts (...); F1 is NaN where the unit never occurs in the coding."""
    rows = [[counts.rejections, counts.false_alarms], [counts.misses, counts.hits]]
    table = np.moveaxis(np.array(rows), (0, 1), (-2, -1))  # (..., 2, 2), rows are the coding
    f1 = np.where(counts.support > 0, counts.f1, np.nan)
    return {"f1": f1, "kappa": kappa_of(table), "alpha": nominal_alpha_of(table)}


def _mean_f1(counts: UnitCounts) -> Floats:
    """Return the mean F1 of the units that occur in the coding, (...) from counts (..., A); NaN if none does."""
    occurs = counts.support > 0
    with np.errstate(invalid="ignore"):
        return np.where(occurs, counts.f1, 0.0).sum(-1) / occurs.sum(-1)


def _add_scores(
    agreement: Agreement,
    column: str,
    summaries: Sequence[S],
    scores: Callable[[S], dict[str, Floats]],
    moments: int,
    unpredicted: int,
) -> None:
    """Add each score of the joined summaries with its interval; note a column without any scored moment."""
    if not summaries:
        agreement.notes.append(
            f"{column}: no moment is both coded and predicted; check --offset and the names of tiers"
        )
        return
    whole = summaries[0]
    for summary in summaries[1:]:
        whole = whole.merge(summary)
    intervals = bootstrap(summaries, scores)
    for measure, value in scores(whole).items():
        interval = intervals[measure]
        agreement.scores.append(
            AgreementScore(
                column, measure, float(value), interval.low, interval.high, len(summaries), moments, unpredicted
            )
        )


def _pairs(recordings: Sequence[CodedRecording], column: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the predicted and the coded values (T,) of the recordings in which the column is coded.

    Where a table lacks the column, no moment has a prediction: NaN, or None for an expression.
    """
    coded = [
        (recording.predicted.get(column), recording.coded[column])
        for recording in recordings
        if column in recording.coded
    ]
    nothing = None if column == EXPRESSION else np.nan
    return [(np.full(len(values), nothing) if found is None else found, values) for found, values in coded]


def _threshold(recordings: Sequence[CodedRecording], given: float | None, notes: list[str]) -> float:
    """Return the threshold of action units. Raises ConfigError if they are activations and none is given."""
    if given is not None:
        return given
    scales = {recording.scale for recording in recordings}
    if "activation" in scales:
        raise ConfigError(
            "--threshold: must be given, because the action units of the tables are activations (measured movement),"
            " which have no limit from which a unit is present; choose one in [0, 1] beforehand: --threshold 0.5"
        )
    if "" in scales:
        notes.append("the tables do not state the scale of their action units: read as probabilities, threshold 0.5")
    return OCCURRENCE_THRESHOLD


def _note_few_clips(agreement: Agreement) -> None:
    few = {score.column: score.clips for score in agreement.scores if score.clips < FEW_CLIPS}
    if few:
        listed = ", ".join(f"{column} {clips}" for column, clips in few.items())
        problem = "one clip has no interval, and those of fewer than ten clips are unreliable"
        agreement.notes.append(f"{problem}; clips: {listed}")


def _facts(tables: Path, codings: Path, options: CodingOptions, threshold: float | None, clips: int) -> dict[str, str]:
    """Return what makes the scores comparable."""
    facts = {
        "tables": str(tables),
        "coding": str(codings),
        "clips": str(clips),
        "moments": "instants of the tables that are coded and predicted, joined over the clips",
        "face": f"person {options.person}" if options.person is not None else "the largest face of each frame",
        "intervals": f"{LEVEL:.0%}, percentile bootstrap over clips, seed 0",
        "offset": f"{options.offset:g} s, added to the times of the coding",
    }
    if options.subject is not None:
        facts["subject"] = options.subject
    if options.rest is not None:
        facts["moments without an expression"] = f"coded as {options.rest}"
    if threshold is not None:
        facts["threshold"] = f"an action unit is predicted above {threshold:g}"
    facts |= {f"tier {tier}": f"{column.class_name or column.name}" for tier, column in options.mapping.items()}
    return facts

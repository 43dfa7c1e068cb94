"""The result of an evaluation as plain values; `EvaluationReport.to_dict` is the content of report.json.

Keys of report.json, in order:

    headline      the numbers to quote: ccc_valence, ccc_arousal, expression_f1_macro, expression_accuracy,
                  expression_uar, action_units_f1_macro, P (always of joined scores); those that were evaluated
    marks         meaning of the marks of published rows
    corpus, partition
    facts         the protocol: name -> text
    quoted        "joined" or "recordings"
    dimensions    valence and arousal: scores, variants, outside, density
    expression    scores, classes, never_predicted, confusion, support, f1, recall, precision; null if not evaluated
    action_units  scores, units, never_predicted, threshold, mixed, support, f1; null if not evaluated
    challenge     task, year, rule and score P of ABAW; null for other corpora
    published     protocol and rows (system, values, mark) of each comparable table
    notes         note -> [number of occurrences, place of the first]
    weights       file -> sha256

`scores` has steps (recordings, annotated, valid, predicted, repeated, delayed), joined, mean, joined_own,
mean_own, intervals, mean_intervals, drawn and recordings; see `KindScores`. A value that is not defined is null.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from avfer.datasets.example import Dimension
from avfer.evaluation.alignment import Kind
from avfer.evaluation.chain_fitting import VariantScores
from avfer.evaluation.evaluation_config import Headline
from avfer.evaluation.published_results import MARKS, ChallengeScore, JoinedScores, PublishedTable
from avfer.evaluation.tally import ActionUnitTally, Curve, DimensionTally, ExpressionTally, KindScores
from avfer.metrics import Interval


@dataclass(frozen=True, eq=False)
class DimensionReport:
    """Scores of valence or arousal, raw and post-processed, and what the charts need."""

    scores: KindScores  # of the raw predictions
    variants: tuple[VariantScores, ...]  # empty if no post-processing was requested
    outside: int  # valid steps whose prediction is outside [-1, 1]
    density: np.ndarray  # (C, C) valid steps by target (rows) and prediction (columns), both from -1 to 1
    curves: tuple[Curve, ...]  # of some recordings, for the chart


@dataclass(frozen=True, eq=False)
class ExpressionReport:
    """Scores of expressions; arrays follow the K classes in the order of the corpus."""

    scores: KindScores  # accuracy, F1 and recall
    classes: tuple[str, ...]
    never_predicted: tuple[str, ...]  # classes that no prediction has a column of
    confusion: np.ndarray  # (K, K) int64; a row is the target
    support: np.ndarray  # (K,) int64
    f1: np.ndarray  # (K,)
    recall: np.ndarray  # (K,) NaN for a class without support
    precision: np.ndarray  # (K,) NaN for a class that is never predicted


@dataclass(frozen=True, eq=False)
class ActionUnitReport:
    """Scores of action units; arrays follow the A units in the order of the corpus."""

    scores: KindScores  # F1 and accuracy
    units: tuple[str, ...]
    never_predicted: tuple[str, ...]  # units that no prediction has a column of
    threshold: float  # probability above which a unit is predicted, in [0, 1]
    mixed: int  # steps with some units known and some not, which are not scored
    support: np.ndarray  # (A,) int64
    f1: np.ndarray  # (A,)


@dataclass(frozen=True, eq=False, repr=False)
class EvaluationReport:
    """Scores of one partition of one corpus, with everything that makes them comparable."""

    corpus: str
    partition: str
    facts: Mapping[str, str]  # the protocol, in the order of printing
    quoted: Headline  # whether joined or mean scores are in the headline
    dimensions: Mapping[Dimension, DimensionReport]  # "valence" and "arousal", as far as evaluated
    expression: ExpressionReport | None  # None if not evaluated
    action_units: ActionUnitReport | None  # None if not evaluated
    challenge: ChallengeScore | None  # None without an ABAW task
    published: tuple[PublishedTable, ...]  # of the same corpus, partition and protocol
    notes: Mapping[str, tuple[int, str]]  # note -> number of occurrences, place of the first
    weights: Mapping[str, str]  # file -> sha256

    def __repr__(self) -> str:
        scores = ", ".join(f"{name} {value:.4f}" for name, value in self.headline.items())
        return f"EvaluationReport({self.corpus}, {self.partition}: {scores})"

    @property
    def scores(self) -> dict[Kind, KindScores]:
        """Scores of every kind that was evaluated."""
        found: dict[Kind, KindScores] = {name: dimension.scores for name, dimension in self.dimensions.items()}
        if self.expression:
            found["expression"] = self.expression.scores
        if self.action_units:
            found["action_units"] = self.action_units.scores
        return found

    @property
    def headline(self) -> dict[str, float]:
        """The numbers to quote, by name; filled steps are included. P is of the joined scores in any case."""
        quoted = {f"ccc_{name}": self.quote(report.scores)["ccc"] for name, report in self.dimensions.items()}
        if self.expression:
            values = self.quote(self.expression.scores)
            quoted |= {f"expression_{name}": values[name] for name in ("f1_macro", "accuracy", "uar")}
        if self.action_units:
            quoted["action_units_f1_macro"] = self.quote(self.action_units.scores)["f1_macro"]
        return quoted | ({"P": self.challenge.score} if self.challenge else {})

    def quotes_means(self, scores: KindScores) -> bool:
        """Return whether the mean over the recordings is quoted instead of the joined score."""
        return self.quoted == "recordings" and bool(scores.mean)

    def quote(self, scores: KindScores) -> dict[str, float]:
        """Return the scores to quote, joined or means over the recordings."""
        return scores.mean if self.quotes_means(scores) else scores.joined

    def interval(self, scores: KindScores, name: str) -> Interval:
        """Return the interval of a quoted score."""
        return (scores.mean_intervals if self.quotes_means(scores) else scores.intervals)[name]

    def to_dict(self) -> dict[str, Any]:
        """Return everything except the curves, fit for JSON: arrays as lists, NaN and infinity as None."""
        content = {field: _to_plain(value) for field, value in vars(self).items()}
        for dimension in content["dimensions"].values():
            del dimension["curves"]
        content["published"] = [{"protocol": t.protocol, "rows": _to_plain(t.rows)} for t in self.published]
        return {"headline": _to_plain(self.headline), "marks": MARKS, **content}


def report_dimension(tally: DimensionTally, variants: tuple[VariantScores, ...]) -> DimensionReport:
    """Return the report of valence or arousal."""
    scores = tally.scores.result(tally.config.draws)
    return DimensionReport(scores, variants, tally.outside, tally.density, tuple(tally.curves))


def report_expression(tally: ExpressionTally, draws: int) -> ExpressionReport:
    """Return the report of expressions, with intervals of `draws` bootstrap draws."""
    matrix = tally.confusion
    with np.errstate(invalid="ignore"):
        precision = matrix.hits / matrix.counts.sum(0)
    missing = _never_predicted(tally)
    counts, support = matrix.counts.astype(np.int64), matrix.support.astype(np.int64)
    scores = tally.scores.result(draws)
    return ExpressionReport(scores, tally.names, missing, counts, support, matrix.f1, matrix.recall, precision)


def report_action_units(tally: ActionUnitTally, draws: int) -> ActionUnitReport:
    """Return the report of action units, with intervals of `draws` bootstrap draws."""
    counts, scores = tally.counts, tally.scores.result(draws)
    support = counts.support.astype(np.int64)
    missing = _never_predicted(tally)
    return ActionUnitReport(scores, tally.names, missing, tally.threshold, tally.mixed, support, counts.f1)


def joined_scores(
    dimensions: Mapping[Dimension, DimensionReport], expression: ExpressionReport | None, units: ActionUnitReport | None
) -> JoinedScores:
    """Return what a comparison with published results needs."""
    by_kind: dict[Kind, Mapping[str, float]] = {name: report.scores.joined for name, report in dimensions.items()}
    if expression:
        by_kind["expression"] = expression.scores.joined
    if units:
        by_kind["action_units"] = units.scores.joined
    return JoinedScores(by_kind, len(expression.classes) if expression else 0, len(units.units) if units else 0)


def _never_predicted(tally: ExpressionTally | ActionUnitTally) -> tuple[str, ...]:
    """Return the names whose column is missing in every prediction."""
    return tuple(name for name, predicted in zip(tally.names, tally.predicted, strict=True) if not predicted)


def _to_plain(value: Any) -> Any:
    """Return a value of JSON: arrays and tuples become lists, dataclasses become objects with the same keys.

    NaN and infinity become None, because JSON has neither.
    """
    if isinstance(value, np.ndarray):
        return _to_plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Interval):
        return _to_plain(value._asdict())
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _to_plain(inner) for key, inner in value.items()}
    return [_to_plain(inner) for inner in value] if isinstance(value, list | tuple) else value

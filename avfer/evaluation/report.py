"""What an evaluation found, as plain values; `to_dict` is what report.json holds."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, NamedTuple

import numpy as np

from avfer.evaluation.evaluation_config import Headline
from avfer.evaluation.kinds import Dimension, Kind
from avfer.evaluation.published import MARKS, Table
from avfer.evaluation.tally import ActionUnitTally, Curve, DimensionTally, ExpressionTally, KindScores
from avfer.metrics.bootstrap import Interval


class VariantScores(NamedTuple):
    """A dimension after some post-processing."""

    name: str  # "raw", "fitted on train", "fitted on dev (optimistic)"
    chain: str  # what was done
    optimistic: bool
    joined: float  # CCC
    mean: float
    trials: tuple[str, ...]  # what was tried while it was fitted


@dataclass(frozen=True, eq=False)
class DimensionReport:
    """Valence or arousal."""

    scores: KindScores
    variants: tuple[VariantScores, ...]  # empty where nothing was asked for
    outside: int  # valid steps whose prediction lies outside [-1, 1]
    density: np.ndarray  # (C, C) valid steps by truth and prediction, both from -1 to 1
    curves: tuple[Curve, ...]


@dataclass(frozen=True, eq=False)
class ExpressionReport:
    """Classes in the corpus's order."""

    scores: KindScores
    classes: tuple[str, ...]
    not_told: tuple[str, ...]  # classes that no prediction tells
    confusion: np.ndarray  # (K, K); a row is the truth
    support: np.ndarray  # (K,)
    f1: np.ndarray
    recall: np.ndarray  # NaN for a class that is never true
    precision: np.ndarray  # NaN for a class that is never told


@dataclass(frozen=True, eq=False)
class ActionUnitReport:
    """Action units in the corpus's order."""

    scores: KindScores
    units: tuple[str, ...]
    not_told: tuple[str, ...]
    threshold: float
    mixed: int  # steps with some units known and some not: left out
    support: np.ndarray  # (A,)
    f1: np.ndarray


class Challenge(NamedTuple):
    """The score P of an ABAW challenge."""

    task: str
    year: int
    rule: str
    score: float


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """Scores of one partition of one corpus, with all that makes them comparable."""

    corpus: str
    partition: str
    facts: Mapping[str, str]  # the protocol, in the order it is told
    quoted: Headline
    dimensions: Mapping[Dimension, DimensionReport]
    expression: ExpressionReport | None
    action_units: ActionUnitReport | None
    challenge: Challenge | None
    published: tuple[Table, ...]  # of the same corpus, partition and protocol alone
    notes: Mapping[str, tuple[int, str]]  # what was met and decided -> how often, the first place
    weights: Mapping[str, str]  # file -> sha256

    def __repr__(self) -> str:
        scores = ", ".join(f"{name} {value:.4f}" for name, value in self.headline.items())
        return f"Report({self.corpus}, {self.partition}: {scores})"

    @property
    def headline(self) -> dict[str, float]:
        """The numbers to quote, filled steps included."""
        quoted = {f"ccc_{name}": self.quote(report.scores)["ccc"] for name, report in self.dimensions.items()}
        if self.expression:
            quoted |= {f"expression_{n}": self.expression.scores.joined[n] for n in ("f1_macro", "accuracy", "uar")}
        if self.action_units:
            quoted["action_units_f1_macro"] = self.action_units.scores.joined["f1_macro"]
        return quoted | ({"P": self.challenge.score} if self.challenge else {})

    def quote(self, scores: KindScores) -> dict[str, float]:
        """Joined scores, or means of recordings where the protocol quotes these."""
        return scores.mean if self.quoted == "recordings" and scores.mean else scores.joined

    def interval(self, scores: KindScores, name: str) -> Interval:
        """Of a score that is quoted."""
        means = self.quoted == "recordings" and scores.mean
        return (scores.mean_intervals if means else scores.intervals)[name]

    def to_dict(self) -> dict[str, Any]:
        """All of it but the drawings' curves, fit for JSON: arrays are lists, and what is not defined is null."""
        told = {field: _plain(value) for field, value in vars(self).items()}
        for dimension in told["dimensions"].values():
            del dimension["curves"]
        told["published"] = [
            {"protocol": t.protocol, "rows": [row._asdict() for row in t.rows]} for t in self.published
        ]
        return {"headline": _plain(self.headline), "marks": MARKS, **told}


def dimension_report(tally: DimensionTally, variants: tuple[VariantScores, ...]) -> DimensionReport:
    """What was tallied of valence or arousal."""
    scores = tally.both.result(tally.config.draws)
    return DimensionReport(scores, variants, tally.outside, tally.density, tuple(tally.curves))


def expression_report(tally: ExpressionTally, draws: int) -> ExpressionReport:
    """What was tallied of classes."""
    matrix = tally.confusion
    with np.errstate(invalid="ignore"):
        precision = matrix.hits / matrix.counts.sum(0)
    silent = tuple(name for name, told in zip(tally.classes, tally.told, strict=True) if not told)
    counts, support = matrix.counts.astype(np.int64), matrix.support.astype(np.int64)
    scores = tally.both.result(draws)
    return ExpressionReport(scores, tally.classes, silent, counts, support, matrix.f1, matrix.recall, precision)


def action_unit_report(tally: ActionUnitTally, draws: int) -> ActionUnitReport:
    """What was tallied of action units."""
    silent = tuple(name for name, told in zip(tally.units, tally.told, strict=True) if not told)
    counts, scores = tally.counts, tally.both.result(draws)
    support = counts.support.astype(np.int64)
    return ActionUnitReport(scores, tally.units, silent, tally.threshold, tally.mixed, support, counts.f1)


def scores_of(report: Report) -> dict[Kind, KindScores]:
    """Of each kind that was scored."""
    found: dict[Kind, KindScores] = {}
    for name, dimension in report.dimensions.items():
        found[name] = dimension.scores
    if report.expression:
        found["expression"] = report.expression.scores
    if report.action_units:
        found["action_units"] = report.action_units.scores
    return found


def _plain(value: Any) -> Any:
    """A value of JSON."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value

"""Scores beside those of others: P of the ABAW challenges, and published rows under the very same protocol."""

from collections.abc import Mapping

from avfer.datasets.example import Corpus
from avfer.evaluation.evaluation_config import EvalConfig
from avfer.evaluation.kinds import Dimension
from avfer.evaluation.published import NoTable, Table, published
from avfer.evaluation.report import ActionUnitReport, Challenge, DimensionReport, ExpressionReport
from avfer.metrics.abaw import LAST_YEAR, AbawTask, abaw_rule, abaw_score

ABAW = "aff_wild2"  # the corpus of the challenges
EARLY = 2021  # the last year of seven classes, and of eight or twelve action units with another rule
EARLY_CLASSES, EARLY_UNITS = 7, 8

Dimensions = Mapping[Dimension, DimensionReport]


def challenge(
    config: EvalConfig,
    corpus: Corpus,
    dimensions: Dimensions,
    expression: ExpressionReport | None,
    units: ActionUnitReport | None,
) -> Challenge | None:
    """P by the rule of the year: the one that is named, else the last whose classes these are."""
    task = _task(dimensions, expression, units)
    if corpus.name != ABAW or task is None:
        return None
    old = (expression and len(expression.classes) == EARLY_CLASSES) or (units and len(units.units) == EARLY_UNITS)
    year = config.challenge or (EARLY if old and task != "mtl" else LAST_YEAR)
    scores = {f"ccc_{name}": dimension.scores.joined["ccc"] for name, dimension in dimensions.items()}
    if task == "mtl" and expression and units:
        scores = {
            "va": abaw_score("va", year, scores),
            "expr": abaw_score("expr", year, expression.scores.joined),
            "au": abaw_score("au", year, units.scores.joined),
        }
    elif part := expression or units:
        scores = part.scores.joined
    return Challenge(task, year, abaw_rule(task, year), abaw_score(task, year, scores))


def comparison(
    config: EvalConfig,
    corpus: Corpus,
    dimensions: Dimensions,
    expression: ExpressionReport | None,
    units: ActionUnitReport | None,
) -> list[Table | NoTable]:
    """Published rows of this corpus and partition, or why they may not stand beside these scores."""
    facts = {
        "convention": config.ccc,
        "headline": config.quoted,
        "distribution": corpus.distribution,
        "labels": corpus.protocol.partition(";")[0],
        "threshold": f"{config.threshold:g}",
        "classes": str(len(expression.classes)) if expression else "",
        "units": str(len(units.units)) if units else "",
    }
    tasks = _tasks(corpus.name, dimensions, expression, units)
    found = (published(corpus.name, task, config.partition, facts) for task in tasks)
    return [table for table in found if table is not None]


def _task(dimensions: Dimensions, expression: ExpressionReport | None, units: ActionUnitReport | None) -> AbawTask | None:
    """The challenge whose labels these are."""
    both = len(dimensions) == 2
    if both and expression and units:
        return "mtl"
    if both + bool(expression) + bool(units) != 1:
        return None
    return "va" if both else "expr" if expression else "au"


def _tasks(
    corpus: str, dimensions: Dimensions, expression: ExpressionReport | None, units: ActionUnitReport | None
) -> list[str]:
    """Names of the tables in published.yaml that these scores could stand beside."""
    if corpus == ABAW:
        task = _task(dimensions, expression, units)
        return [task] if task else []
    tasks = ["valence_arousal"] if dimensions else []
    return [*tasks, *(["expression", str(len(expression.classes))] if expression else [])]

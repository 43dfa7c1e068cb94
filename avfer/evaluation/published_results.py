"""Published results beside a score: rows of the same corpus, partition and protocol, and the score P of ABAW.

The rows are in published.yaml. Each has a mark that says how far it is confirmed (MARKS). Rows of another protocol are
not shown, because their numbers cannot be compared; the report states the reason instead. An entry of the file:

    corpus: aff_wild2               # name in the catalog
    task: va                        # va, expr, au, mtl of ABAW; valence_arousal; expression; the number of classes
    protocol: CCC, all valid ...    # as reports print it
    needs: {headline: joined, ...}  # facts that the score must agree with
    metrics: [valence, arousal, P]  # columns of the rows
    dev:                            # rows of a partition: system, a value for each metric or null, mark
      - [RJCMA 2024, 0.455, 0.652, 0.554, B]
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from avfer.datasets.example import DIMENSIONS, Corpus, Partition
from avfer.evaluation.alignment import Kind
from avfer.evaluation.evaluation_config import EvalConfig
from avfer.metrics.abaw import LAST_YEAR, AbawTask, abaw_rule, abaw_score
from avfer.yaml_reader import parse_yaml

FILE = Path(__file__).with_name("published.yaml")
MARKS = {"A": "organisers' code or site", "B": "participants' code or paper", "U": "not confirmed"}
ABAW = "aff_wild2"  # corpus of the challenges
OLD_YEAR = 2021  # last year of 7 classes, and of 8 or 12 action units under another rule
OLD_CLASSES, OLD_UNITS = 7, 8


@dataclass(frozen=True)
class PublishedRow:
    """A published result."""

    system: str  # name of the method
    values: dict[str, float]  # metric -> value; metrics without a published value are absent
    mark: str  # a key of MARKS


@dataclass(frozen=True)
class PublishedTable:
    """Published results of one corpus, task and partition under one protocol."""

    task: str
    protocol: str
    metrics: list[str]  # names of the columns
    rows: list[PublishedRow]  # in the order of the source


@dataclass(frozen=True)
class OtherProtocol:
    """Published results of the corpus and partition that cannot be compared with the score."""

    protocol: str  # of the published results
    reason: str  # "their headline is joined, here it is recordings"


@dataclass(frozen=True)
class ChallengeScore:
    """The score P of an ABAW challenge."""

    task: str  # "va", "expr" or "au"
    year: int  # of the challenge whose formula is used
    rule: str  # "0.67 f1_macro + 0.33 accuracy"
    score: float


@dataclass(frozen=True)
class JoinedScores:
    """Scores of every evaluated kind over all recordings joined, and the lengths of the class lists."""

    by_kind: Mapping[Kind, Mapping[str, float]]  # "valence" -> {"ccc": 0.5, ...}
    num_classes: int = 0  # of expressions; 0 if they were not evaluated
    num_units: int = 0  # action units; 0 if they were not evaluated

    @property
    def has_affect(self) -> bool:
        """Whether both valence and arousal were evaluated."""
        return all(name in self.by_kind for name in DIMENSIONS)


def challenge_score(config: EvalConfig, corpus: Corpus, scores: JoinedScores) -> ChallengeScore | None:
    """Return P of the ABAW challenge whose labels were evaluated; None for other corpora or combinations of labels.

    The year is that of the configuration, else the last one with such a class list.
    """
    task = _abaw_task(scores)
    if corpus.name != ABAW or task is None:
        return None
    old = scores.num_classes == OLD_CLASSES or scores.num_units == OLD_UNITS
    year = config.challenge or (OLD_YEAR if old and task != "mtl" else LAST_YEAR)
    values: Mapping[str, float] = {
        f"ccc_{name}": scores.by_kind[name]["ccc"] for name in DIMENSIONS if name in scores.by_kind
    }
    if task == "mtl":
        values = {
            "va": abaw_score("va", year, values),
            "expr": abaw_score("expr", year, scores.by_kind["expression"]),
            "au": abaw_score("au", year, scores.by_kind["action_units"]),
        }
    elif task != "va":
        values = scores.by_kind["expression" if task == "expr" else "action_units"]
    return ChallengeScore(task, year, abaw_rule(task, year), abaw_score(task, year, values))


def compare(config: EvalConfig, corpus: Corpus, scores: JoinedScores) -> list[PublishedTable | OtherProtocol]:
    """Return the published results of this corpus and partition, or why they cannot be compared with the scores."""
    facts = {
        "convention": config.ccc,
        "headline": config.quoted,
        "distribution": corpus.distribution,
        "labels": corpus.protocol.partition(";")[0],
        "threshold": f"{config.unit_threshold:g}",
        "classes": str(scores.num_classes or ""),
        "units": str(scores.num_units or ""),
    }
    found = (find_published(corpus.name, task, config.partition, facts) for task in _tasks(corpus.name, scores))
    return [table for table in found if table is not None]


def find_published(
    corpus: str, task: str, partition: Partition, facts: Mapping[str, str]
) -> PublishedTable | OtherProtocol | None:
    """Return the published results of a corpus, task and partition; None if there are none.

    facts: protocol of the score, by the names that `needs` of an entry uses; every one of them must have the value
    that the entry needs, otherwise an OtherProtocol names the first that differs.
    """
    entry = next((e for e in _entries() if (e["corpus"], e["task"]) == (corpus, task) and partition in e), None)
    if entry is None:
        return None
    for name, needed in entry.get("needs", {}).items():
        if facts.get(name) != str(needed):
            reason = f"their {name} is {needed}, here it is {facts.get(name, 'unknown')}"
            return OtherProtocol(entry["protocol"], reason)
    metrics = entry["metrics"]
    rows = [
        PublishedRow(system, {name: v for name, v in zip(metrics, values, strict=True) if v is not None}, mark)
        for system, *values, mark in entry[partition]
    ]
    return PublishedTable(task, entry["protocol"], metrics, rows)


def _abaw_task(scores: JoinedScores) -> AbawTask | None:
    """Return the challenge with exactly these labels."""
    affect, expression, units = scores.has_affect, scores.num_classes > 0, scores.num_units > 0
    if affect and expression and units:
        return "mtl"
    if affect + expression + units != 1:
        return None
    return "va" if affect else "expr" if expression else "au"


def _tasks(corpus: str, scores: JoinedScores) -> list[str]:
    """Return the tasks of published.yaml whose rows might be comparable.

    Corpora of still images have one task for each class list, named by its length, because accuracies over 7 and over 8
    classes cannot be compared.
    """
    if corpus == ABAW:
        task = _abaw_task(scores)
        return [task] if task else []
    tasks = ["valence_arousal"] if any(name in scores.by_kind for name in DIMENSIONS) else []
    return [*tasks, *(["expression", str(scores.num_classes)] if scores.num_classes else [])]


@cache
def _entries() -> list[dict[str, Any]]:
    return parse_yaml(FILE.read_text(encoding="utf-8"), FILE.name).content

"""Results that others published, with how far each is confirmed."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from avfer.datasets.example import Partition

FILE = Path(__file__).with_name("published.yaml")
MARKS = {"A": "organisers' code or site", "B": "participants' code or paper", "U": "not confirmed"}


class Row(NamedTuple):
    """One published result."""

    system: str
    values: dict[str, float]  # metric -> value
    mark: str  # a key of MARKS


class Table(NamedTuple):
    """Results of one corpus, task and partition under one protocol."""

    task: str
    protocol: str
    metrics: list[str]
    rows: list[Row]


class NoTable(NamedTuple):
    """Why published results of this corpus and partition cannot stand beside a score."""

    protocol: str  # theirs
    reason: str  # "their headline is joined, here it is recordings"


def published(corpus: str, task: str, partition: Partition, facts: Mapping[str, str]) -> Table | NoTable | None:
    """The rows that a score of this partition may stand beside; None where there are none.

    `facts` tell the protocol of the score; an entry's `needs` must all hold in it.
    """
    entry = next((e for e in _entries() if (e["corpus"], e["task"]) == (corpus, task) and partition in e), None)
    if entry is None:
        return None
    for name, needed in entry.get("needs", {}).items():
        if facts.get(name) != str(needed):
            told = f"their {name} is {needed}, here it is {facts.get(name, 'not known')}"
            return NoTable(entry["protocol"], told)
    metrics = entry["metrics"]
    rows = [
        Row(system, {name: v for name, v in zip(metrics, values, strict=True) if v is not None}, mark)
        for system, *values, mark in entry[partition]
    ]
    return Table(task, entry["protocol"], metrics, rows)


@cache
def _entries() -> list[dict[str, Any]]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))

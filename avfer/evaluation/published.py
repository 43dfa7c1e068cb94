"""Results that others published, with how far each is confirmed."""

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

    protocol: str
    rows: list[Row]


def published(corpus: str, task: str, partition: Partition) -> Table | None:
    """The rows that a score on this partition may stand beside; None where there are none."""
    entry = next((e for e in _entries() if (e["corpus"], e["task"]) == (corpus, task) and partition in e), None)
    if entry is None:
        return None
    rows = [
        Row(system, {name: v for name, v in zip(entry["metrics"], values, strict=True) if v is not None}, mark)
        for system, *values, mark in entry[partition]
    ]
    return Table(entry["protocol"], rows)


@cache
def _entries() -> list[dict[str, Any]]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))

"""Where predictions come from: a folder of tables, one a recording, or a network that reads the corpus's pictures."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from avfer.datasets.example import Corpus, Example, Partition
from avfer.errors import DatasetError
from avfer.evaluation.align import Aligned, align
from avfer.evaluation.kinds import columns_of, with_probabilities
from avfer.evaluation.pictures import Reader, read_pictures
from avfer.evaluation.tables import ENDINGS, facts_of, read_table

MADE = {
    "version": "avfer that made the tables",
    "pipeline_sha256": "sha256 of the pipeline that made them",
    "device": "device that made them",
}


@dataclass
class Origin:
    """What a report tells of the predictions; it grows while they are read."""

    told: dict[str, str] = field(default_factory=dict[str, str])  # "pipeline" -> "aver", "avfer" -> "0.1.0"
    weights: dict[str, str] = field(default_factory=dict[str, str])  # file -> sha256
    data: dict[str, str] = field(default_factory=dict[str, str])  # network -> what it was trained on
    missing: list[str] = field(default_factory=list[str])  # examples without any prediction


class Source(Protocol):
    """Gives the predictions for a partition, one example after another."""

    origin: Origin

    def predictions(self, corpus: Corpus, partition: Partition) -> Iterator[Aligned]:
        """Each example with steps, aligned; one without any prediction has NaN alone."""
        ...


@dataclass
class Tables:
    """A folder with a table for each example: named after its id, or after its video or its sound."""

    folder: Path
    origin: Origin = field(default_factory=Origin)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise DatasetError(f"no folder with predictions at {self.folder}; check the path behind --predictions")

    def predictions(self, corpus: Corpus, partition: Partition) -> Iterator[Aligned]:
        for example in corpus.examples(partition):
            if not len(example):
                continue
            columns, path = columns_of(example), self._table_of(example)
            if path is None:
                self.origin.missing.append(example.id)
                yield Aligned.nothing(example, columns)
                continue
            self._learn(path)
            expression = example.labels.get("expression")
            table = read_table(path)
            yield align(example, with_probabilities(table, expression.names) if expression else table, columns)

    def _table_of(self, example: Example) -> Path | None:
        media = [path.stem for path in (example.video, example.audio) if path]
        for stem in dict.fromkeys([example.id, *media]):
            for ending in ENDINGS:
                if (path := self.folder / f"{stem}.{ending}").is_file():
                    return path
        return None

    def _learn(self, path: Path) -> None:
        """Note what a Parquet file tells of its making; tables that differ in it are all told."""
        facts = facts_of(path)
        self.origin.weights |= json.loads(facts.get("weights", "{}"))
        for name, label in MADE.items():
            seen = self.origin.told.setdefault(label, facts.get(name, "not told"))
            if (value := facts.get(name, "not told")) not in seen.split("; "):
                self.origin.told[label] = f"{seen}; {value}"


@dataclass
class Network:
    """A network of the catalog with heads of its own, shown the pictures that the corpus holds."""

    reader: Reader
    origin: Origin = field(default_factory=Origin)

    def __post_init__(self) -> None:
        card = self.reader.card
        self.origin.told["model"] = card.name
        self.origin.weights |= self.reader.files
        self.origin.data[card.name] = card.data or "not told on its card"

    def predictions(self, corpus: Corpus, partition: Partition) -> Iterator[Aligned]:
        names = self.reader.columns
        for example, values in read_pictures(self.reader, corpus, corpus.examples(partition)):
            if np.isnan(values).all():
                self.origin.missing.append(example.id)
            given = dict(zip(names, values.T, strict=True))
            empty = np.full(len(example), np.nan)
            yield Aligned.of(example, {column: given.get(column, empty) for column in columns_of(example)})

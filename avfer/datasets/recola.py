"""RECOLA (Ringeval et al., 2013): French remote collaboration, 5 minutes a person, valence and arousal every 40 ms.

Three distributions are read, told apart by their folders: AVEC 2015 and 2016, the gold-standard challenge of AVEC
2018 (both partitioned by name), and the original release in two editions (no split, no gold standard of its own).
Nothing maps the subjects of one family to the recordings of the other, so results of both do not belong together.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avfer.datasets.example import PARTITIONS, Example, Labels, Notes, Partition
from avfer.datasets.gold_standard import PROCEDURES, TOLD
from avfer.datasets.listing import SOUNDS, VIDEOS, check_root, natural
from avfer.datasets.raters import rate, read_gold, read_ratings
from avfer.datasets.recola_layout import Layout, Recordings, find_layout
from avfer.datasets.series import Series, all_times, at_times, bounded
from avfer.datasets.splits import DEFAULT, load_split
from avfer.errors import ConfigError, unknown

HALF = "recordings with one of valence and arousal alone: is the copy complete?"
UNLABELLED = "recordings of train and dev without labels: is the copy complete?"
UNEQUAL = "steps that one of valence and arousal does not have: not valid there"


class Recola:
    """RECOLA on disk.

    gold: a gold standard that lies there by its name ("gs_1", or "distributed" for the first), or one made of the
    ratings: "mean", "avec", "ewe". Without it the distributed one, else "avec" (AVEC) or "mean" (original release).
    split: for the original release, "8/8/7", "46-subject", or a file of lines `train: P16 P17` or `P16,train`.
    """

    name = "recola"

    def __init__(self, root: Path | str, gold: str | None = None, split: str | Path | None = None) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        self._layout = find_layout(self.root, self.notes)
        self.distribution = self._layout.distribution
        self._gold = _choose_gold(self._layout, gold)
        self._split = _choose_split(self._layout, split)
        self._videos = self._layout.recordings(self._layout.media("video"), VIDEOS, self.notes)
        self._sounds = self._layout.recordings(self._layout.media("audio"), SOUNDS, self.notes)
        self._labels = self._labelled()
        self._members = self._partitioned()
        self.protocol = self._told()

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those with a recording, with labels or without."""
        return tuple(partition for partition in PARTITIONS if self._members[partition])

    def examples(self, partition: Partition) -> Iterator[Example]:
        """The recordings of a partition; those of an AVEC test partition have no labels."""
        for name in self._members[partition]:
            yield self._example(name, partition)

    def _example(self, name: str, partition: Partition) -> Example:
        ratings = {d: read_ratings(found[name], self.notes) for d, found in self._ratings.items() if name in found}
        gold = {d: self._gold_of(d, name, ratings) for d, found in self._labels.items() if name in found}
        if len(gold) == 1:
            self.notes.add(HALF, name, fault=True)
        if not gold and partition != "test":
            self.notes.add(UNLABELLED, name, fault=True)
        times = all_times(*(gold or ratings).values()) if gold or ratings else None
        labels = self._values(name, times, gold, ratings) if times is not None else {}
        return Example(name, partition, labels, name, self._videos.get(name), self._sounds.get(name), times=times)

    def _gold_of(self, dimension: str, name: str, ratings: dict[str, Series]) -> Series:
        path = self._labels[dimension][name]
        if self._gold in PROCEDURES:
            return rate(ratings[dimension], self._gold, path, self.notes)
        return read_gold(path, self._layout.identify, self.notes)

    def _values(
        self, name: str, times: np.ndarray, gold: dict[str, Series], ratings: dict[str, Series]
    ) -> dict[str, Labels]:
        labels: dict[str, Labels] = {}
        for dimension, series in gold.items():
            self.notes.add(UNEQUAL, name, len(times) - len(series.times))
            labels[dimension] = bounded(at_times(series, times)[:, 0], self._labels[dimension][name], self.notes)
        for dimension, series in ratings.items():
            values = at_times(series, times)
            labels[f"raters_{dimension}"] = Labels(values, ~np.isnan(values), series.names)
        return labels

    def _labelled(self) -> dict[str, Recordings]:
        """For each dimension the files that its labels come from; `_ratings` are those of the raters alone."""
        self._ratings = self._layout.labels(self._layout.ratings, ".csv", self.notes)
        if self._gold in PROCEDURES:
            return self._ratings
        return self._layout.labels(self._layout.golds[self._gold], ".arff", self.notes)

    def _partitioned(self) -> dict[Partition, list[str]]:
        sources = (*self._labels.values(), *self._ratings.values(), self._videos, self._sounds)
        names = sorted({name for source in sources for name in source}, key=natural)
        if self._split is None:
            self._note_absent(names)
            return {p: [name for name in names if name.startswith(p)] for p in PARTITIONS}
        chosen = load_split(self._split)
        wanted: dict[Partition, list[str]] = {p: [f"P{number}" for number in chosen.get(p, [])] for p in PARTITIONS}
        listed = {name for subjects in wanted.values() for name in subjects}
        for name in sorted(listed - set(names), key=natural):
            self.notes.add(f"subjects of the split {self._split} that are not there", name)
        for name in (name for name in names if name not in listed):
            self.notes.add(f"subjects outside the split {self._split}: left out", name)
        return {p: sorted(set(subjects) & set(names), key=natural) for p, subjects in wanted.items()}

    def _note_absent(self, names: list[str]) -> None:
        for partition in PARTITIONS:
            expected = [f"{partition}_{number}" for number in range(1, 10)]
            for name in expected if set(expected) & set(names) else ():
                if name not in names:
                    self.notes.add("recordings of the distribution that are not there", name)

    def _told(self) -> str:
        made = f"made by '{self._gold}': {TOLD[self._gold]}" if self._gold in PROCEDURES else f"'{self._gold}'"
        centred = ", of ratings distributed as centred" if self._layout.centred and self._gold in PROCEDURES else ""
        split = f"split {self._split} (no official one exists)" if self._split else "partitions as distributed"
        told = "as distributed" if self._gold == "distributed" else made
        return f"gold standard {told}{centred}; {split}; not comparable with the other family of RECOLA"


def _choose_gold(layout: Layout, gold: str | None) -> str:
    known = [*layout.golds, *(PROCEDURES if layout.ratings else ())]
    if gold is None:
        return known[0] if layout.golds else layout.procedure
    if gold == "distributed" and layout.golds:
        return next(iter(layout.golds))
    if gold not in known:
        raise ConfigError(f"{layout.distribution} of RECOLA: {unknown('gold standard', gold, known)}")
    return gold


def _choose_split(layout: Layout, split: str | Path | None) -> str | Path | None:
    if layout.by_name and split is not None:
        raise ConfigError(f"{layout.distribution} of RECOLA is partitioned by name; leave out split '{split}'")
    return None if layout.by_name else split or DEFAULT

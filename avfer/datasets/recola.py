"""RECOLA (Ringeval et al., 2013): remote collaboration in French, 5 minutes of each person, labels every 40 ms.

Three distributions are read and recognized by their folders: AVEC 2015 and 2016, the gold-standard challenge of AVEC
2018 (both partitioned by file name), and the original release in two editions (without a split or a gold standard).
No table maps subjects of the original release to AVEC recordings, so results of the two are not comparable.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avfer.datasets.example import PARTITIONS, Corpus, Example, Labels, Notes, Partition
from avfer.datasets.gold_standard import DESCRIPTIONS, PROCEDURES, Procedure
from avfer.datasets.listing import SOUNDS, VIDEOS, check_root, natural
from avfer.datasets.ratings import Ratings, all_times, at_times, bounded, compute_gold, read_gold, read_ratings
from avfer.datasets.recola_layout import RecolaLayout, Recordings, find_layout
from avfer.datasets.splits import RECOLA_DEFAULT, load_split
from avfer.errors import ConfigError, unknown

ONE_DIMENSION = "recordings with one of valence and arousal alone: is the copy complete?"
UNLABELLED = "recordings of train and dev without labels: is the copy complete?"
UNEQUAL = "steps that have one of valence and arousal alone: the other is not valid"
MISSING_RECORDING = "recordings of the distribution that are missing"
RECORDINGS = range(1, 10)  # of each partition in the distributions of AVEC


class Recola(Corpus):
    """RECOLA on disk: valence and arousal by time, one example a recording, with the ratings of each rater.

    AVEC 2015 and 2016:  ratings_gold_standard/{arousal,valence}/train_1.arff
                         ratings_individual/{arousal,valence}/train_1.csv
                         recordings_audio/train_1.wav, recordings_video/train_1.mp4
    AVEC 2018:           labels/gs_1/{arousal,valence}/dev_1.arff
                         labels/individual/{arousal,valence}/dev_1.csv
                         recordings/audio/dev_1.wav, recordings/video/dev_1.mp4
    original release:    RECOLA-Annotation/emotional_behaviour/{arousal,valence}/P16.csv
                         RECOLA-Audio-recordings/P16.wav, RECOLA-Video-recordings/P16.mp4

    Labels: "valence" and "arousal" (T,), "raters_valence" and "raters_arousal" (T, R) of up to six raters, named FM1
    to FF3; T is 7501 for 300 s. The recordings of test in AVEC have no labels.
    gold: a gold standard on disk by its name ("gs_1", or "distributed" for the first), or one computed from the
    ratings: "mean", "avec", "ewe". Default: the first on disk, else "avec" (AVEC) or "mean" (original release).
    split: of the original release: "8/8/7", "46-subject", or a file of lines `train: P16 P17` or `P16,train`.
    root: folder of the corpus.
    """

    name = "recola"

    def __init__(self, root: Path | str, gold: str | None = None, split: str | Path | None = None) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        self._layout = find_layout(self.root, self.notes)
        self.distribution = self._layout.distribution
        self._gold = _choose_gold(self._layout, gold)
        self._procedure: Procedure | None = next((known for known in PROCEDURES if known == self._gold), None)
        self._split = _choose_split(self._layout, split)
        self._videos = self._layout.recordings(self._layout.media("video"), VIDEOS, self.notes)
        self._sounds = self._layout.recordings(self._layout.media("audio"), SOUNDS, self.notes)
        self._ratings = self._layout.labels(self._layout.ratings, ".csv", self.notes)
        self._gold_files = self._find_gold_files()
        self._members = self._divide()
        self.protocol = self._describe()

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with a recording, with or without labels."""
        return tuple(partition for partition in PARTITIONS if self._members[partition])

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield the recordings of a partition; those of an AVEC test partition have no labels."""
        for name in self._members[partition]:
            yield self._example(name, partition)

    def _example(self, name: str, partition: Partition) -> Example:
        """Return a recording; missing labels are noted as faults, except in test."""
        ratings = {d: read_ratings(found[name], self.notes) for d, found in self._ratings.items() if name in found}
        gold = {d: self._gold_of(d, name, ratings) for d, found in self._gold_files.items() if name in found}
        if len(gold) == 1:
            self.notes.add(ONE_DIMENSION, name, fault=True)
        if not gold and partition != "test":
            self.notes.add(UNLABELLED, name, fault=True)
        times = all_times(*(gold or ratings).values()) if gold or ratings else None
        labels = self._labels(name, times, gold, ratings) if times is not None else {}
        return Example(name, partition, labels, name, self._videos.get(name), self._sounds.get(name), times=times)

    def _gold_of(self, dimension: str, name: str, ratings: dict[str, Ratings]) -> Ratings:
        """Return the gold standard of a dimension, read from disk or computed from the ratings."""
        path = self._gold_files[dimension][name]
        if self._procedure:
            return compute_gold(ratings[dimension], self._procedure, path, self.notes)
        return read_gold(path, self._layout.identify, self.notes)

    def _labels(
        self, name: str, times: np.ndarray, gold: dict[str, Ratings], ratings: dict[str, Ratings]
    ) -> dict[str, Labels]:
        """Return gold standards (T,) and ratings (T, R) at the times (T,) of the example."""
        labels: dict[str, Labels] = {}
        for dimension, one in gold.items():
            self.notes.add(UNEQUAL, name, len(times) - len(one.times))
            labels[dimension] = bounded(at_times(one, times)[:, 0], self._gold_files[dimension][name], self.notes)
        for dimension, one in ratings.items():
            values = at_times(one, times)
            labels[f"raters_{dimension}"] = Labels(values, ~np.isnan(values), one.names)
        return labels

    def _find_gold_files(self) -> dict[str, Recordings]:
        """Return the files of the gold standard for each dimension; those of the ratings if it is computed."""
        if self._procedure:
            return self._ratings
        return self._layout.labels(self._layout.golds[self._gold], ".arff", self.notes)

    def _divide(self) -> dict[Partition, list[str]]:
        """Return the ids of each partition in natural order; note missing recordings and those outside the split."""
        sources = (*self._gold_files.values(), *self._ratings.values(), self._videos, self._sounds)
        names = sorted({name for source in sources for name in source}, key=natural)
        if self._split is None:
            self._note_missing(names)
            return {p: [name for name in names if name.startswith(p)] for p in PARTITIONS}
        chosen = load_split(self._split)
        wanted: dict[Partition, list[str]] = {p: [f"P{number}" for number in chosen.get(p, [])] for p in PARTITIONS}
        listed = {name for subjects in wanted.values() for name in subjects}
        for name in sorted(listed - set(names), key=natural):
            self.notes.add(f"subjects of the split {self._split} that are missing", name)
        for name in (name for name in names if name not in listed):
            self.notes.add(f"subjects outside the split {self._split}: left out", name)
        return {p: sorted(set(subjects) & set(names), key=natural) for p, subjects in wanted.items()}

    def _note_missing(self, names: list[str]) -> None:
        """Note the missing recordings of each AVEC partition that has at least one recording on disk."""
        for partition in PARTITIONS:
            expected = [f"{partition}_{number}" for number in RECORDINGS]
            for name in expected if set(expected) & set(names) else ():
                if name not in names:
                    self.notes.add(MISSING_RECORDING, name)

    def _describe(self) -> str:
        """Return the protocol: gold standard, split, and the warning about the other release."""
        gold = "as distributed" if self._gold == "distributed" else f"'{self._gold}'"
        if self._procedure:
            centred = ", of ratings distributed as centred" if self._layout.centred else ""
            gold = f"made by {gold}: {DESCRIPTIONS[self._procedure]}{centred}"
        split = f"split {self._split} (no official one exists)" if self._split else "partitions as distributed"
        return f"gold standard {gold}; {split}; not comparable with the other family of RECOLA"


def _choose_gold(layout: RecolaLayout, gold: str | None) -> str:
    """Return the gold standard to use, the default for None. Raises ConfigError for one that is not available."""
    known = [*layout.golds, *(PROCEDURES if layout.ratings else ())]
    if gold is None:
        return known[0] if layout.golds else layout.procedure
    if gold == "distributed" and layout.golds:
        return next(iter(layout.golds))
    if gold not in known:
        raise ConfigError(f"{layout.distribution} of RECOLA: {unknown('gold standard', gold, known)}")
    return gold


def _choose_split(layout: RecolaLayout, split: str | Path | None) -> str | Path | None:
    """Return the split to use, None if the layout has partitions. Raises ConfigError if it has both."""
    if layout.by_name and split is not None:
        raise ConfigError(f"{layout.distribution} of RECOLA is partitioned by file name; leave out split '{split}'")
    return None if layout.by_name else split or RECOLA_DEFAULT

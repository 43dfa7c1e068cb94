"""FER+ (Barsoum et al., 2016): the faces of FER2013, grey, 48 x 48 px, each labelled by ten people."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from avfer.datasets.example import Corpus, Example, Labels, Notes, Partition
from avfer.datasets.ferplus_files import ARRAY_FILES, CLASSES, COLUMNS, LIST, find_arrays, find_folders
from avfer.datasets.listing import check_root, natural, not_found
from avfer.datasets.single_label import one_class
from avfer.errors import ConfigError, unknown

Rule = Literal["majority", "plurality"]
RULES: dict[Rule, str] = {
    "majority": "single votes set aside, then more than half of all that are left; unknown and not-a-face dropped",
    "plurality": "the most votes, ties to the first column; unknown and not-a-face dropped",
}
SOURCES = {"votes": "label.csv, each copy of a picture voted on by itself", "votes_csv": LIST}
UNDECIDED = "pictures without an expression by the rule: kept, not valid"
NO_VOTES = "pictures that most voters could not name: their votes are not valid"


class FerPlus(Corpus):
    """FER+ on disk: folders of pictures with label.csv or fer2013new.csv, or arrays.

    folders:  FER2013Train/fer0000000.png, FER2013Train/label.csv; FER2013Valid (dev) and FER2013Test alike
    list:     fer2013new.csv with the votes of all partitions, with or without the folders
    arrays:   train.npz, valid.npz (dev), test.npz

    Labels of each picture: "expression" (1,) of 8 classes, and "votes" (1, 10): 8 classes, unknown, not a face.
    Pictures are read with `picture`, because those in arrays are not files of their own.
    labels: rule that turns votes into an expression: "majority" (more than half of them) or "plurality" (the most).
    table: "votes", as in label.csv, or "votes_csv", as in fer2013new.csv; default: the first of these on disk.
    root: folder with the folders of pictures, the list, or the arrays.
    """

    name = "ferplus"

    def __init__(self, root: Path | str, labels: str = "majority", table: str | None = None) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        self._rule: Rule = _rule(labels)
        source = find_folders(self.root, self.notes) or find_arrays(self.root)
        if source is None:
            raise not_found("FER+", self.root, ("FER2013Test/label.csv", LIST, *ARRAY_FILES.values()))
        self._source = source
        if table is not None and table not in source.tables:
            raise ConfigError(f"FER+ in '{self.root}': {unknown('table', table, source.tables)}")
        self._table = table or source.tables[0]
        self.distribution = source.distribution
        self.protocol = f"votes of {SOURCES[self._table]}; {labels}: {RULES[self._rule]}; partitions as distributed"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions on disk."""
        return self._source.partitions

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield one picture at a time with "votes" (1, 10) and the "expression" (1,) that follows by the rule."""
        names, votes = self._source.faces(partition, self._table, self.notes)
        chosen, named = choose(votes, self._rule), choose(votes, "plurality") >= 0
        for row in sorted(range(len(names)), key=lambda row: natural(names[row])):
            winner = CLASSES[chosen[row]] if chosen[row] >= 0 else None
            if winner is None:
                self.notes.add(UNDECIDED, names[row])
            if not named[row]:
                self.notes.add(NO_VOTES, names[row])
            counts = votes[row : row + 1].astype(np.float64)
            vote_labels = Labels(counts, np.full(counts.shape, named[row]), COLUMNS)
            labels = {"expression": one_class(winner, CLASSES), "votes": vote_labels}
            yield Example(names[row], partition, labels, pictures=(self._source.path(partition, names[row]),))

    def picture(self, example: Example) -> np.ndarray:
        """Return the picture of an example, (48, 48) uint8. Raises DatasetError if it is missing or damaged."""
        return self._source.picture(example.partition, example.id)


def choose(votes: np.ndarray, rule: Rule) -> np.ndarray:
    """Return the class that a rule derives from each row of votes, -1 for none.   (N, 10) int64 -> (N,) int64

    votes: columns as in `COLUMNS`. The result is an index into `CLASSES`.
    """
    counted = np.where(votes > 1, votes, 0) if rule == "majority" else votes
    winner, most = counted.argmax(1), counted.max(1)
    kept = (winner < len(CLASSES)) & (most > 0)
    if rule == "majority":
        kept &= 2 * most > counted.sum(1)
    return np.where(kept, winner, -1)


def _rule(labels: str) -> Rule:
    for rule in get_args(Rule):
        if rule == labels:
            return rule
    raise ConfigError(f"ferplus: {unknown('labels', labels, get_args(Rule))}")

"""FER+ (Barsoum et al., 2016): the faces of FER2013, 48 x 48 and grey, each told by ten people."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np

from avfer.datasets.example import Example, Labels, Notes, Partition
from avfer.datasets.ferplus_arrays import FILES, find_arrays
from avfer.datasets.ferplus_folders import LIST, find_folders
from avfer.datasets.ferplus_votes import CLASSES, COLUMNS, TOLD, Rule, choose
from avfer.datasets.listing import check_root, natural, not_found
from avfer.datasets.stills import one_class
from avfer.errors import ConfigError, unknown

UNDECIDED = "pictures without an expression by the rule: kept, not valid"
NO_VOTES = "pictures that most voters could not name: their votes are not valid"
SOURCES = {"votes": "label.csv, each copy of a picture voted on by itself", "votes_csv": LIST}


class FerPlus:
    """FER+ on disk: folders of pictures with label.csv or fer2013new.csv, or arrays.

    labels: the rule that makes an expression of the votes, "majority" (more than half of them) or "plurality" (the
    most). table: "votes", as label.csv has them, or "votes_csv", as fer2013new.csv; else the first that is there.
    """

    name = "ferplus"

    def __init__(self, root: Path | str, labels: str = "majority", table: str | None = None) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        self._rule: Rule = _rule(labels)
        source = find_folders(self.root, self.notes) or find_arrays(self.root)
        if source is None:
            raise not_found("FER+", self.root, ("FER2013Test/label.csv", LIST, *FILES.values()))
        self._source = source
        if table is not None and table not in source.tables:
            raise ConfigError(f"FER+ in '{self.root}': {unknown('table', table, source.tables)}")
        self._table = table or source.tables[0]
        self.distribution = source.distribution
        self.protocol = f"votes of {SOURCES[self._table]}; {labels}: {TOLD[self._rule]}; partitions as distributed"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those that are there."""
        return self._source.partitions

    def examples(self, partition: Partition) -> Iterator[Example]:
        """One picture at a time, with its votes, and the expression that the rule makes of them."""
        names, votes = self._source.faces(partition, self._table, self.notes)
        chosen, named = choose(votes, self._rule), choose(votes, "plurality") >= 0
        for row in sorted(range(len(names)), key=lambda row: natural(names[row])):
            winner = CLASSES[chosen[row]] if chosen[row] >= 0 else None
            if winner is None:
                self.notes.add(UNDECIDED, names[row])
            if not named[row]:
                self.notes.add(NO_VOTES, names[row])
            counts = votes[row : row + 1].astype(np.float64)
            told = Labels(counts, np.full(counts.shape, named[row]), COLUMNS)
            labels = {"expression": one_class(winner, CLASSES), "votes": told}
            yield Example(names[row], partition, labels, pictures=(self._source.place(partition, names[row]),))

    def picture(self, example: Example) -> np.ndarray:
        """(48, 48) uint8. DatasetError where it is not there or damaged."""
        return self._source.picture(example.partition, example.id)


def _rule(labels: str) -> Rule:
    for rule in get_args(Rule):
        if rule == labels:
            return rule
    raise ConfigError(f"ferplus: {unknown('labels', labels, get_args(Rule))}")

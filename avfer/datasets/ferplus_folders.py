"""FER+ as its script writes it: `FER2013Train/fer0000000.png` and `label.csv`, or `fer2013new.csv` for all."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avfer.datasets.delimited import Row, is_header, rows, same_width
from avfer.datasets.example import PARTITIONS, Notes, Partition
from avfer.datasets.ferplus_votes import COLUMNS
from avfer.datasets.listing import PICTURES, by_stem, files, plain, walk
from avfer.datasets.partitions import partition_folders, tell_lacking
from avfer.datasets.stills import ABSENT, AGAIN, UNNAMED, open_picture
from avfer.datasets.text import integer
from avfer.errors import DatasetError

FOLDERS: dict[Partition, tuple[str, ...]] = {
    "train": ("FER2013Train",),
    "dev": ("FER2013Valid",),
    "test": ("FER2013Test",),
}
LIST, LABELS = "fer2013new.csv", "label.csv"
USAGES: dict[str, Partition] = {"training": "train", "publictest": "dev", "privatetest": "test"}
VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
NAMELESS = "rows without a picture, which all voters called no face: left out"


class Folders:
    """Folders of pictures, and the tables of votes beside them."""

    def __init__(self, places: dict[Partition, Path], listed: Path | None) -> None:
        self._places, self._listed = places, listed
        self._pictures: dict[Partition, dict[str, Path]] = {}
        own = any((place / LABELS).is_file() for place in places.values())
        self.tables = (*(("votes",) if own else ()), *(("votes_csv",) if listed else ()))
        self.distribution = "folders of pictures" if places else f"{LIST} without pictures"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those with a folder; all where there are votes alone."""
        return tuple(self._places) or PARTITIONS

    def faces(self, partition: Partition, table: str, notes: Notes) -> tuple[list[str], np.ndarray]:
        """N names, and their votes (N, 10). DatasetError where a table is damaged or not there."""
        found: dict[str, list[int]] = {}
        for place, name, votes in self._rows(partition, table, notes):
            if name in found:
                notes.add(AGAIN, f"{place}: {name}")
            found.setdefault(name, votes)
        there = self._found(partition)
        if partition in self._places:
            gone, further = [name for name in found if name not in there], sorted(set(there) - set(found))
            notes.add(ABSENT, gone[0] if gone else "", len(gone), fault=True)
            notes.add(UNNAMED, further[0] if further else "", len(further))
        return list(found), np.array(list(found.values()), np.int64).reshape(-1, len(COLUMNS))

    def place(self, partition: Partition, name: str) -> Path | None:
        """The file of a picture; None where there is none."""
        return self._found(partition).get(name)

    def picture(self, partition: Partition, name: str) -> np.ndarray:
        """(48, 48) uint8. DatasetError where the picture is not there, or damaged."""
        path = self.place(partition, name)
        if path is None:
            where = self._places.get(partition, FOLDERS[partition][0])
            raise DatasetError(f"the picture {name} is not in {where}; copy the pictures of FER+ there")
        return open_picture(path, path)

    def _found(self, partition: Partition) -> dict[str, Path]:
        if partition not in self._pictures:
            self._pictures[partition] = by_stem(self._places.get(partition), PICTURES)
        return self._pictures[partition]

    def _rows(self, partition: Partition, table: str, notes: Notes) -> Iterator[tuple[str, str, list[int]]]:
        """(place, name without ending, ten votes) of each row of a partition."""
        path = self._places[partition] / LABELS if table == "votes" else self._listed
        assert path is not None
        for row, (first, second, *votes) in _cells(path):
            place = f"{path}, line {row.line}"
            name = first if table == "votes" else second
            if table == "votes_csv" and _usage(first, place) != partition:
                continue
            if not name:
                notes.add(NAMELESS, place)
                continue
            yield place, Path(name).stem, [_vote(cell, place) for cell in votes]


def find_folders(root: Path, notes: Notes) -> Folders | None:
    """The folders or the list at most two levels below the root, if there are votes."""
    places = partition_folders(root, FOLDERS)
    around = dict.fromkeys([root, *(place.parent for place in places.values()), *(() if places else walk(root, 2))])
    listed = [path for folder in around for path in files(folder, ".csv") if path.name.lower() == LIST]
    found = Folders(places, listed[0] if listed else None)
    if not found.tables:
        return None
    if places:
        tell_lacking(root, FOLDERS, places, notes)
    return found


def _cells(path: Path) -> Iterator[tuple[Row, list[str]]]:
    """Each row with its cells in the order of the table; a header may have another, and further columns."""
    heads = ("name", "box") if path.name == LABELS else ("usage", "image name")
    expected = [plain(name) for name in (*heads, *VOTES)]
    order, width = list(range(len(expected))), len(expected)
    for count, row in enumerate(rows(path)):
        if count == 0 and is_header(row.cells):
            told, width = [plain(cell) for cell in row.cells], len(row.cells)
            if lacking := [name for name in VOTES if plain(name) not in told]:
                raise DatasetError(f"{path}, line {row.line}: no column {', '.join(lacking)}; copy the file again")
            order = [told.index(name) if name in told else place for place, name in enumerate(expected)]
            continue
        cells = same_width(row, width, path)
        yield row, [cells[place] for place in order]


def _usage(word: str, place: str) -> Partition:
    if plain(word) not in USAGES:
        raise DatasetError(f"{place}: usage '{word}'; it should be Training, PublicTest or PrivateTest")
    return USAGES[plain(word)]


def _vote(cell: str, place: str) -> int:
    votes = integer(cell, place)
    if votes < 0:
        raise DatasetError(f"{place}: {votes} votes; copy the file again")
    return votes

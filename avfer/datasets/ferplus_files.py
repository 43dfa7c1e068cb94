"""FER+ on disk, in two forms, with the ten votes of each picture.

FerPlusFolders: as the script of FER+ writes it, `FER2013Train/fer0000000.png` with `label.csv`, or `fer2013new.csv`
for all. A row of label.csv is the picture, its box and ten votes:
`fer0000010.png,"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0,0`;
a row of fer2013new.csv is the usage (Training, PublicTest, PrivateTest), the picture and ten votes. A header is
optional; with one, columns go by name.
FerPlusArrays: `train.npz`, `valid.npz` and `test.npz`, each with the pictures as PNG and both tables of votes.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avfer.datasets.example import PARTITIONS, Notes, Partition
from avfer.datasets.listing import (
    PICTURES,
    PartitionNames,
    by_stem,
    list_files,
    note_missing_partitions,
    partition_folders,
    plain,
    walk,
)
from avfer.datasets.pictures import open_picture
from avfer.datasets.single_label import MISSING_PICTURE, REPEATED_PICTURE, UNLABELLED_PICTURE
from avfer.datasets.text_files import TableRow, is_header, parse_integer, read_rows, same_width
from avfer.errors import DatasetError

CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
COLUMNS = (*CLASSES, "unknown", "not_a_face")  # of the votes
VOTE_HEADER = (*CLASSES, "unknown", "NF")  # the same in the headers of the files
FOLDERS: PartitionNames = {"train": ("FER2013Train",), "dev": ("FER2013Valid",), "test": ("FER2013Test",)}
LIST, LABELS = "fer2013new.csv", "label.csv"
USAGES: dict[str, Partition] = {"training": "train", "publictest": "dev", "privatetest": "test"}
ARRAY_FILES: dict[Partition, str] = {"train": "train.npz", "dev": "valid.npz", "test": "test.npz"}
TABLES = ("votes", "votes_csv")
ARRAYS = ("png", "offset", "name", *TABLES)
NO_NAME = "rows without a picture, which all voters called no face: left out"
IN_TRAIN = "pictures whose pixels are in train as well: kept"


class FerPlusFolders:
    """Folders of pictures, and the tables of votes in or beside them.

    folders: those of the partitions on disk. listed: the path of fer2013new.csv, if there is one.
    """

    def __init__(self, folders: dict[Partition, Path], listed: Path | None) -> None:
        self._folders, self._listed = folders, listed
        self._pictures: dict[Partition, dict[str, Path]] = {}
        own = any((folder / LABELS).is_file() for folder in folders.values())
        self.tables = (*(("votes",) if own else ()), *(("votes_csv",) if listed else ()))
        self.distribution = "folders of pictures" if folders else f"{LIST} without pictures"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with a folder; all if there are votes without pictures."""
        return tuple(self._folders) or PARTITIONS

    def faces(self, partition: Partition, table: str, notes: Notes) -> tuple[list[str], np.ndarray]:
        """Return the names of N pictures and their votes, (N, 10) int64.

        table: "votes" or "votes_csv". Raises DatasetError, which names the line, for a damaged or missing table.
        A missing picture is a fault.
        """
        found: dict[str, list[int]] = {}
        for where, name, votes in self._rows(partition, table, notes):
            if name in found:
                notes.add(REPEATED_PICTURE, f"{where}: {name}")
            found.setdefault(name, votes)
        pictures = self._pictures_of(partition)
        if partition in self._folders:
            missing = [name for name in found if name not in pictures]
            unlabelled = sorted(set(pictures) - set(found))
            notes.add(MISSING_PICTURE, missing[0] if missing else "", len(missing), fault=True)
            notes.add(UNLABELLED_PICTURE, unlabelled[0] if unlabelled else "", len(unlabelled))
        return list(found), np.array(list(found.values()), np.int64).reshape(-1, len(COLUMNS))

    def path(self, partition: Partition, name: str) -> Path | None:
        """Return the file of a picture, None if it is missing."""
        return self._pictures_of(partition).get(name)

    def picture(self, partition: Partition, name: str) -> np.ndarray:
        """Return a picture, (48, 48) uint8. Raises DatasetError if it is missing or damaged."""
        path = self.path(partition, name)
        if path is None:
            folder = self._folders.get(partition, FOLDERS[partition][0])
            raise DatasetError(
                f"the picture {name} is not in {folder}; make the pictures there with FER+'s generate_training_data.py"
            )
        return open_picture(path, path)

    def _pictures_of(self, partition: Partition) -> dict[str, Path]:
        """Return the pictures of a partition by name without suffix; the folder is listed on first use."""
        if partition not in self._pictures:
            self._pictures[partition] = by_stem(self._folders.get(partition), PICTURES)
        return self._pictures[partition]

    def _rows(self, partition: Partition, table: str, notes: Notes) -> Iterator[tuple[str, str, list[int]]]:
        """Yield (location, name without suffix, ten votes) of each row of a partition."""
        path = self._folders[partition] / LABELS if table == "votes" else self._listed
        assert path is not None
        for row, (first, second, *votes) in _read_cells(path):
            where = f"{path}, line {row.line}"
            name = first if table == "votes" else second
            if table == "votes_csv" and _usage(first, where) != partition:
                continue
            if not name:
                notes.add(NO_NAME, where)
                continue
            yield where, Path(name).stem, [_vote(cell, where) for cell in votes]


class Archive(NamedTuple):
    """The arrays of one file, for N pictures."""

    png: np.ndarray  # (B,) uint8, the bytes of all PNG files, one after another
    offset: np.ndarray  # (N + 1,) int64, where each PNG file begins
    rows: dict[str, int]  # name without suffix -> row
    votes: dict[str, np.ndarray]  # table -> (N, 10) int64
    repeated: np.ndarray  # (N,) bool, True if the same pixels are in train


class FerPlusArrays:
    """The array files of a folder. A file is read on first use and kept in memory: 50 MB for train.

    root: folder of the array files.
    """

    distribution = "pictures and votes as arrays"
    tables = TABLES

    def __init__(self, root: Path) -> None:
        self._paths: dict[Partition, Path] = {p: root / f for p, f in ARRAY_FILES.items() if (root / f).is_file()}
        self._archives: dict[Path, Archive] = {}

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with a file."""
        return tuple(self._paths)

    def faces(self, partition: Partition, table: str, notes: Notes) -> tuple[list[str], np.ndarray]:
        """Return the names of N pictures and their votes, (N, 10) int64. Raises DatasetError for a damaged file."""
        archive = self._archive(self._paths[partition])
        if partition != "train":
            notes.add(IN_TRAIN, self._paths[partition], int(archive.repeated.sum()))
        return list(archive.rows), archive.votes[table]

    def path(self, partition: Partition, name: str) -> Path:
        """Return the file that contains a picture."""
        return self._paths[partition]

    def picture(self, partition: Partition, name: str) -> np.ndarray:
        """Return a picture, (48, 48) uint8. Raises DatasetError if the file is damaged."""
        path = self._paths[partition]
        archive = self._archive(path)
        row = archive.rows[name]
        start, stop = archive.offset[row : row + 2]
        return open_picture(archive.png[start:stop].tobytes(), f"{path}, {name}")

    def _archive(self, path: Path) -> Archive:
        if path not in self._archives:
            self._archives[path] = _read_archive(path)
        return self._archives[path]


def find_folders(root: Path, notes: Notes) -> FerPlusFolders | None:
    """Return the folders or the list up to two levels below the root, None if there are no votes.

    The list may be in any folder from the root down to the pictures, as in the repository of FER+, whose pictures are
    in `data`. Partitions without a folder are noted.
    """
    found = partition_folders(root, FOLDERS)
    above = [place for folder in found.values() for place in folder.parents if place.is_relative_to(root)]
    lists = [
        path
        for place in dict.fromkeys([root, *above, *(() if found else walk(root, 2))])
        for path in list_files(place, ".csv")
        if path.name.lower() == LIST
    ]
    source = FerPlusFolders(found, lists[0] if lists else None)
    if not source.tables:
        return None
    if found:
        note_missing_partitions(root, FOLDERS, found, notes)
    return source


def find_arrays(root: Path) -> FerPlusArrays | None:
    """Return the array files in a folder, None if there are none."""
    found = FerPlusArrays(root)
    return found if found.partitions else None


def _read_cells(path: Path) -> Iterator[tuple[TableRow, list[str]]]:
    """Yield each row with its cells in the order of the table; a header may name another order and more columns."""
    first_columns = ("name", "box") if path.name == LABELS else ("usage", "image name")
    expected = [plain(name) for name in (*first_columns, *VOTE_HEADER)]
    order, width = list(range(len(expected))), len(expected)
    for count, row in enumerate(read_rows(path)):
        if count == 0 and is_header(row.cells):
            header, width = [plain(cell) for cell in row.cells], len(row.cells)
            if missing := [name for name in VOTE_HEADER if plain(name) not in header]:
                raise DatasetError(f"{path}, line {row.line}: no column {', '.join(missing)}; copy the file again")
            order = [header.index(name) if name in header else column for column, name in enumerate(expected)]
            continue
        cells = same_width(row, width, path)
        yield row, [cells[column] for column in order]


def _usage(word: str, where: str) -> Partition:
    """Return the partition of a usage, "dev" for `PublicTest`. Raises DatasetError for another word."""
    if plain(word) not in USAGES:
        raise DatasetError(f"{where}: usage must be Training, PublicTest or PrivateTest, got '{word}'")
    return USAGES[plain(word)]


def _vote(cell: str, where: str) -> int:
    """Return a number of votes. Raises DatasetError for a negative number or other text."""
    votes = parse_integer(cell, where)
    if votes < 0:
        raise DatasetError(f"{where}: votes must be >= 0, got {votes}; copy the file again")
    return votes


def _read_archive(path: Path) -> Archive:
    """Read an array file. Raises DatasetError if it is damaged, or its arrays differ in length."""
    try:
        with path.open("rb") as stored, np.load(stored, allow_pickle=False) as file:
            data = {name: file[name] for name in (*ARRAYS, *({"dup_in_train"} & set(file.files)))}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"{path} cannot be read ({error}): needs the arrays {', '.join(ARRAYS)}; copy it again"
        ) from error
    names = [_stem(name) for name in data["name"].tolist()]
    offset, n = data["offset"], len(names)
    whole = len(offset) == n + 1 and (np.diff(offset) > 0).all() and offset[0] == 0 and offset[-1] == len(data["png"])
    if not whole or len(set(names)) < n or any(data[table].shape != (n, len(COLUMNS)) for table in TABLES):
        raise DatasetError(f"{path}: its arrays differ in length, or a picture name is repeated; copy it again")
    # Votes are small unsigned numbers: without int64, their differences and sums would wrap around.
    votes = {table: data[table].astype(np.int64) for table in TABLES}
    repeated = data.get("dup_in_train", np.zeros(n, bool))
    return Archive(data["png"], offset, {name: row for row, name in enumerate(names)}, votes, repeated)


def _stem(name: bytes | str) -> str:
    return Path(name.decode("ascii", "replace") if isinstance(name, bytes) else name).stem

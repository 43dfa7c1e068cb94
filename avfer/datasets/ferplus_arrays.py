"""FER+ as arrays: `train.npz`, `valid.npz` and `test.npz`, each with PNG files one after another and two tables."""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avfer.datasets.example import Notes, Partition
from avfer.datasets.ferplus_votes import COLUMNS
from avfer.datasets.stills import open_picture
from avfer.errors import DatasetError

FILES: dict[Partition, str] = {"train": "train.npz", "dev": "valid.npz", "test": "test.npz"}
TABLES = ("votes", "votes_csv")
NEEDED = ("png", "offset", "name", *TABLES)
KNOWN = "pictures whose pixels are in train as well: kept"


class Archive(NamedTuple):
    """One file."""

    png: np.ndarray  # (bytes,) uint8: all pictures, one after another
    offset: np.ndarray  # (N + 1,) int64, where each begins
    rows: dict[str, int]  # name without ending -> row
    votes: dict[str, np.ndarray]  # of each table, (N, 10) int64
    repeated: np.ndarray  # (N,) bool: the same pixels are in train


class Arrays:
    """The files of a folder. One is read when it is first asked for, and kept: 50 MB for train."""

    distribution = "pictures and votes as arrays"
    tables = TABLES

    def __init__(self, root: Path) -> None:
        self._paths: dict[Partition, Path] = {p: root / f for p, f in FILES.items() if (root / f).is_file()}
        self._archives: dict[Path, Archive] = {}

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those with a file."""
        return tuple(self._paths)

    def faces(self, partition: Partition, table: str, notes: Notes) -> tuple[list[str], np.ndarray]:
        """N names, and their votes (N, 10). DatasetError where the file is damaged."""
        archive = self._archive(self._paths[partition])
        if partition != "train":
            notes.add(KNOWN, self._paths[partition], int(archive.repeated.sum()))
        return list(archive.rows), archive.votes[table]

    def _archive(self, path: Path) -> Archive:
        if path not in self._archives:
            self._archives[path] = _read(path)
        return self._archives[path]

    def place(self, partition: Partition, name: str) -> Path:
        """The file that holds a picture."""
        return self._paths[partition]

    def picture(self, partition: Partition, name: str) -> np.ndarray:
        """(48, 48) uint8."""
        path = self._paths[partition]
        archive = self._archive(path)
        row = archive.rows[name]
        start, stop = archive.offset[row : row + 2]
        return open_picture(archive.png[start:stop].tobytes(), f"{path}, {name}")


def find_arrays(root: Path) -> Arrays | None:
    """The arrays in a folder, if there are some."""
    found = Arrays(root)
    return found if found.partitions else None


def _read(path: Path) -> Archive:
    try:
        with path.open("rb") as stored, np.load(stored, allow_pickle=False) as file:
            data = {name: file[name] for name in (*NEEDED, *({"dup_in_train"} & set(file.files)))}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        told = f"needs the arrays {', '.join(NEEDED)}"
        raise DatasetError(f"{path} cannot be read ({error}): it {told}; copy it again") from error
    names = [_stem(name) for name in data["name"].tolist()]
    offset, n = data["offset"], len(names)
    whole = len(offset) == n + 1 and (np.diff(offset) > 0).all() and offset[0] == 0 and offset[-1] == len(data["png"])
    if not whole or len(set(names)) < n or any(data[table].shape != (n, len(COLUMNS)) for table in TABLES):
        raise DatasetError(f"{path}: its arrays do not fit together, or repeat a name; copy it again")
    # Votes are small unsigned numbers, whose differences and sums would wrap around.
    votes = {table: data[table].astype(np.int64) for table in TABLES}
    repeated = data.get("dup_in_train", np.zeros(n, bool))
    return Archive(data["png"], offset, {name: row for row, name in enumerate(names)}, votes, repeated)


def _stem(name: bytes | str) -> str:
    return Path(name.decode("ascii", "replace") if isinstance(name, bytes) else name).stem

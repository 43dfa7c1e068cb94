"""The lists of AffectNet's full release: one row a picture, with its class, valence and arousal."""

import math
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from avfer.datasets.delimited import is_header, rows, same_width
from avfer.datasets.example import Notes, Partition
from avfer.datasets.listing import find_folder, names, natural, plain, search_folders
from avfer.datasets.stills import ABSENT, AGAIN
from avfer.datasets.text import integer, number
from avfer.errors import DatasetError

COLUMNS = (
    "subDirectory_filePath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
    "valence",
    "arousal",
)
READ = ("subDirectory_filePath", "expression", "valence", "arousal")
LISTS = {
    "manual": ("Manually_Annotated_file_lists", "Manually_Annotated_file_list"),
    "automatic": ("Automatically_annotated_file_list", "Automatically_annotated_file_lists"),
}
IMAGES = {"manual": "Manually_Annotated_Images", "automatic": "Automatically_Annotated_Images"}
FILES: dict[str, dict[Partition, str]] = {
    "manual": {"train": "training.csv", "dev": "validation.csv"},
    "automatic": {"train": "automatically_annotated.csv", "dev": "validation.csv"},
}


class Told(NamedTuple):
    """What is told of one picture, as its file says it."""

    id: str
    code: int  # of the class
    valence: float  # -2 where there is none
    arousal: float
    picture: Path | None


class Lists:
    """The lists of a copy, and the folders of pictures beside them."""

    def __init__(self, root: Path, annotations: str) -> None:
        self._lists: dict[Partition, Path] = {
            partition: path for partition, name in FILES[annotations].items() if (path := _find_list(root, name))
        }
        # One search for both, so that their thousand folders of pictures are not gone through.
        self._images = {plain(place.name): place for place in _unpacked(root, IMAGES.values())}
        self.distribution = f"full release, {annotations} annotations"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those with a list."""
        return tuple(self._lists)

    def told(self, partition: Partition, notes: Notes) -> Iterator[Told]:
        """All rows of a list, folder by folder; each picture once."""
        path = self._lists[partition]
        kind = "automatic" if path.name.lower() == FILES["automatic"]["train"] else "manual"
        found = _read(path, notes)
        there = _Folders(self._images.get(plain(IMAGES[kind])))
        for name in sorted(found, key=_order_of):
            picture = there.find(name)
            if picture is None:
                notes.add(ABSENT, f"{path}, {name}", fault=True)
            yield Told(name, *found[name], picture)


class _Folders:
    """Pictures in numbered folders; what lies in one of them is listed once, as rows come folder by folder."""

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._folder: str | None = None  # the one listed last
        self._place: Path | None = None
        self._names = frozenset[str]()

    def find(self, name: str) -> Path | None:
        if self._root is None:
            return None
        folder, _, file = name.rpartition("/")
        if folder != self._folder:
            self._folder, self._place = folder, find_folder(self._root, folder)
            self._names = frozenset(names(self._place) if self._place else ())
        return self._place / file if self._place and file in self._names else None


def _order_of(name: str) -> tuple[object, str]:
    """Folders in natural order, files as spelled: names of 56 hexadecimal digits are no numbers, and there are many."""
    folder, _, file = name.rpartition("/")
    return _natural(folder), file


def _read(path: Path, notes: Notes) -> dict[str, tuple[int, float, float]]:
    """Class, valence and arousal by name of the picture."""
    found: dict[str, tuple[int, float, float]] = {}
    order = [COLUMNS.index(name) for name in READ]
    width = len(COLUMNS)
    for count, row in enumerate(rows(path)):
        if count == 0 and is_header(row.cells):
            order, width = _order(row.cells, path), len(row.cells)
            continue
        place = f"{path}, line {row.line}"
        cells = same_width(row, width, path)
        name, code, valence, arousal = (cells[column] for column in order)
        name = name.replace("\\", "/")
        if name in found:
            notes.add(AGAIN, f"{place}: {name}")
            continue
        found[name] = integer(code, place), _value(valence, place), _value(arousal, place)
    return found


def _value(cell: str, place: str) -> float:
    value = number(cell, place)
    if math.isnan(value):
        raise DatasetError(f"{place}: valence or arousal is empty; AffectNet writes -2 where there is none")
    return value


def _order(header: list[str], path: Path) -> list[int]:
    told = [plain(name) for name in header]
    lacking = [name for name in READ if plain(name) not in told]
    if lacking:
        raise DatasetError(f"{path}, line 1: no column {', '.join(lacking)}; there are: {', '.join(header)}")
    return [told.index(plain(name)) for name in READ]


_natural = cache(natural)


def _find_list(root: Path, name: str) -> Path | None:
    """A list in the folder of lists, or right in the root."""
    places = [root, *_unpacked(root, [folder for several in LISTS.values() for folder in several])]
    return next((place / name for place in places if (place / name).is_file()), None)


def _unpacked(root: Path, wanted: Iterable[str]) -> Iterator[Path]:
    """Folders of some names; an archive unpacks into a folder of its own, so of `lists/lists` the inner is meant."""
    for place in search_folders(root, wanted, depth=2):
        yield find_folder(place, place.name) or place

"""The two releases of AffectNet on disk.

FullRelease: lists with one row for each picture, beside folders of pictures. Columns: path of the picture, box of the
face in pixels, 68 landmarks separated by `;`, class, valence, arousal. Some copies have no header.
CutRelease (2021): `train_set` and `val_set`, with a picture and four small arrays (class, valence, arousal, landmarks)
for each face, which hold text in some copies.
Both yield `FaceLabels`.
"""

import math
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avfer.datasets.example import Notes, Partition
from avfer.datasets.listing import (
    PICTURES,
    PartitionNames,
    find_folder,
    list_names,
    natural,
    partition_folders,
    plain,
    search_folders,
)
from avfer.datasets.single_label import MISSING_PICTURE, REPEATED_PICTURE, UNLABELLED_PICTURE
from avfer.datasets.text_files import is_header, parse_integer, parse_number, read_rows, same_width
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
READ_COLUMNS = ("subDirectory_filePath", "expression", "valence", "arousal")
LIST_FOLDERS = {
    "manual": ("Manually_Annotated_file_lists", "Manually_Annotated_file_list"),
    "automatic": ("Automatically_annotated_file_list", "Automatically_annotated_file_lists"),
}
IMAGE_FOLDERS = {"manual": "Manually_Annotated_Images", "automatic": "Automatically_Annotated_Images"}
LIST_FILES: dict[str, dict[Partition, str]] = {
    "manual": {"train": "training.csv", "dev": "validation.csv"},
    "automatic": {"train": "automatically_annotated.csv", "dev": "validation.csv"},
}
CUT_FOLDERS: PartitionNames = {"train": ("train_set",), "dev": ("val_set",)}
MISSING_LABEL = "pictures without the file of valence or arousal: left out"
CLASS, VALENCE, AROUSAL = "_exp.npy", "_val.npy", "_aro.npy"  # ends of the names of arrays


class FaceLabels(NamedTuple):
    """The labels of one picture as its file states them."""

    id: str
    code: int  # of the class, 0 to 10
    valence: float  # -2 if the picture has none
    arousal: float  # -2 if the picture has none
    picture: Path | None


class FullRelease:
    """The lists of the full release on disk, and the folders of pictures beside them.

    annotations: "manual" or "automatic".
    root: folder with the lists.
    """

    def __init__(self, root: Path, annotations: str) -> None:
        self._lists: dict[Partition, Path] = {
            partition: path for partition, name in LIST_FILES[annotations].items() if (path := _find_list(root, name))
        }
        # One search finds both folders, so that it does not descend into their thousand folders of pictures.
        self._images = {plain(folder.name): folder for folder in _unpacked(root, IMAGE_FOLDERS.values())}
        self.distribution = f"full release, {annotations} annotations"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with a list."""
        return tuple(self._lists)

    def faces(self, partition: Partition, notes: Notes) -> Iterator[FaceLabels]:
        """Yield the pictures of a list, folder by folder, each once.

        Raises DatasetError, which names the line, for a damaged list. A missing picture is a fault.
        """
        path = self._lists[partition]
        kind = "automatic" if path.name.lower() == LIST_FILES["automatic"]["train"] else "manual"
        found = _read_list(path, notes)
        pictures = _PictureFolders(self._images.get(plain(IMAGE_FOLDERS[kind])))
        for name in sorted(found, key=_sort_key):
            picture = pictures.find(name)
            if picture is None:
                notes.add(MISSING_PICTURE, f"{path}, {name}", fault=True)
            yield FaceLabels(name, *found[name], picture)


class CutRelease:
    """The two folders of the release of 2021.

    root: folder with both folders.
    """

    distribution = "2021 cut, 8 labels"

    def __init__(self, root: Path) -> None:
        # A deeper search would list the thousand folders of pictures of a full release.
        self._folders = partition_folders(root, CUT_FOLDERS, depth=1)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with a folder."""
        return tuple(self._folders)

    def faces(self, partition: Partition, notes: Notes) -> Iterator[FaceLabels]:
        """Yield one face at a time in natural order; its arrays are read lazily.

        Both folders number their pictures from 0, so an id contains the folder: `train_set/2`.
        Raises DatasetError, which names the file, for a damaged array. A missing picture is a fault.
        """
        folder = self._folders[partition]
        annotations, images = find_folder(folder, "annotations"), find_folder(folder, "images")
        if annotations is None:
            raise DatasetError(f"{folder} has no folder 'annotations'; copy it again")
        arrays = set(list_names(annotations))
        known = [name.removesuffix(CLASS) for name in arrays if name.endswith(CLASS)]
        listed = [name for name in list_names(images) if name.lower().endswith(PICTURES)] if images else []
        pictures = {Path(name).stem: name for name in listed}
        unlabelled = set(pictures) - set(known)
        notes.add(UNLABELLED_PICTURE, f"{images}, {min(unlabelled, default='')}", len(unlabelled))
        for stem in sorted(known, key=natural):
            picture = images / pictures[stem] if images and stem in pictures else None
            if picture is None:
                notes.add(MISSING_PICTURE, f"{folder}, {stem}", fault=True)
            paths = [annotations / f"{stem}{ending}" for ending in (CLASS, VALENCE, AROUSAL)]
            if absent := [path for path in paths[1:] if path.name not in arrays]:
                notes.add(MISSING_LABEL, absent[0], fault=True)
                continue
            code, valence, arousal = (_read_cell(path) for path in paths)
            yield FaceLabels(
                f"{folder.name}/{stem}",
                parse_integer(code, str(paths[0])),
                parse_number(valence, str(paths[1])),
                parse_number(arousal, str(paths[2])),
                picture,
            )


class _PictureFolders:
    """Pictures in numbered folders. Rows come folder by folder, so each folder is listed once."""

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._name: str | None = None  # of the folder listed last
        self._folder: Path | None = None
        self._files = frozenset[str]()

    def find(self, name: str) -> Path | None:
        """Return the path of a picture `12/abc.jpg`, None if it is missing."""
        if self._root is None:
            return None
        folder, _, file = name.rpartition("/")
        if folder != self._name:
            self._name, self._folder = folder, find_folder(self._root, folder)
            self._files = frozenset(list_names(self._folder) if self._folder else ())
        return self._folder / file if self._folder and file in self._files else None


_natural = cache(natural)


def _sort_key(name: str) -> tuple[object, str]:
    """Sort folders in natural order, files as spelled: their names are 56 hexadecimal digits, not numbers."""
    folder, _, file = name.rpartition("/")
    return _natural(folder), file


def _read_list(path: Path, notes: Notes) -> dict[str, tuple[int, float, float]]:
    """Return class, valence and arousal by the name of the picture; of repeated pictures the first row is kept.

    Columns go by the header if there is one. Raises DatasetError, which names the line, for a damaged row.
    """
    found: dict[str, tuple[int, float, float]] = {}
    order = [COLUMNS.index(name) for name in READ_COLUMNS]
    width = len(COLUMNS)
    for count, row in enumerate(read_rows(path)):
        if count == 0 and is_header(row.cells):
            order, width = _column_order(row.cells, path), len(row.cells)
            continue
        where = f"{path}, line {row.line}"
        cells = same_width(row, width, path)
        name, code, valence, arousal = (cells[column] for column in order)
        name = name.replace("\\", "/")
        if name in found:
            notes.add(REPEATED_PICTURE, f"{where}: {name}")
            continue
        found[name] = parse_integer(code, where), _affect(valence, where), _affect(arousal, where)
    return found


def _affect(cell: str, where: str) -> float:
    """Return valence or arousal. Raises DatasetError for an empty cell."""
    value = parse_number(cell, where)
    if math.isnan(value):
        raise DatasetError(f"{where}: valence or arousal is empty; AffectNet writes -2 for a missing value")
    return value


def _column_order(header: list[str], path: Path) -> list[int]:
    """Return where a header has the columns that are read. Raises DatasetError if one is missing."""
    header_names = [plain(name) for name in header]
    missing = [name for name in READ_COLUMNS if plain(name) not in header_names]
    if missing:
        raise DatasetError(f"{path}, line 1: no column {', '.join(missing)}; found: {', '.join(header)}; copy it again")
    return [header_names.index(plain(name)) for name in READ_COLUMNS]


def _find_list(root: Path, name: str) -> Path | None:
    """Return a list in the root or in a folder of lists, None if it is missing."""
    places = [root, *_unpacked(root, [folder for spellings in LIST_FOLDERS.values() for folder in spellings])]
    return next((place / name for place in places if (place / name).is_file()), None)


def _unpacked(root: Path, wanted: Iterable[str]) -> Iterator[Path]:
    """Yield the folders with one of the names; of `lists/lists`, as archives unpack, the inner one."""
    for folder in search_folders(root, wanted):
        yield find_folder(folder, folder.name) or folder


def _read_cell(path: Path) -> str:
    """Return the one value of an array as text; some copies store text, others a number."""
    try:
        array = np.load(path, allow_pickle=False)
        value = array.item()
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}; it must contain one value; copy it again") from error
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)

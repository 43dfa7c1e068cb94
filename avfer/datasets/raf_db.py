"""RAF-DB, basic classes (Li et al., 2017): faces from the web, each with one of seven expressions."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from avfer.datasets.example import PARTITIONS, Corpus, Example, Notes, Partition
from avfer.datasets.listing import (
    PICTURES,
    PartitionNames,
    by_stem,
    check_root,
    find_folder,
    list_files,
    natural,
    not_found,
    note_missing_partitions,
    partition_folders,
)
from avfer.datasets.single_label import (
    MISSING_PICTURE,
    REPEATED_PICTURE,
    UNLABELLED_PICTURE,
    class_folders,
    class_of,
    one_class,
    sorted_by_class,
)
from avfer.datasets.text_files import lines, parse_integer
from avfer.errors import ConfigError, DatasetError, unknown

CLASSES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # numbered from 1
LISTS = ("list_patition_label.txt", "list_partition_label.txt")  # the first is the authors' spelling
HOMES = ("basic/basic", "basic", "RAF-DB/basic/basic", "RAF-DB/basic")  # archives may unpack into their own name
NAME = re.compile(r"(train|test)_[0-9]+")
ALIGNED = "_aligned"  # end of the names of aligned pictures
FOLDERS: PartitionNames = {"train": ("train",), "test": ("test",)}
OTHER_LIST = "give the folder 'basic' (compound expressions have 11 classes), or copy the file again"
TWO_FOLDERS = "pictures in two folders: the first is kept"
Pictures = Literal["aligned", "original"]


class Face(NamedTuple):
    """One labelled picture."""

    partition: Partition
    expression: str
    path: Path | None  # None if the picture is missing


class RafDb(Corpus):
    """RAF-DB on disk: `EmoLabel` and `Image` of `basic`, or a copy in folders `train/1` to `test/7`.

    basic/EmoLabel/list_patition_label.txt          lines `train_00001.jpg 5`; classes are numbered from 1
    basic/Image/aligned/train_00001_aligned.jpg     aligned faces
    basic/Image/original/train_00001.jpg            original pictures

    Label of each picture: "expression" (1,) of 7 classes. 12 271 pictures in train, 3 068 in test.
    pictures: "aligned" faces (100 x 100 px, the usual ones) or the "original" pictures.
    root: folder of the corpus.
    """

    name = "raf_db"

    def __init__(self, root: Path | str, pictures: str = "aligned") -> None:
        self.root = check_root(root)
        self.notes = Notes()
        if pictures not in get_args(Pictures):
            raise ConfigError(f"raf_db: {unknown('pictures', pictures, get_args(Pictures))}")
        self._kind = pictures
        self._home = find_folder(self.root, *HOMES) or self.root
        self._list = _find_list(self._home)
        self._folders: dict[Partition, Path] = {} if self._list else _find_class_folders(self.root)
        if not self._list and not self._folders:
            raise not_found("RAF-DB", self.root, (f"basic/EmoLabel/{LISTS[0]}", "train/1 to train/7"))
        if self._folders:
            note_missing_partitions(self.root, FOLDERS, self._folders, self.notes)
        self.distribution = "basic, as distributed" if self._list else "basic, copied into folders of classes"
        faces = f"{pictures} pictures" if self._list else "pictures of the copy"
        self.protocol = f"partitions as distributed; {faces}"
        self._faces: dict[str, Face] | None = None  # read on first use

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return train and test; there is no dev."""
        return tuple(p for p in PARTITIONS if p in self._folders) or ("train", "test")

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield one picture at a time. Raises DatasetError, which names the line, for a damaged list."""
        if self._faces is None:
            self._faces = _read_list(self._list, self._pictures(), self.notes) if self._list else self._read_folders()
        for name in sorted(self._faces, key=natural):
            face = self._faces[name]
            if face.partition == partition:
                labels = {"expression": one_class(face.expression, CLASSES)}
                yield Example(name, partition, labels, pictures=(face.path,))

    def _pictures(self) -> dict[str, Path]:
        """Return the pictures by their names in the list."""
        folder = find_folder(self._home, f"Image/{self._kind}/{self._kind}", f"Image/{self._kind}", self._kind)
        return {stem.removesuffix(ALIGNED): path for stem, path in by_stem(folder, PICTURES).items()}

    def _read_folders(self) -> dict[str, Face]:
        """Return the faces of a copy in folders of classes by name."""
        found: dict[str, Face] = {}
        for partition, folder in self._folders.items():
            for expression, path in sorted_by_class(folder, CLASSES, self.notes, _class_of_folder):
                name = path.stem.removesuffix(ALIGNED)
                if name in found:
                    self.notes.add(TWO_FOLDERS, path, fault=True)
                found.setdefault(name, Face(partition, expression, path))
        return found


def _read_list(path: Path, pictures: dict[str, Path], notes: Notes) -> dict[str, Face]:
    """Return the faces in a list of lines `train_00001.jpg 5`, by name.

    Raises DatasetError, which names the line, for a line of another form or an unknown class.
    """
    found: dict[str, Face] = {}
    for line, text in enumerate(lines(path), start=1):
        where, cells = f"{path}, line {line}", text.split()
        if not cells:
            continue
        match = NAME.fullmatch(Path(cells[0]).stem.removesuffix(ALIGNED))
        if len(cells) != 2 or match is None:
            raise DatasetError(f"{where}: expected 'train_00001.jpg 5', got '{text.strip()}'; copy the file again")
        if match[0] in found:
            notes.add(REPEATED_PICTURE, where)
            continue
        label = parse_integer(cells[1], where)
        if not 1 <= label <= len(CLASSES):
            raise DatasetError(f"{where}: class must be 1 to {len(CLASSES)}, got {label}; {OTHER_LIST}")
        partition: Partition = "train" if match[1] == "train" else "test"
        found[match[0]] = Face(partition, CLASSES[label - 1], pictures.get(match[0]))
    missing = [name for name, face in found.items() if face.path is None]
    unlabelled = sorted(set(pictures) - set(found))
    notes.add(MISSING_PICTURE, missing[0] if missing else "", len(missing), fault=True)
    notes.add(UNLABELLED_PICTURE, unlabelled[0] if unlabelled else "", len(unlabelled))
    return found


def _find_list(home: Path) -> Path | None:
    """Return the list of labels in `EmoLabel` or in the home folder, None if there is none."""
    places = [folder for folder in (find_folder(home, "EmoLabel/EmoLabel", "EmoLabel"), home) if folder]
    return next((path for place in places for path in list_files(place, ".txt") if path.name.lower() in LISTS), None)


def _find_class_folders(root: Path) -> dict[Partition, Path]:
    """Return the folders `train` and `test` that contain folders of classes."""
    found = partition_folders(root, FOLDERS)
    return {partition: folder for partition, folder in found.items() if class_folders(folder, _class_of_folder)}


def _class_of_folder(name: str) -> str | None:
    """Return the class of a folder named `1` to `7` or by a class; None for other names."""
    if name.isdecimal():
        return CLASSES[int(name) - 1] if 1 <= int(name) <= len(CLASSES) else None
    return class_of(name)

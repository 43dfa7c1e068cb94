"""RAF-DB, basic classes (Li et al., 2017): faces of the web, each with one of seven expressions."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from avfer.datasets.example import PARTITIONS, Example, Notes, Partition
from avfer.datasets.listing import PICTURES, by_stem, check_root, files, find_folder, natural, not_found
from avfer.datasets.partitions import Wanted, partition_folders, tell_lacking
from avfer.datasets.stills import (
    ABSENT,
    AGAIN,
    UNNAMED,
    class_folders,
    class_of,
    one_class,
    sorted_by_class,
)
from avfer.datasets.text import integer, lines
from avfer.errors import ConfigError, DatasetError, unknown

CLASSES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # counted from 1
LISTS = ("list_patition_label.txt", "list_partition_label.txt")  # the first is the authors' spelling
NAME = re.compile(r"(train|test)_[0-9]+")
ALIGNED = "_aligned"
COPIES: Wanted = {"train": ("train",), "test": ("test",)}
Pictures = Literal["aligned", "original"]


class Face(NamedTuple):
    """One picture that is labelled."""

    partition: Partition
    expression: str
    path: Path | None


class RafDb:
    """RAF-DB on disk: `EmoLabel` and `Image` of `basic`, or a copy in folders `train/1` to `test/7`.

    pictures: "aligned" faces (of 100 pixels, the usual ones) or the "original" pictures.
    """

    name = "raf_db"

    def __init__(self, root: Path | str, pictures: str = "aligned") -> None:
        self.root = check_root(root)
        self.notes = Notes()
        if pictures not in get_args(Pictures):
            raise ConfigError(f"raf_db: {unknown('pictures', pictures, get_args(Pictures))}")
        self._kind = pictures
        self._home = find_folder(self.root, "basic", "RAF-DB/basic") or self.root
        self._list = _find_list(self._home)
        self._mirror: dict[Partition, Path] = {} if self._list else _find_mirror(self.root)
        if not self._list and not self._mirror:
            raise not_found("RAF-DB", self.root, (f"basic/EmoLabel/{LISTS[0]}", "train/1 to train/7"))
        if self._mirror:
            tell_lacking(self.root, COPIES, self._mirror, self.notes)
        self.distribution = "basic, as distributed" if self._list else "basic, copied into folders of classes"
        faces = f"{pictures} pictures" if self._list else "pictures of the copy"
        self.protocol = f"partitions as distributed; {faces}"
        self._faces: dict[str, Face] | None = None

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Train and test; there is no dev."""
        return tuple(p for p in PARTITIONS if p in self._mirror) or ("train", "test")

    def examples(self, partition: Partition) -> Iterator[Example]:
        """One picture at a time."""
        if self._faces is None:
            self._faces = _listed(self._list, self._pictures(), self.notes) if self._list else self._copied()
        for name in sorted(self._faces, key=natural):
            face = self._faces[name]
            if face.partition == partition:
                labels = {"expression": one_class(face.expression, CLASSES)}
                yield Example(name, partition, labels, pictures=(face.path,))

    def _pictures(self) -> dict[str, Path]:
        """Pictures by the name that the list has for them."""
        folder = find_folder(self._home, f"Image/{self._kind}/{self._kind}", f"Image/{self._kind}", self._kind)
        return {stem.removesuffix(ALIGNED): path for stem, path in by_stem(folder, PICTURES).items()}

    def _copied(self) -> dict[str, Face]:
        found: dict[str, Face] = {}
        for partition, folder in self._mirror.items():
            for expression, path in sorted_by_class(folder, CLASSES, self.notes, _numbered):
                name = path.stem.removesuffix(ALIGNED)
                if name in found:
                    self.notes.add("pictures in two folders: the first is kept", path, fault=True)
                found.setdefault(name, Face(partition, expression, path))
        return found


def _listed(path: Path, pictures: dict[str, Path], notes: Notes) -> dict[str, Face]:
    """The faces of lines `train_00001.jpg 5`. DatasetError where one is not like that."""
    found: dict[str, Face] = {}
    for number, line in enumerate(lines(path), start=1):
        place, cells = f"{path}, line {number}", line.split()
        if not cells:
            continue
        match = NAME.fullmatch(Path(cells[0]).stem.removesuffix(ALIGNED))
        if len(cells) != 2 or match is None:
            raise DatasetError(f"{place}: '{line.strip()}' is not like 'train_00001.jpg 5'; copy the file again")
        if match[0] in found:
            notes.add(AGAIN, place)
            continue
        label = integer(cells[1], place)
        if not 1 <= label <= len(CLASSES):
            raise DatasetError(f"{place}: class {label}; RAF-DB counts its classes from 1 to {len(CLASSES)}")
        partition: Partition = "train" if match[1] == "train" else "test"
        found[match[0]] = Face(partition, CLASSES[label - 1], pictures.get(match[0]))
    gone = [name for name, face in found.items() if face.path is None]
    further = sorted(set(pictures) - set(found))
    notes.add(ABSENT, gone[0] if gone else "", len(gone), fault=True)
    notes.add(UNNAMED, further[0] if further else "", len(further))
    return found


def _find_list(home: Path) -> Path | None:
    places = [place for place in (find_folder(home, "EmoLabel"), home) if place]
    return next((path for place in places for path in files(place, ".txt") if path.name.lower() in LISTS), None)


def _find_mirror(root: Path) -> dict[Partition, Path]:
    found = partition_folders(root, COPIES)
    return {partition: place for partition, place in found.items() if class_folders(place, _numbered)}


def _numbered(folder: str) -> str | None:
    """The class of a folder `1` to `7`, or of one named by the class."""
    if folder.isdecimal():
        return CLASSES[int(folder) - 1] if 1 <= int(folder) <= len(CLASSES) else None
    return class_of(folder)

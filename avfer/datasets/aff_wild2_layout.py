"""Where copies of Aff-Wild2 keep what: annotations of seven years, test lists, videos, and pictures of faces."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from avfer.datasets.example import Notes, Partition, Side
from avfer.datasets.listing import PICTURES, SOUNDS, VIDEOS, files, folders, names, not_found, plain, walk
from avfer.datasets.partitions import LACKING
from avfer.datasets.text import read_lines
from avfer.errors import DatasetError

Task = Literal["va", "expr", "au", "mtl"]
Crops = Literal["aligned", "cropped"]
TASKS: tuple[Task, ...] = ("va", "expr", "au", "mtl")
YEARS: dict[str, tuple[Task, str]] = {  # folder -> task and years; later ones are preferred
    "VA_Set": ("va", "ABAW 2020 and 2021"),
    "EXPR_Set": ("expr", "ABAW 2020 and 2021"),
    "AU_Set": ("au", "ABAW 2020 and 2021"),
    "VA_Estimation_Challenge": ("va", "ABAW 2022 on"),
    "EXPR_Classification_Challenge": ("expr", "ABAW 2022 and 2023"),
    "AU_Detection_Challenge": ("au", "ABAW 2022 on"),
    "EXPR_Recognition_Challenge": ("expr", "ABAW 2024 on"),
}
PLAIN_YEARS = {plain(name): told for name, told in YEARS.items()}
SETS: dict[str, Partition] = {
    **dict.fromkeys(("trainingset", "trainset"), "train"),
    **dict.fromkeys(("validationset", "valset"), "dev"),
    **dict.fromkeys(("testset", "testingset"), "test"),
}
MULTI: dict[str, Partition] = {
    **dict.fromkeys(("trainingsetannotations", "trainsetannotations"), "train"),
    **dict.fromkeys(("validationsetannotations", "valsetannotations"), "dev"),
    "mtl": "test",  # a list without labels
}
LISTS: dict[str, Task] = {"valencearousal": "va", "expression": "expr", "actionunit": "au"}
SIDE = re.compile(r"(.+)_(left|right)", re.IGNORECASE)
OTHER: dict[Side, Side] = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class Annotations:
    """The annotations of one task."""

    task: Task
    years: str
    files: dict[Partition, dict[str, Path]]  # per person a file; the multi-task ones under the name of the partition
    test: tuple[str, ...] = ()  # people without labels


class Layout:
    """All of a copy, listed once; faces only when they are asked for."""

    def __init__(self, root: Path, notes: Notes) -> None:
        self.root = root
        self.notes = notes
        self._tree = list(walk(root, 4, stop=lambda name: plain(name).startswith("cropped") or _is_set(name)))
        self._texts = [path for folder in self._tree for path in files(folder, ".txt")]
        self.tasks: tuple[Task, ...] = tuple(task for task in TASKS if self._places(task))
        if not self.tasks:
            raise not_found("Aff-Wild2", root, (*YEARS, "training_set_annotations.txt"))

    def annotations(self, task: Task) -> Annotations:
        """The newest annotations of a task; DatasetError where there are none."""
        places = self._places(task)
        if not places:
            told = f"no annotations of task '{task}' in '{self.root}', but of {', '.join(self.tasks)}"
            raise DatasetError(f"{told}; name another task, or copy that folder there")
        if task == "mtl":
            return self._multi_task(places)
        newest = places[-1]
        self.notes.add("older annotations of the same task: not read", places[0], len(places) - 1)
        found: dict[Partition, dict[str, Path]] = {}
        for folder in folders(newest):
            if _is_set(folder.name):
                found.setdefault(SETS[plain(folder.name)], {}).update({p.stem: p for p in files(folder, ".txt")})
        self._tell_lacking(newest, found)
        return Annotations(task, PLAIN_YEARS[plain(newest.name)][1], found, self._test_list(task))

    def media(self, suffixes: tuple[str, ...] = VIDEOS) -> dict[str, Path]:
        """Videos (or sounds) by name without ending, wherever they lie."""
        found: dict[str, Path] = {}
        for path in (path for folder in self._tree for path in files(folder, *suffixes)):
            if path.stem in found:
                self.notes.add("media of the same name: the first is taken", path)
            found.setdefault(path.stem, path)
        return found

    def sounds(self) -> dict[str, Path]:
        """Sound files by name without ending."""
        return self.media(SOUNDS)

    def faces(self, crops: Crops) -> dict[str, list[Path]]:
        """Folders of pictures by person; those of one person in several archives belong together."""
        found: dict[str, list[Path]] = {}
        for folder in self._tree:
            if _kind(folder.name) == crops:
                _collect(folder, found)
        return found

    def _places(self, task: Task) -> list[Path]:
        """Folders of a task, or its multi-task files, oldest first."""
        if task == "mtl":
            return [path for path in self._texts if plain(path.stem) in MULTI]
        order = list(PLAIN_YEARS)
        there = [f for f in self._tree if PLAIN_YEARS.get(plain(f.name), ("", ""))[0] == task]
        holding = [folder for folder in there if any(_is_set(inside.name) for inside in folders(folder))]
        return sorted(holding, key=lambda folder: order.index(plain(folder.name)))

    def _multi_task(self, places: list[Path]) -> Annotations:
        found: dict[Partition, dict[str, Path]] = {}
        for path in places:
            partition = MULTI[plain(path.stem)]
            if partition in found:
                self.notes.add("further multi-task files of a partition: not read", path)
            found.setdefault(partition, {str(partition): path})
        self._tell_lacking(places[0].parent, found)
        return Annotations("mtl", "s-Aff-Wild2", found)

    def _tell_lacking(self, place: Path, found: dict[Partition, dict[str, Path]]) -> None:
        """Note a labelled partition without any file; the labels of test were never released."""
        for partition in ("train", "dev"):
            if not found.get(partition):
                self.notes.add(LACKING, f"{partition}, in {place}")

    def _test_list(self, task: Task) -> tuple[str, ...]:
        lists = [path for path in self._texts if "testset" in plain(path.stem) and "example" not in plain(path.stem)]
        fitting = [path for path in lists if any(word in plain(path.stem) for word, of in LISTS.items() if of == task)]
        people = [line.strip() for path in fitting[:1] for line in read_lines(path)]
        return tuple(dict.fromkeys(person for person in people if person))


def without_side(name: str) -> str:
    """The video of a person: `video59` of `video59_right`."""
    match = SIDE.fullmatch(name)
    return match[1] if match else name


def side_of(person: str, people: Collection[str]) -> Side | None:
    """Where a person sits: as the name says, else opposite the one other of the video; `video59_right` leaves the left.

    None for the only person of a video, and where both sides are named by others.
    """
    match = SIDE.fullmatch(person)
    if match:
        return cast(Side, match[2].lower())
    free: list[Side] = [side for side, other in OTHER.items() if f"{person}_{other}" in people]
    return free[0] if len(free) == 1 else None


def pictures_of(places: list[Path], notes: Notes) -> dict[int, Path]:
    """0-based frame -> picture; files are numbered from 1, with gaps where no face was found."""
    found: dict[int, Path] = {}
    for folder in places:
        for name in sorted(names(folder)):
            stem, _, suffix = name.rpartition(".")
            if f".{suffix.lower()}" not in PICTURES or not re.fullmatch("[0-9]+", stem) or int(stem) < 1:
                notes.add("pictures without the number of a frame, from 1: ignored", folder / name)
            elif int(stem) - 1 in found:
                notes.add("further pictures of one frame: the first is taken", folder / name)
            else:
                found[int(stem) - 1] = folder / name
    return found


def _is_set(name: str) -> bool:
    return plain(name) in SETS


def _kind(name: str) -> Crops | None:
    """What a folder of faces holds: `cropped_aligned_new_50_vids`, `cropped`, `batch1`; None for other folders."""
    if plain(name).startswith("croppedaligned"):
        return "aligned"
    return "cropped" if plain(name).startswith(("cropped", "batch")) else None


def _collect(folder: Path, found: dict[str, list[Path]]) -> None:
    """Add each person's folder; `batch1` and folders of the same kind inside are gone into."""
    for inside in folders(folder):
        if _kind(inside.name):
            _collect(inside, found)
        else:
            found.setdefault(inside.name, []).append(inside)

"""Folders and files of Aff-Wild2: annotations of seven years, lists of the test set, videos, pictures of faces.

Copies nest these folders in their own (`5th_ABAW_Annotations`, `data/...`) and spell them in many ways, so they are
searched up to four levels below the root by their plain names.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from avfer.datasets.example import Notes, Partition, Side
from avfer.datasets.listing import (
    MISSING_PARTITION,
    PICTURES,
    SOUNDS,
    VIDEOS,
    find_folder,
    list_files,
    list_folders,
    list_names,
    not_found,
    plain,
    walk,
)
from avfer.datasets.text_files import read_lines
from avfer.errors import DatasetError
from avfer.metrics.abaw import TASKS, AbawTask

Crops = Literal["aligned", "cropped"]
YEARS: dict[str, tuple[AbawTask, str]] = {  # folder -> task and years; later ones are preferred
    "VA_Set": ("va", "ABAW 2020 and 2021"),
    "EXPR_Set": ("expr", "ABAW 2020 and 2021"),
    "AU_Set": ("au", "ABAW 2020 and 2021"),
    "VA_Estimation_Challenge": ("va", "ABAW 2022 on"),
    "EXPR_Classification_Challenge": ("expr", "ABAW 2022 and 2023"),
    "AU_Detection_Challenge": ("au", "ABAW 2022 on"),
    "EXPR_Recognition_Challenge": ("expr", "ABAW 2024 on"),
}
PLAIN_YEARS = {plain(name): years for name, years in YEARS.items()}
SETS: dict[str, Partition] = {  # plain name of a folder -> partition
    **dict.fromkeys(("trainingset", "trainset"), "train"),
    **dict.fromkeys(("validationset", "valset"), "dev"),
    **dict.fromkeys(("testset", "testingset"), "test"),
}
MULTI_TASK_FILES: dict[str, Partition] = {  # plain name of a file -> partition
    **dict.fromkeys(("trainingsetannotations", "trainsetannotations"), "train"),
    **dict.fromkeys(("validationsetannotations", "valsetannotations"), "dev"),
    **dict.fromkeys(("mtl", "mtlchallengetestsetrelease"), "test"),  # lists of pictures without labels
}
TEST_LISTS: dict[str, AbawTask] = {"valencearousal": "va", "expression": "expr", "actionunit": "au"}
EDITION = re.compile(r"([0-9]{1,3})(?:st|nd|rd|th)abaw")
SIDE = re.compile(r"(.+)_(left|right)", re.IGNORECASE)
OTHER_SIDE: dict[Side, Side] = {"left": "right", "right": "left"}
OLDER = "older annotations of the same task: not read"
REPEATED_MEDIA = "media of the same name: the first is taken"
REPEATED_MULTI_TASK = "further multi-task files of a partition: not read"
NO_FRAME_NUMBER = "pictures without the number of a frame, from 1: ignored"
REPEATED_PICTURE = "further pictures of one frame: the first is taken"


@dataclass(frozen=True)
class Annotations:
    """The annotations of one task."""

    task: AbawTask
    years: str  # of the challenge that used them
    files: dict[Partition, dict[str, Path]]  # person -> file; a multi-task file under the name of its partition
    test: tuple[str, ...] = ()  # people of the test set, who have no labels


class AffWild2Layout:
    """A copy of Aff-Wild2 on disk. Its folders are listed once; folders of faces are listed when they are requested.

    Raises DatasetError if the root contains no annotations of any task.

    notes: gains an entry for every folder or file that is skipped.
    """

    def __init__(self, root: Path, notes: Notes) -> None:
        self.root = root
        self.notes = notes
        self._tree = list(walk(root, 4, stop=lambda name: plain(name).startswith("cropped") or _is_set(name)))
        self._texts = [path for folder in self._tree for path in list_files(folder, ".txt")]
        self.tasks: tuple[AbawTask, ...] = tuple(task for task in TASKS if self._places(task))
        if not self.tasks:
            looked_for = (*(f"{year}/Train_Set" for year in YEARS), "training_set_annotations.txt")
            raise not_found("Aff-Wild2", root, looked_for)

    def annotations(self, task: str) -> Annotations:
        """Return the newest annotations of a task; older ones beside them are noted and not read.

        Raises DatasetError, which lists the tasks on disk, if there are no annotations of the task.
        """
        wanted: AbawTask | None = next((known for known in self.tasks if known == task), None)
        if wanted is None:
            raise DatasetError(
                f"no annotations of task '{task}' in '{self.root}', only of {', '.join(self.tasks)}; "
                "name one of these tasks, or copy the missing folder there"
            )
        places = self._places(wanted)
        if wanted == "mtl":
            return self._multi_task(places)
        newest = places[-1]
        self.notes.add(OLDER, places[0], len(places) - 1)
        found: dict[Partition, dict[str, Path]] = {}
        for folder in list_folders(newest):
            if _is_set(folder.name):
                inner = find_folder(folder, folder.name) or folder  # an archive may unpack into its own name
                found.setdefault(SETS[plain(folder.name)], {}).update({p.stem: p for p in list_files(inner, ".txt")})
        self._note_missing(newest, found)
        return Annotations(wanted, PLAIN_YEARS[plain(newest.name)][1], found, self._test_list(wanted))

    def media(self, suffixes: tuple[str, ...] = VIDEOS) -> dict[str, Path]:
        """Return the videos in all folders by name without suffix; of equal names the first is taken, and noted.

        suffixes: of other files to return, for example `SOUNDS`.
        """
        found: dict[str, Path] = {}
        for path in (path for folder in self._tree for path in list_files(folder, *suffixes)):
            if path.stem in found:
                self.notes.add(REPEATED_MEDIA, path)
            found.setdefault(path.stem, path)
        return found

    def sounds(self) -> dict[str, Path]:
        """Return the audio files by name without suffix."""
        return self.media(SOUNDS)

    def faces(self, crops: Crops) -> dict[str, list[Path]]:
        """Return the folders of pictures of each person; one person may have folders in several archives.

        crops: "aligned" (`cropped_aligned`, `cropped_aligned_new_50_vids`) or "cropped" (`cropped`, `batch1`).
        """
        found: dict[str, list[Path]] = {}
        searched: list[Path] = []
        for folder in self._tree:
            if _crops_in(folder.name) == crops and not any(folder.is_relative_to(above) for above in searched):
                searched.append(folder)
                _collect(folder, crops, found)
        return found

    def _places(self, task: AbawTask) -> list[Path]:
        """Return the folders of a task, oldest first; for "mtl" the files, those of the latest edition first."""
        if task == "mtl":
            found = [path for path in self._texts if plain(path.stem) in MULTI_TASK_FILES]
            return sorted(found, key=_edition, reverse=True)
        order = list(PLAIN_YEARS)
        of_task = [f for f in self._tree if PLAIN_YEARS.get(plain(f.name), ("", ""))[0] == task]
        with_sets = [folder for folder in of_task if any(_is_set(inside.name) for inside in list_folders(folder))]
        return sorted(with_sets, key=lambda folder: (order.index(plain(folder.name)), _edition(folder)))

    def _multi_task(self, paths: list[Path]) -> Annotations:
        """Return the annotations in multi-task files, one file for each partition."""
        found: dict[Partition, dict[str, Path]] = {}
        for path in paths:
            partition = MULTI_TASK_FILES[plain(path.stem)]
            if partition in found:
                self.notes.add(REPEATED_MULTI_TASK, path)
            found.setdefault(partition, {str(partition): path})
        self._note_missing(paths[0].parent, found)
        return Annotations("mtl", "s-Aff-Wild2", found)

    def _note_missing(self, folder: Path, found: dict[Partition, dict[str, Path]]) -> None:
        """Note a labelled partition without any file; the labels of test were never released."""
        for partition in ("train", "dev"):
            if not found.get(partition):
                self.notes.add(MISSING_PARTITION, f"{partition}, in {folder}")

    def _test_list(self, task: AbawTask) -> tuple[str, ...]:
        """Return the people in the list of the test set of a task, empty if there is no list."""
        lists = [path for path in self._texts if "testset" in plain(path.stem) and "example" not in plain(path.stem)]
        words = [word for word, of_task in TEST_LISTS.items() if of_task == task]
        fitting = [path for path in lists if any(word in plain(path.stem) for word in words)]
        latest = sorted(fitting, key=_edition, reverse=True)[:1]
        people = [line.strip() for path in latest for line in read_lines(path)]
        return tuple(dict.fromkeys(person for person in people if person))


def without_side(name: str) -> str:
    """Return the video of a person, which is the name without `_left` or `_right`.

    >>> without_side("video59_right")
    'video59'
    """
    match = SIDE.fullmatch(name)
    return match[1] if match else name


def side_of(person: str, people: Collection[str]) -> Side | None:
    """Return the side on which a person of a video sits: the one in the name, else the one opposite the other person.

    None for the only person of a video, and if other people are named on both sides.

    >>> side_of("video59", ["video59", "video59_right"])
    'left'
    """
    match = SIDE.fullmatch(person)
    if match:
        return cast(Side, match[2].lower())
    free: list[Side] = [side for side, other in OTHER_SIDE.items() if f"{person}_{other}" in people]
    return free[0] if len(free) == 1 else None


def pictures_of(places: list[Path], notes: Notes) -> dict[int, Path]:
    """Return the pictures in the folders of a person by 0-based frame.

    Files are numbered from 1, with gaps where no face was detected. Other files and repeated frames are noted.
    """
    found: dict[int, Path] = {}
    for folder in places:
        for name in sorted(list_names(folder)):
            stem, _, suffix = name.rpartition(".")
            if f".{suffix.lower()}" not in PICTURES or not re.fullmatch("[0-9]+", stem) or int(stem) < 1:
                notes.add(NO_FRAME_NUMBER, folder / name)
            elif int(stem) - 1 in found:
                notes.add(REPEATED_PICTURE, folder / name)
            else:
                found[int(stem) - 1] = folder / name
    return found


def _edition(path: Path) -> int:
    """Return the number of the competition in the path of annotations: 5 in `5th_ABAW_Annotations`; 0 without one."""
    for name in map(plain, reversed(path.parts)):
        if match := EDITION.match(name):
            return int(match[1])
        if name.startswith("thirdabaw"):  # the spelling of 2022
            return 3
    return 0


def _is_set(name: str) -> bool:
    return plain(name) in SETS


def _crops_in(name: str) -> Crops | None:
    """Return the kind of pictures in a folder: `cropped_aligned_new_50_vids`, `cropped`, `batch1`; None for others."""
    if plain(name).startswith("croppedaligned"):
        return "aligned"
    return "cropped" if plain(name).startswith(("cropped", "batch")) else None


def _collect(folder: Path, crops: Crops, found: dict[str, list[Path]]) -> None:
    """Add the folder of each person to `found`; descend into `batch1` and alike, but not from cropped into aligned."""
    for inside in list_folders(folder):
        kind = _crops_in(inside.name)
        if kind is None:
            found.setdefault(inside.name, []).append(inside)
        elif kind == crops or crops == "aligned":
            _collect(inside, crops, found)

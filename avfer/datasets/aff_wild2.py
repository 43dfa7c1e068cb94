"""Aff-Wild2 (Kollias and Zafeiriou; the ABAW competitions since 2020): people in the wild, labels for every frame."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import get_args

import numpy as np

from avfer.datasets.aff_wild2_labels import read_au, read_expr, read_multi_task, read_picture_list, read_va
from avfer.datasets.aff_wild2_layout import AffWild2Layout, Crops, pictures_of, side_of, without_side
from avfer.datasets.example import PARTITIONS, Corpus, Example, Labels, Notes, Partition
from avfer.datasets.listing import check_root, natural
from avfer.errors import ConfigError, DatasetError, unknown
from avfer.metrics.abaw import TASKS

READERS = {"va": read_va, "expr": read_expr, "au": read_au}
CROP_FOLDERS: dict[Crops, str] = {"aligned": "cropped_aligned", "cropped": "cropped, batch1"}
NO_VIDEO = "label files without a video"
NO_LABELS = "videos without a label file of the task"
UNLABELLED_CROPS = "folders of pictures without a label file of the task"
NO_PICTURES = "people without a folder of pictures"
BEYOND = "pictures after the last label line: not used"
OTHER_PERSON = "people of a video that has others named _left or _right"
TWO_PARTITIONS = "videos with different people in two partitions"


class AffWild2(Corpus):
    """Aff-Wild2 on disk: one example a person (`video59` and `video59_right` are two), one step a label line.

    VA_Estimation_Challenge/{Train_Set,Validation_Set}/video59.txt   labels; folders of other years are found as well
    batch1/video59.mp4, batch2/...                                   videos, with their audio
    cropped_aligned/video59/00001.jpg                                pictures of faces, numbered by frame from 1

    Labels by frame: "valence" and "arousal" (T,), "expression" (T,) of 7 or 8 classes, "action_units" (T, 8 or 12);
    "mtl" has all of them. Frames whose picture is missing keep their labels, as the ABAW scores require.
    task: "va", "expr", "au", or "mtl" (the multi-task files); default: the first of these on disk.
    crops: use "aligned" or "cropped" pictures; default: the aligned ones if there are any, else the cropped ones.
    root: folder of the corpus.
    """

    name = "aff_wild2"

    def __init__(self, root: Path | str, task: str | None = None, crops: str | None = None) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        if task is not None and task not in TASKS:
            raise ConfigError(f"aff_wild2: {unknown('task', task, TASKS)}")
        if crops is not None and crops not in get_args(Crops):
            raise ConfigError(f"aff_wild2: {unknown('crops', crops, get_args(Crops))}")
        layout = AffWild2Layout(self.root, self.notes)
        self.tasks = layout.tasks
        self._annotations = layout.annotations(task or layout.tasks[0])
        self._videos, self._sounds = layout.media(), layout.sounds()
        self._crops, self._folders = _picture_folders(layout, crops)
        self.task = self._annotations.task
        listed = {person for found in self._annotations.files.values() for person in found}
        self._people = listed | set(self._annotations.test)  # of all partitions; unknown for multi-task files
        self.distribution = f"{self._annotations.years}, task {self.task}"
        pictures = f"{self._crops} pictures" if self._folders else "no pictures"
        self.protocol = f"partitions as distributed; all valid frames count, with a picture or without; {pictures}"
        if self.task != "mtl":
            self._compare_people()

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with label files, and test if a list of its people is on disk."""
        return tuple(p for p in PARTITIONS if p in self._annotations.files or (p == "test" and self._annotations.test))

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield one person of a video at a time; those of test have no labels."""
        found = self._annotations.files.get(partition, {})
        if self.task == "mtl":
            yield from self._multi_task(partition, found)
            return
        listed = self._annotations.test if partition == "test" else ()
        for person in sorted({*found, *listed}, key=natural):
            if person not in found:
                yield self._example(person, partition, {}, None, self._people)
                continue
            labels = READERS[self.task](found[person], self.notes)
            steps = len(next(iter(labels.values())).values)
            yield self._example(person, partition, labels, np.arange(steps, dtype=np.int64), self._people)

    def _multi_task(self, partition: Partition, found: dict[str, Path]) -> Iterator[Example]:
        """Yield the people of the multi-task files of a partition."""
        for path in found.values():
            if partition == "test":
                listed = read_picture_list(path)
                yield from (self._example(v, partition, {}, listed[v], listed) for v in sorted(listed, key=natural))
                continue
            people = dict(read_multi_task(path, self.notes))
            for name in sorted(people, key=natural):
                yield self._example(name, partition, people[name].labels, people[name].frames, people)

    def _example(
        self,
        person: str,
        partition: Partition,
        labels: dict[str, Labels],
        frames: np.ndarray | None,
        people: Collection[str],
    ) -> Example:
        """Return the example of a person.   frames: (T,) int64; people: all people, to find the side of this one"""
        video = self._video_of(person)
        if video is None and self._videos:
            self.notes.add(NO_VIDEO, person)
        pictures = self._pictures(person, frames) if frames is not None and self._folders else ()
        audio, side = self._audio_of(person), side_of(person, people)
        return Example(person, partition, labels, person, video, audio, pictures, frames=frames, side=side)

    def _video_of(self, person: str) -> Path | None:
        """Return the video with the name of the person, else the one of the name without `_left` or `_right`."""
        return self._videos.get(person) or self._videos.get(without_side(person))

    def _audio_of(self, person: str) -> Path | None:
        """Return the audio of the whole video, which all of its people share."""
        video = without_side(person)
        return self._sounds.get(video) or self._videos.get(video) or self._video_of(person)

    def _pictures(self, person: str, frames: np.ndarray) -> tuple[Path | None, ...]:
        """Return the picture of each frame, T of them, None where missing.   frames: (T,)"""
        folders = self._folders.get(person, [])
        if not folders:
            self.notes.add(NO_PICTURES, person)
        found = pictures_of(folders, self.notes)
        if self.task != "mtl":
            self.notes.add(BEYOND, person, sum(frame >= len(frames) for frame in found))
        return tuple(found.get(frame) for frame in frames.tolist())

    def _compare_people(self) -> None:
        """Note videos without labels, and people who share a video."""
        found = {p: set(files) for p, files in self._annotations.files.items()}
        people = self._people
        used = {*people, *map(without_side, people)}
        for video in sorted(set(self._videos) - used, key=natural):
            self.notes.add(NO_LABELS, self._videos[video])
        for person in sorted(set(self._folders) - used, key=natural):
            self.notes.add(UNLABELLED_CROPS, self._folders[person][0])
        for person in sorted(people, key=natural):
            if any(f"{person}_{side}" in people for side in ("left", "right")):
                self.notes.add(OTHER_PERSON, person)
        videos = {p: {without_side(person) for person in listed} for p, listed in found.items()}
        for video in sorted(videos.get("train", set()) & videos.get("dev", set()), key=natural):
            if not {video} & found["train"] & found["dev"]:
                self.notes.add(TWO_PARTITIONS, video)


def _picture_folders(layout: AffWild2Layout, crops: str | None) -> tuple[str, dict[str, list[Path]]]:
    """Return the kind of the pictures and the folders of each person; empty if there are none.

    Raises DatasetError if `crops` requests a kind that is not on disk.
    """
    for kind in get_args(Crops):
        found = layout.faces(kind)
        if crops == kind and not found:
            raise DatasetError(
                f"no {crops} pictures in '{layout.root}': looked for {CROP_FOLDERS[kind]}; "
                "copy them there, or leave out the option crops"
            )
        if found and crops in (None, kind):
            return kind, found
    return "", {}

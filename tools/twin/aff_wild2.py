"""A twin of Aff-Wild2 in the layout of the ABAW challenges of 2024: four tasks, cropped faces, and all its faults.

The faults are frames without labels, missing crops (also at the start), a stretch without a person, label files a few
lines longer or shorter than the video, and a video of two people.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tools.twin.aff_wild2_labels import PersonLabels, write_labels, write_multi_task
from tools.twin.expressions import EXPRESSIONS
from tools.twin.face import PICTURE, Drawings, Person, draw_frames
from tools.twin.media import write_video
from tools.twin.signals import Shown, affect, episodes, opening, talking
from tools.twin.voice import formant_voice

FPS = 30
TRAIN, VALIDATION = "Train_Set", "Validation_Set"
EXTRA_LINES = (0, 3, -2)  # label lines beyond the number of frames, of consecutive videos
FIRST_CROP, MISSING, ABSENT = 16, 0.02, 0.03  # first frame with a crop; shares of missing crops, of absence


@dataclass(frozen=True)
class FilmedPerson:
    """One person of a video over time."""

    name: str
    looks: Person
    shown: Shown
    mouth: np.ndarray  # (T,) opening in [0, 1]
    present: np.ndarray  # (T,) bool, whether the person is in the frame
    cropped: np.ndarray  # (T,) bool, whether there is a crop of the face


def make(root: Path, seed: int, subjects: int, seconds: float, report: Callable[[str], None]) -> None:
    """Write the videos: two thirds are for training, and the last of these shows two people.

    seconds: length of each video; report: called with the name of each person.
    """
    drawings = Drawings(EXPRESSIONS[1:])
    num_train = max(1, subjects * 2 // 3)
    labelled: dict[str, list[PersonLabels]] = {TRAIN: [], VALIDATION: []}
    for number in range(subjects):
        folder = TRAIN if number < num_train else VALIDATION
        random = np.random.default_rng([seed, number])
        people = _video(root, _name(number), number == num_train - 1, random, drawings, seconds)
        for labels in people:
            write_labels(root, folder, labels, EXTRA_LINES[number % len(EXTRA_LINES)])
            report(labels.person)
        labelled[folder] += people
    for folder, everyone in labelled.items():
        write_multi_task(root, folder, everyone)
    truth = {labels.person: labels.truth() for everyone in labelled.values() for labels in everyone}
    content = {"corpus": "aff_wild2", "seed": seed, "fps": FPS, "delays_s": {"valence": 0.0, "arousal": 0.0}}
    (root / "truth.json").write_text(json.dumps({**content, "recordings": truth}))


def _video(
    root: Path, name: str, two: bool, random: np.random.Generator, drawings: Drawings, seconds: float
) -> list[PersonLabels]:
    """Write a video of one or two people, with one voice that carries the arousal of both; return their labels."""
    _, arousal = affect(random, seconds, FPS)
    spans = talking(random, seconds)
    names = [f"{name}_left", f"{name}_right"] if two else [name]
    people = [_person(random, one, spans, seconds) for one in names]
    films = [_film(root, drawings, one) for one in people]
    frames = (np.concatenate(parts, 1) for parts in zip(*films, strict=True))
    audio = formant_voice(random, arousal, spans, FPS)
    write_video(root / "batch1" / f"{name}.mp4", frames, PICTURE * len(people), FPS, audio)
    labels = [PersonLabels.of(random, one.name, one.shown, one.mouth, arousal) for one in people]
    return [each.only_where(one.present) for each, one in zip(labels, people, strict=True)]


def _person(random: np.random.Generator, name: str, spans: list[tuple[float, float]], seconds: float) -> FilmedPerson:
    mouth, shown = opening(random, spans, seconds, FPS), episodes(random, seconds, FPS)
    count = len(mouth)
    present, cropped = np.ones(count, bool), random.random(count) >= MISSING
    length = max(2, round(ABSENT * count))
    start = int(random.integers(FIRST_CROP, count - length))
    present[start : start + length] = False
    cropped[: FIRST_CROP if random.random() < 0.5 else 0] = False
    return FilmedPerson(name, Person.drawn(random, seconds, FPS), shown, mouth, present, cropped & present)


def _film(root: Path, drawings: Drawings, one: FilmedPerson) -> Iterator[np.ndarray]:
    """Yield the frames, (PICTURE, PICTURE, 3) uint8 RGB, and write the crops of the faces."""
    folder = root / "cropped_aligned" / one.name
    folder.mkdir(parents=True)
    index = 0
    for frames, faces in draw_frames(drawings, one.looks, one.shown, one.mouth, aligned=True):
        for frame, face in zip(frames, faces, strict=True):
            if one.cropped[index]:
                Image.fromarray(face).save(folder / f"{index + 1:05d}.jpg", quality=92)
            # Without the person: an empty room with the mean colour of the upper left corner.
            yield frame if one.present[index] else np.broadcast_to(frame[:8, :8].mean((0, 1)), frame.shape).astype("u1")
            index += 1


def _name(number: int) -> str:
    """Return a video name in one of the forms that the corpus uses."""
    forms = ("{}-30-256x256", "video{}", "{}")
    return forms[number % len(forms)].format(number + 1)

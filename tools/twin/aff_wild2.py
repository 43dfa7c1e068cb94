"""A twin of Aff-Wild2 as the ABAW challenges of 2024 distributed it: four tasks, faces cut out, and all its faults.

Those are frames that nobody labelled, pictures that are missing (the first ones, too), a moment in which nobody is
seen, label files a few lines longer or shorter than the video, and a video of two people.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tools.twin.aff_wild2_labels import Told, write_labels, write_multi_task
from tools.twin.expressions import EXPRESSIONS
from tools.twin.face import PICTURE, Drawings, Person, pictures
from tools.twin.media import write_video
from tools.twin.signals import Shown, affect, episodes, opening, talking
from tools.twin.voice import Speaker, voice

FPS = 30
TRAIN, VALIDATION = "Train_Set", "Validation_Set"
FURTHER = (0, 3, -2)  # label lines beyond the frames, of one video after another
LATE, MISSED, AWAY = 16, 0.02, 0.03  # first frames without a picture; shares without a picture, and without a person


@dataclass(frozen=True)
class Seen:
    """One person of a video over time."""

    name: str
    looks: Person
    shown: Shown
    mouth: np.ndarray  # (T,) opening in [0, 1]
    present: np.ndarray  # (T,) bool
    pictured: np.ndarray  # (T,) bool: the face was found and cut out


def make(root: Path, seed: int, subjects: int, seconds: float, tell: Callable[[str], None]) -> None:
    """Write the videos: two thirds are to learn from, the last of which shows two people."""
    drawings = Drawings(EXPRESSIONS[1:])
    known = max(1, subjects * 2 // 3)
    told: dict[str, list[Told]] = {TRAIN: [], VALIDATION: []}
    for number in range(subjects):
        folder = TRAIN if number < known else VALIDATION
        random = np.random.default_rng([seed, number])
        people = _video(root, _name(number), number == known - 1, random, drawings, seconds)
        for labels in people:
            write_labels(root, folder, labels, FURTHER[number % len(FURTHER)])
            tell(labels.person)
        told[folder] += people
    for folder, everyone in told.items():
        write_multi_task(root, folder, everyone)
    truth = {labels.person: labels.truth() for everyone in told.values() for labels in everyone}
    content = {"corpus": "aff_wild2", "seed": seed, "fps": FPS, "delays_s": {"valence": 0.0, "arousal": 0.0}}
    (root / "truth.json").write_text(json.dumps({**content, "recordings": truth}))


def _video(
    root: Path, name: str, two: bool, random: np.random.Generator, drawings: Drawings, seconds: float
) -> list[Told]:
    """Film one or two people, whose faces show what they show while one voice tells of the arousal of both."""
    _, arousal = affect(random, seconds, FPS)
    spans = talking(random, seconds)
    names = [f"{name}_left", f"{name}_right"] if two else [name]
    people = [_person(random, one, spans, seconds) for one in names]
    films = [_film(root, drawings, one) for one in people]
    frames = (np.concatenate(parts, 1) for parts in zip(*films, strict=True))
    sound = voice(random, Speaker.drawn(random), arousal, spans, FPS)
    write_video(root / "batch1" / f"{name}.mp4", frames, PICTURE * len(people), FPS, sound)
    told = [Told.of(random, one.name, one.shown, one.mouth, arousal) for one in people]
    return [labels.unseen(one.present) for labels, one in zip(told, people, strict=True)]


def _person(random: np.random.Generator, name: str, spans: list[tuple[float, float]], seconds: float) -> Seen:
    mouth, shown = opening(random, spans, seconds, FPS), episodes(random, seconds, FPS)
    count = len(mouth)
    present, pictured = np.ones(count, bool), random.random(count) >= MISSED
    length = max(2, round(AWAY * count))
    start = int(random.integers(LATE, count - length))
    present[start : start + length] = False
    pictured[: LATE if random.random() < 0.5 else 0] = False
    return Seen(name, Person.drawn(random, seconds, FPS), shown, mouth, present, pictured & present)


def _film(root: Path, drawings: Drawings, one: Seen) -> Iterator[np.ndarray]:
    """(PICTURE, PICTURE, 3) frames; the faces are written on the way."""
    folder = root / "cropped_aligned" / one.name
    folder.mkdir(parents=True)
    index = 0
    for frames, faces in pictures(drawings, one.looks, one.shown, one.mouth, aligned=True):
        for frame, face in zip(frames, faces, strict=True):
            if one.pictured[index]:
                Image.fromarray(face).save(folder / f"{index + 1:05d}.jpg", quality=92)
            # An empty room, as bright as its upper corner.
            yield frame if one.present[index] else np.broadcast_to(frame[:8, :8].mean((0, 1)), frame.shape).astype("u1")
            index += 1


def _name(number: int) -> str:
    """A name in one of the ways of the corpus."""
    ways = ("{}-30-256x256", "video{}", "{}")
    return ways[number % len(ways)].format(number + 1)

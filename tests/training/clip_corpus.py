"""A corpus of clips written by a test: valence is the brightness of the face, arousal the loudness of the voice.

`tests.training.clip_corpus:FilmedClips` is the corpus, `FixedFace` a stage that detects one face filling each frame.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from avfer.datasets.example import Corpus, Example, Labels, Notes, Partition
from avfer.signal.geometry import ARCFACE
from avfer.types import FaceTracks, FrameBatch
from tests.media_maker import write_clip

STEPS, FPS, SIDE, RATE = 100, 25, 48, 16_000
NUMBERS: dict[Partition, range] = {"train": range(4), "dev": range(4, 6)}
SHORT_TRAINING: Mapping[str, Any] = {  # of a small network on these clips, in seconds
    "backbone": {"name": "timm:test_resnet"},
    "model_options": {"width": 16, "dropout": 0.0, "modality_dropout": 0.0},
    "size": 32,
    "length": 20,
    "stride": 10,
    "batch": 6,
    "epochs": 3,
    "threads": 1,
    "augment": "none",
    "device": "cpu",
    "optimiser": {"rate": 0.01, "rates": {"backbone": 0.3}},
}
PIPELINE = """
stages:
  frames: {{use: decode_video, from: span}}
  sound: {{use: decode_audio, from: span}}
  tracks: {{use: "tests.training.clip_corpus:FixedFace", from: frames, hidden: {hidden}}}
  faces: {{use: align_faces, from: [frames, tracks]}}
  look: {{use: embed_faces, from: faces}}
  {rest}
output: raw
"""
FACE_ONLY = "raw: {use: predict_affect, from: look, model: own}"
WITH_VOICE = """voice: {use: embed_voice, from: sound, hop: 0.1, backbone: vggish_lite}
  joint: {use: join_features, from: [look, voice]}
  raw: {use: predict_affect, from: joint}"""


@dataclass
class FixedFace:
    """One face in each frame, filling it; none in every `hidden`th frame."""

    hidden: int = 0  # 0: a face in every frame

    def __call__(self, frames: FrameBatch) -> FaceTracks:
        clock = frames.clock
        numbers = np.arange(clock.first, clock.stop)
        visible = numbers[numbers % self.hidden > 0] if self.hidden else numbers
        n = len(visible)
        return FaceTracks(
            clock,
            frames=visible,
            boxes=np.tile(np.float32([0, 0, SIDE, SIDE]), (n, 1)),
            landmarks=np.tile(np.float32(ARCFACE) * SIDE, (n, 1, 1)),
            scores=np.ones(n, np.float32),
            track_ids=np.zeros(n, np.int64),
        )


@dataclass
class FilmedClips(Corpus):
    """Clips in the root folder, labelled by frame; every seventh label is a sentinel and not valid."""

    root: Path
    sentinel: float = -5.0
    cropped: bool = False  # with an image of the face for each frame of the clips
    name: str = "filmed"
    distribution: str = "made by a test"
    protocol: str = "labels are the truth"
    notes: Notes = field(default_factory=Notes)
    partitions: tuple[Partition, ...] = ("train", "dev")

    def examples(self, partition: Partition) -> Iterator[Example]:
        for number in NUMBERS[partition]:
            valid = np.arange(STEPS) % 7 > 0
            values = np.where(valid, np.stack(truth(number)), self.sentinel)
            labels = {name: Labels(values[i], valid) for i, name in enumerate(("valence", "arousal"))}
            labels["expression"] = Labels(np.where(valid, values[0] > 0, 0).astype(np.int64), valid, ("low", "high"))
            units = np.where(valid, np.stack([values[0] > 0.2, values[0] < -0.2]), self.sentinel).T
            labels["action_units"] = Labels(units, np.repeat(valid[:, None], 2, 1), ("AU12", "AU04"))
            images = tuple(self.crop(number, i) for i in range(STEPS)) if self.cropped else ()
            video = self.root / f"{number}.mkv"
            frames = np.arange(STEPS)
            yield Example(str(number), partition, labels, f"p{number}", video, None, images, frames=frames)

    def crop(self, number: int, frame: int) -> Path | None:
        path = self.root / str(number) / f"{frame:05d}.png"
        return path if path.exists() else None


class WholeClips(FilmedClips):
    """The same clips, each with one expression, valence and arousal for its whole length."""

    def examples(self, partition: Partition) -> Iterator[Example]:
        for number in NUMBERS[partition]:
            labels = {"expression": Labels(np.array([number % 2]), np.ones(1, bool), ("low", "high"))}
            labels |= {name: Labels(np.array([number / 10]), np.ones(1, bool)) for name in ("valence", "arousal")}
            times = np.array([STEPS / FPS / 2])
            yield Example(
                str(number), partition, labels, f"p{number}", self.root / f"{number}.mkv", times=times, whole_clip=True
            )


def truth(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return valence and arousal, (T,) each."""
    random = np.random.default_rng(number)
    t = np.arange(STEPS) / FPS
    rates, starts = random.uniform(0.3, 0.8, 2), random.uniform(0, 1, 2)
    valence, arousal = (0.8 * np.sin(2 * np.pi * (rate * t + start)) for rate, start in zip(rates, starts, strict=True))
    return valence, arousal


def images(number: int) -> np.ndarray:
    """Return the frames, (T, S, S, 3) uint8: grey by valence, with a fixed pattern."""
    pattern = np.random.default_rng(99).integers(-20, 20, (SIDE // 8, SIDE // 8, 1)).repeat(8, 0).repeat(8, 1)
    level = 128 + 80 * truth(number)[0]
    return (level[:, None, None, None] + pattern + np.zeros((1, 1, 1, 3))).clip(0, 255).astype(np.uint8)


def write_clips(folder: Path, audio: bool = False) -> Path:
    """Write all clips; return the folder."""
    folder.mkdir()
    for number in (n for numbers in NUMBERS.values() for n in numbers):
        loudness = np.interp(np.arange(STEPS * RATE // FPS) * FPS / RATE, np.arange(STEPS), truth(number)[1])
        noise = np.random.default_rng(number).normal(size=len(loudness)) * 10 ** (loudness - 1.2)
        wave = noise.clip(-1, 1).astype(np.float32) if audio else None
        write_clip(folder / f"{number}.mkv", images(number), FPS, wave, sample_rate=RATE)
    return folder


def write_face_images(folder: Path) -> Path:
    """Write an image of the face for each frame beside the clips; every tenth is missing. Return the folder."""
    for number in (n for numbers in NUMBERS.values() for n in numbers):
        (folder / str(number)).mkdir()
        for frame, image in enumerate(images(number)):
            if frame % 10:
                Image.fromarray(image).save(folder / str(number) / f"{frame:05d}.png")
    return folder


def write_pipeline(path: Path, with_voice: bool = False, hidden: int = 0) -> Path:
    """Write a pipeline for the clips without a face in every `hidden`th frame; return its path."""
    path.write_text(PIPELINE.format(rest=WITH_VOICE if with_voice else FACE_ONLY, hidden=hidden))
    return path

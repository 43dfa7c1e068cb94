"""Face crops and audio of a corpus for end-to-end training, cut out of the recordings once and kept on disk.

Crops are read from the disk when a batch is made: memory holds the crops of one batch.
"""

import hashlib
import json
import math
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from avfer.datasets.example import Example
from avfer.datasets.pictures import open_picture, to_rgb
from avfer.errors import DatasetError
from avfer.media import probe
from avfer.models.card import Card
from avfer.pipeline import Pipeline
from avfer.pipeline_config import PipelineSpec
from avfer.rows import blank_faces
from avfer.stages.embed_faces import EmbedFaces
from avfer.training.data.audio_cache import AudioCache, SequenceAudio
from avfer.training.data.feature_cache import at_steps
from avfer.training.data.recording_cache import RecordingCache, check_media, stage_of, up_to
from avfer.types import NO_TRACK, Clip, FaceCrops, FaceFeatures, FaceTracks

FPS = 30.0  # of a recording without times and without video


class CropSource(Protocol):
    """The face crops at T steps, on disk."""

    def __getitem__(self, steps: slice, /) -> np.ndarray:
        """Return the crops at t steps, (t, S, S, 3) uint8 RGB; 0 without a face."""
        ...


@dataclass(frozen=True, eq=False)
class StoredCrops:
    """Crops of a recording in one file: the bytes of (N, S, S, 3) uint8."""

    path: Path  # of the file
    size: int  # S, px
    rows: np.ndarray  # (T,) int64, the crop at each step; -1 without a face

    def __getitem__(self, steps: slice) -> np.ndarray:
        """Return the crops at t steps, (t, S, S, 3) uint8 RGB; 0 without a face."""
        rows = self.rows[steps]
        crops = np.zeros((len(rows), self.size, self.size, 3), np.uint8)
        if (has_face := rows >= 0).any():
            # Opened each time: a memory map sent to another process would carry the whole file along.
            stored = np.memmap(self.path, np.uint8, "r").reshape(-1, self.size, self.size, 3)
            crops[has_face] = stored[rows[has_face]]
        return crops


@dataclass(frozen=True, eq=False)
class ImageCrops:
    """Crops that come with a corpus, one image file for each step."""

    paths: tuple[Path | None, ...]  # T
    size: int  # S, px

    def __getitem__(self, steps: slice) -> np.ndarray:
        """Return the resized images at t steps, (t, S, S, 3) uint8 RGB; 0 without a file. Raises DatasetError."""
        paths = self.paths[steps]
        crops = np.zeros((len(paths), self.size, self.size, 3), np.uint8)
        for crop, path in zip(crops, paths, strict=True):
            if path is not None:
                picture = Image.fromarray(to_rgb(open_picture(path, path)))
                crop[:] = np.asarray(picture.resize((self.size, self.size), Image.Resampling.BILINEAR))
        return crops


@dataclass(frozen=True, eq=False)
class SequenceCrops:
    """Face crops and audio at the T steps of an example."""

    face: CropSource  # crops, read when a batch is made
    audio: SequenceAudio
    has_face: np.ndarray  # (T,) bool
    times: np.ndarray  # (T,) float64 s
    row_step: float = math.nan  # s between two rows of the pipeline, NaN if unknown

    @property
    def has_voice(self) -> np.ndarray:
        """Return whether each step has audio, (T,) bool."""
        return self.audio.has_voice

    def __len__(self) -> int:
        return len(self.times)

    def slice(self, steps: slice) -> dict[str, np.ndarray]:
        """Return face (t, S, S, 3) uint8, has_face (t,), voice, patches and has_voice at t steps."""
        return {"face": self.face[steps], "has_face": self.has_face[steps], **self.audio.slice(steps)}


@dataclass
class OutputCrops:
    """A stage in place of `embed_faces` that outputs the crops themselves, for a network of this card."""

    card: Card

    def __call__(self, faces: FaceCrops) -> FaceFeatures:
        """Return the crops as features, (N, S, S, 3) uint8 RGB."""
        return FaceFeatures(faces.faces, faces.pixels)


class ClipCache:
    """Loads face crops and audio of examples, or computes them on the first use.

    The images of a corpus are its crops, if it has some. Otherwise faces are cut out by a pipeline up to `embed_faces`,
    in the size of a network's card, and kept as bytes: S * S * 3 for each face.

    spec: the pipeline; folder: of the cache; device: name of the device that finds faces.
    """

    def __init__(self, spec: PipelineSpec, card: Card, audio: AudioCache | None, folder: Path, device: str) -> None:
        """card: of the network that reads the crops; audio: None for the face alone. Raises ConfigError."""
        use = "avfer.training.data.clip_cache:OutputCrops"
        crops = replace(stage_of(spec, EmbedFaces), use=use, options={"card": card})
        self.size, self.audio = card.size or 0, audio
        self.pipeline = Pipeline(up_to(spec, crops), device, output=FaceFeatures)
        stages = [f"{step.name} {step.stage}" for step in self.pipeline.steps if step.name != crops.name]
        made_by = json.dumps([stages, self.pipeline.files, self.pipeline.spec.chunk])
        self.cache = RecordingCache(folder, hashlib.sha256(made_by.encode()).hexdigest())

    def check(self, examples: list[Example]) -> None:
        """Raise DatasetError if recordings that crops or audio are computed from cannot be read."""
        check_media(e for e in examples if not _has_images(e) or (self.audio and (e.video or e.audio)))

    def bytes_needed(self, examples: list[Example]) -> int:
        """Return the size of the crops that are still to be cut out, one face for each step."""
        videos = [(e, e.video) for e in examples if e.video is not None and not _has_images(e)]
        steps = sum(_expected_steps(e, video) for e, video in videos if not self.cache.path(".npz", video).exists())
        return steps * self.size**2 * 3

    def load(self, example: Example) -> SequenceCrops:
        """Return one face crop and the audio at each step of an example. Raises DatasetError without media."""
        return self._images(example) if _has_images(example) else self._crops(example)

    def _images(self, example: Example) -> SequenceCrops:
        """Return the images of a corpus as crops, with the audio."""
        has_face, times = np.array([path is not None for path in example.pictures]), _times(example)
        return SequenceCrops(ImageCrops(example.pictures, self.size), self._audio(example, times), has_face, times)

    def _audio(self, example: Example, times: np.ndarray) -> SequenceAudio:
        """Return the audio of an example at `times`, (T,) s; silence for the face alone."""
        return self.audio.load(example, times) if self.audio else SequenceAudio.silent(len(times), 0)

    def _crops(self, example: Example) -> SequenceCrops:
        """Return the stored crops of a recording, with the audio; compute the crops if needed."""
        media = example.video or example.audio
        if media is None:
            raise DatasetError(f"{example.id} has labels but no video and no images; check the folders of the corpus")
        index, pixels = (self.cache.path(suffix, media) for suffix in (".npz", ".crops"))
        if not index.exists():
            self._cut_out(media, index, pixels)
        with np.load(index) as stored:
            features = at_steps(example, dict(stored))
        rows = np.where(features.has_face, features.face[:, 0], -1)
        crops, audio = StoredCrops(pixels, self.size, rows), self._audio(example, features.times)
        return SequenceCrops(crops, audio, rows >= 0, features.times, features.row_step)

    def _cut_out(self, media: Path, index: Path, pixels: Path) -> None:
        """Write all faces of a video, chunk by chunk, then a row for each of them."""
        parts: list[dict[str, np.ndarray]] = []
        with self.cache.write(pixels) as file, closing(self.pipeline.values(Clip(media))) as values:
            for part in values:
                file.write(part.values.cpu().contiguous().numpy().tobytes())
                parts.append(_columns(part.faces))
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        faces = columns["tracks"] != NO_TRACK
        columns["face"] = (np.cumsum(faces) - 1)[:, None]  # index of the crop
        columns |= {"voice": np.zeros((len(faces), 0)), "has_voice": np.zeros(len(faces), bool)}
        with self.cache.write(index) as file:
            np.savez(file, **columns)  # pyright: ignore[reportArgumentType]


class AudioOnlyCache:
    """Loads the audio of examples for a network that reads no face."""

    def __init__(self, audio: AudioCache) -> None:
        self.audio = audio

    def check(self, examples: list[Example]) -> None:
        """Raise DatasetError if recordings have no media or cannot be read."""
        check_media(examples)

    def bytes_needed(self, examples: list[Example]) -> int:
        """Return 0: there are no crops."""
        return 0

    def load(self, example: Example) -> SequenceCrops:
        """Return the audio at each step of an example, and no crops. Raises DatasetError without media."""
        if example.video is None and example.audio is None:
            raise DatasetError(f"{example.id} has labels but no audio; check the folders of the corpus")
        times = self.audio.instants(example) if example.whole_clip else _times(example)
        no_crops, no_face = np.zeros((len(times), 0, 0, 3), np.uint8), np.zeros(len(times), bool)
        return SequenceCrops(no_crops, self.audio.load(example, times), no_face, times)


def _has_images(example: Example) -> bool:
    """Return whether the images of an example are its crops: not the one image of a clip with one label."""
    return any(example.pictures) and not example.whole_clip


def _expected_steps(example: Example, video: Path) -> int:
    """Return the number of steps of an example; of a clip with one label, of its frames as the header states them."""
    if not example.whole_clip:
        return len(example)
    media = probe(video)
    fps = (media.video and media.video.fps) or FPS
    return round((media.duration or 0) * fps)


def _times(example: Example) -> np.ndarray:
    """Return the times of the steps, (T,) s, from the labels, or by the frame rate of the video."""
    if example.times is not None:
        return example.times
    video = probe(example.video).video if example.video else None
    frames = example.frames if example.frames is not None else np.arange(len(example))
    return frames / ((video and video.fps) or FPS)


def _columns(faces: FaceTracks) -> dict[str, np.ndarray]:
    """Return the columns that `at_steps` reads: a row for each face, then one for each instant without a face."""
    clock = faces.clock
    empty = blank_faces(clock, np.setdiff1d(np.arange(clock.first, clock.stop), faces.frames))
    names = {"frames": "frames", "times": "times", "tracks": "track_ids", "boxes": "boxes"}
    return {name: np.concatenate([getattr(some, column) for some in (faces, empty)]) for name, column in names.items()}

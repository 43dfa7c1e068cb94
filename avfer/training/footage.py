"""Recordings as a network over time sees and hears them while it learns: crops in place of features of the face."""

import hashlib
import json
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from avfer.datasets.example import Example
from avfer.errors import DatasetError
from avfer.media import probe
from avfer.models.card import Card
from avfer.pipeline import Pipeline
from avfer.pipeline_config import PipelineSpec
from avfer.stages.embed_faces import EmbedFaces
from avfer.stages.join import blank_faces
from avfer.training.embed import at_steps
from avfer.training.kept import Kept, line_of, up_to
from avfer.training.shots import PictureShots, Shots, StoredShots
from avfer.training.sounds import Heard, Listener
from avfer.types import NO_TRACK, Clip, FaceFeatures, FaceTracks

FPS = 30.0  # of a recording that is known by its pictures alone


@dataclass(frozen=True, eq=False)
class Footage:
    """What is seen and heard at the T steps of an example."""

    face: Shots
    heard: Heard
    has_face: np.ndarray  # (T,) bool
    times: np.ndarray  # (T,) float64 s

    def __len__(self) -> int:
        return len(self.times)

    def cut(self, part: slice) -> dict[str, np.ndarray]:
        """The steps of a slice."""
        return {"face": self.face[part], "has_face": self.has_face[part], **self.heard.cut(part)}


class Filmer:
    """Makes the footage of examples, or finds it in its folder.

    A corpus' own pictures are its crops where it has some; else faces are cut out by the stages of a pipeline up to
    `embed_faces`, for the network of a card, and kept as bytes: S * S * 3 for each face.
    """

    def __init__(self, spec: PipelineSpec, card: Card, listener: Listener | None, folder: Path, device: str) -> None:
        line = replace(line_of(spec, EmbedFaces), use="avfer.training.keep:KeepCrops", options={"card": card})
        self.size, self.listener = card.size or 0, listener
        self.pipeline = Pipeline(up_to(spec, line), device, output=FaceFeatures)
        made = [f"{step.name} {step.stage}" for step in self.pipeline.steps if step.name != line.name]
        told = json.dumps([made, self.pipeline.files, self.pipeline.spec.chunk])
        self.kept = Kept(folder, hashlib.sha256(told.encode()).hexdigest())

    def bytes_needed(self, examples: list[Example]) -> int:
        """Of the crops that are still to be cut out, one face a step."""
        videos = [(e, e.video) for e in examples if e.video is not None and not any(e.pictures)]
        steps = sum(len(e) for e, video in videos if not self.kept.path(".npz", video).exists())
        return steps * self.size**2 * 3

    def footage(self, example: Example) -> Footage:
        """One face and the sound at each step of an example. DatasetError where there is no media."""
        face, has_face, times = self._pictures(example) if any(example.pictures) else self._crops(example)
        heard = self.listener.hear(example, times) if self.listener else Heard.nothing(len(times), 0)
        return Footage(face, heard, has_face, times)

    def _pictures(self, example: Example) -> tuple[Shots, np.ndarray, np.ndarray]:
        has_face = np.array([path is not None for path in example.pictures])
        return PictureShots(example.pictures, self.size), has_face, _times(example)

    def _crops(self, example: Example) -> tuple[Shots, np.ndarray, np.ndarray]:
        media = example.video or example.audio
        if media is None:
            raise DatasetError(f"{example.id} has labels but no video and no pictures; look into the corpus' folders")
        told, pixels = (self.kept.path(ending, media) for ending in (".npz", ".crops"))
        if not told.exists():
            self._cut_out(media, told, pixels)
        with np.load(told) as stored:
            chosen = at_steps(example, dict(stored))
        rows = np.where(chosen.has_face, chosen.face[:, 0], -1)
        return StoredShots(pixels, self.size, rows), rows >= 0, chosen.times

    def _cut_out(self, media: Path, told: Path, pixels: Path) -> None:
        """Write all faces of a video, chunk by chunk, then what is known of each."""
        parts: list[dict[str, np.ndarray]] = []
        with self.kept.whole(pixels) as file, closing(self.pipeline.values(Clip(media), probe(media))) as seen:
            for part in seen:
                file.write(part.values.cpu().contiguous().numpy().tobytes())
                parts.append(_columns(part.faces))
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        faces = columns["tracks"] != NO_TRACK
        columns["face"] = (np.cumsum(faces) - 1)[:, None]  # which crop
        columns |= {"voice": np.zeros((len(faces), 0)), "has_voice": np.zeros(len(faces), bool)}
        with self.kept.whole(told) as file:
            np.savez(file, **columns)  # pyright: ignore[reportArgumentType]


class Recorder:
    """Makes the footage of examples for a network that does not see: their sound alone."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def bytes_needed(self, examples: list[Example]) -> int:
        """None for crops."""
        return 0

    def footage(self, example: Example) -> Footage:
        """The sound at each step of an example. DatasetError where there is no media."""
        if example.video is None and example.audio is None:
            raise DatasetError(f"{example.id} has labels but no sound; look into the corpus' folders")
        times = _times(example)
        nobody = np.zeros(len(times), bool)
        return Footage(np.zeros((len(times), 0, 0, 3), np.uint8), self.listener.hear(example, times), nobody, times)


def _times(example: Example) -> np.ndarray:
    """(T,) s, of the steps of an example as its corpus tells them, or by the frame rate of its video."""
    if example.times is not None:
        return example.times
    video = probe(example.video).video if example.video else None
    frames = example.frames if example.frames is not None else np.arange(len(example))
    return frames / ((video and video.fps) or FPS)


def _columns(faces: FaceTracks) -> dict[str, np.ndarray]:
    """What `at_steps` reads of each face, then of the instants that have none."""
    clock = faces.clock
    empty = blank_faces(clock, np.setdiff1d(np.arange(clock.first, clock.stop), faces.frames))
    names = {"frames": "frames", "times": "times", "tracks": "track_ids", "boxes": "boxes"}
    return {name: np.concatenate([getattr(some, column) for some in (faces, empty)]) for name, column in names.items()}

"""A corpus embedded once: the features that a pipeline hands to its affect model, kept on disk for training."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import yaml

from avfer.catalog import find
from avfer.datasets.example import Example
from avfer.errors import ConfigError, DatasetError
from avfer.evaluation.align import align
from avfer.media import probe
from avfer.pipeline import Pipeline
from avfer.pipeline_config import PipelineSpec, read_pipeline
from avfer.stages.predict import PredictAffect
from avfer.training.kept import Kept, check_media
from avfer.types import NO_TRACK, Clip, FaceFeatures, JointFeatures, concat

Rows = FaceFeatures | JointFeatures
STEP = 0.04  # s between two frames, where nothing tells it


@dataclass(frozen=True, eq=False)
class Features:
    """What is seen and heard at the T steps of an example."""

    face: np.ndarray  # (T, Df) float32; 0 where no face is
    voice: np.ndarray  # (T, Dv) float32; 0 where no sound is
    has_face: np.ndarray  # (T,) bool
    has_voice: np.ndarray  # (T,) bool
    times: np.ndarray  # (T,) float64 s

    def __len__(self) -> int:
        return len(self.times)

    def cut(self, part: slice) -> dict[str, np.ndarray]:
        """The steps of a slice; there is no sound that is still to be embedded."""
        names = ("face", "voice", "has_face", "has_voice")
        arrays = {name: getattr(self, name)[part] for name in names}
        return arrays | {"sound": np.zeros((0, 0), np.float32)}


def cut(spec: PipelineSpec) -> PipelineSpec:
    """The pipeline up to what its affect model reads."""
    for number, line in enumerate(spec.stages):
        if ":" not in line.use and find("stage", line.use) is PredictAffect:
            return replace(spec, stages=spec.stages[:number], output=line.inputs[0])
    raise ConfigError(f"{spec.where} has no stage predict_affect, so nothing tells which features to train on")


class Embedder:
    """Makes the features of recordings, or finds them in its folder."""

    def __init__(self, pipeline: str, settings: dict[str, object], folder: Path, device: str) -> None:
        self.spec = cut(read_pipeline(pipeline, settings or None))
        self.pipeline = Pipeline(self.spec, device, output=object)
        key = hashlib.sha256((self.spec.sha256 + json.dumps(self.pipeline.files)).encode()).hexdigest()
        self.kept = Kept(folder, key)

    @property
    def widths(self) -> dict[str, int]:
        """Features of the "face" and the "voice", 0 for what is not read."""
        found = {"face": 0, "voice": 0}
        for step in self.pipeline.steps:
            for modality, card in getattr(step.stage, "makes", {}).items():
                found[modality] = card.width(modality)
        return found

    @property
    def backbones(self) -> dict[str, str]:
        """The names of the networks that make the features."""
        made = [getattr(step.stage, "makes", {}) for step in self.pipeline.steps]
        return {modality: card.name for cards in made for modality, card in cards.items()}

    @property
    def text(self) -> str:
        """The stages as YAML."""
        stages = {line.name: {"use": line.use, "from": list(line.inputs), **line.options} for line in self.spec.stages}
        return yaml.safe_dump({"chunk": self.spec.chunk, "stages": stages}, sort_keys=False, width=120)

    def check(self, examples: list[Example]) -> None:
        """DatasetError where recordings that are still to be embedded cannot be read."""
        check_media(e for e in examples if not self._has(e))

    def features(self, example: Example) -> Features:
        """The features at the steps of an example, one face a frame. DatasetError where there is no media."""
        clip = _clip(example)
        if clip is None:
            raise DatasetError(f"{example.id} has labels but no video and no sound; look into the corpus' folders")
        path = self._path(clip)
        if not path.exists():
            self._embed(clip, path)
        with np.load(path) as stored:
            return at_steps(example, dict(stored))

    def _has(self, example: Example) -> bool:
        clip = _clip(example)
        files = [path for path in (clip.path, clip.sound) if path is not None] if clip else []
        return clip is not None and all(path.exists() for path in files) and self._path(clip).exists()

    def _path(self, clip: Clip) -> Path:
        return self.kept.path(".npz", clip.path, clip.sound)

    def _embed(self, clip: Clip, path: Path) -> None:
        parts: list[Rows] = list(self.pipeline.values(clip, probe(clip.path)))
        rows = concat([replace(part, own=None) if isinstance(part, FaceFeatures) else part for part in parts])
        joint = isinstance(rows, JointFeatures)
        nothing = np.zeros((len(rows.faces), 0), np.float32)
        columns = {
            "face": (rows.face if isinstance(rows, JointFeatures) else rows.values).cpu().numpy(),
            "voice": rows.voice.cpu().numpy() if isinstance(rows, JointFeatures) else nothing,
            "has_voice": rows.has_voice if joint else np.zeros(len(rows.faces), bool),
            "frames": rows.faces.frames,
            "times": rows.faces.times,
            "tracks": rows.faces.track_ids,
            "boxes": rows.faces.boxes,
        }
        with self.kept.whole(path) as file:
            np.savez(file, **columns)  # pyright: ignore[reportArgumentType]


def _clip(example: Example) -> Clip | None:
    """What is embedded of an example: its video, with its sound where that is another file, or its sound alone."""
    if example.video is None:
        return Clip(example.audio) if example.audio else None
    return Clip(example.video, example.audio if example.audio != example.video else None)


def at_steps(example: Example, rows: dict[str, np.ndarray]) -> Features:
    """One row for each step; a step without one holds the last. Where not one row has a face, nothing is seen."""
    if not len(rows["frames"]):
        return _nothing(example, rows)
    table = pd.DataFrame({"frame": rows["frames"], "time_s": rows["times"], "track": rows["tracks"]})
    for column, name in enumerate(("face_x1", "face_y1", "face_x2", "face_y2")):
        table[name] = rows["boxes"][:, column]
    table["row"] = np.arange(len(table), dtype=np.float64)
    aligned = align(example, table, ["row"])
    index = aligned.values["row"]
    if np.isnan(index).any():
        raise DatasetError(_apart(example, rows["times"]))
    at = index.astype(np.int64)
    times = example.times if example.times is not None else _times(cast(np.ndarray, example.frames), rows)
    has_face = (rows["tracks"][at] != NO_TRACK) & (rows["face"].shape[1] > 0)
    return Features(rows["face"][at], rows["voice"][at], has_face, rows["has_voice"][at], times)


def _nothing(example: Example, rows: dict[str, np.ndarray]) -> Features:
    steps, nobody = len(example), np.zeros(len(example), bool)
    times = example.times if example.times is not None else np.arange(steps) * STEP
    face, voice = (np.zeros((steps, rows[name].shape[1]), np.float32) for name in ("face", "voice"))
    return Features(face, voice, nobody, nobody, times)


def _times(frames: np.ndarray, rows: dict[str, np.ndarray]) -> np.ndarray:
    """(T,) s of frames, from the times of those that have a row; further ones go on at the rate of these."""
    known, first = np.unique(rows["frames"], return_index=True)
    times = rows["times"][first]
    step = float(np.median(np.diff(times) / np.diff(known))) if len(known) > 1 else STEP
    beyond = np.minimum(frames - known[0], 0) + np.maximum(frames - known[-1], 0)
    return np.interp(frames, known, times) + step * beyond


def _apart(example: Example, times: np.ndarray) -> str:
    """Why not one step has a row: frames that are not there, or labels of another time."""
    media = example.video or example.audio
    if example.times is None:
        return f"{example.id}: no frame that is labelled could be read; look into the file {media}"
    spans = [f"{some.min():.1f} to {some.max():.1f} s" for some in (example.times, times)]
    told = f"labels stand at {spans[0]}, but {media} goes from {spans[1]}"
    return f"{example.id}: {told}; times are seconds from its first frame"

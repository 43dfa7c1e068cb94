"""A corpus embedded once: the features that a pipeline hands to its affect model, kept on disk for training."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from avfer.catalog import find
from avfer.config import PipelineSpec, read_pipeline
from avfer.datasets.example import Example
from avfer.errors import ConfigError, DatasetError
from avfer.evaluation.align import align
from avfer.media import probe
from avfer.pipeline import Pipeline
from avfer.stages.predict import PredictAffect
from avfer.types import NO_TRACK, Clip, FaceFeatures, JointFeatures, concat

Rows = FaceFeatures | JointFeatures


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
        self.folder, self.device = folder, device
        self.pipeline = Pipeline(self.spec, device, output=object)
        self._key = hashlib.sha256((self.spec.sha256 + json.dumps(self.pipeline.files)).encode()).hexdigest()

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

    def features(self, example: Example, watch: Callable[[str], None] = lambda _: None) -> Features:
        """The features at the steps of an example, one face a frame. DatasetError where there is no media."""
        media = example.video or example.audio
        if media is None:
            raise DatasetError(f"{example.id} has labels but no video and no sound; look into the corpus' folders")
        sound = example.audio if example.video and example.audio != example.video else None
        path = self.folder / f"{self._name(media, sound)}.npz"
        if not path.exists():
            watch(media.name)
            self._embed(media, sound, path)
        with np.load(path) as stored:
            return at_steps(example, dict(stored))

    def _name(self, media: Path, sound: Path | None) -> str:
        """Of what was embedded: pipeline, weights and files."""
        digest = hashlib.sha256(self._key.encode())
        for file in (media, sound):
            if file is not None:
                stat = file.stat()
                digest.update(f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode())
        return f"{media.stem}-{digest.hexdigest()[:16]}"

    def _embed(self, media: Path, sound: Path | None, path: Path) -> None:
        parts: list[Rows] = list(self.pipeline.values(Clip(media, sound), probe(media)))
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
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, **columns)  # pyright: ignore[reportArgumentType]
        part.replace(path)


def at_steps(example: Example, rows: dict[str, np.ndarray]) -> Features:
    """One row for each step; a step without one holds the last."""
    table = pd.DataFrame({"frame": rows["frames"], "time_s": rows["times"], "track": rows["tracks"]})
    for column, name in enumerate(("face_x1", "face_y1", "face_x2", "face_y2")):
        table[name] = rows["boxes"][:, column]
    table["row"] = np.arange(len(table), dtype=np.float64)
    aligned = align(example, table, ["row"])
    index = aligned.values["row"]
    if np.isnan(index).any():
        raise DatasetError(f"{example.id}: not one frame of it could be read; look into the file {example.video}")
    at = index.astype(np.int64)
    times = example.times if example.times is not None else rows["times"][at]
    has_face = (rows["tracks"][at] != NO_TRACK) & (rows["face"].shape[1] > 0)
    return Features(rows["face"][at], rows["voice"][at], has_face, rows["has_voice"][at], times)

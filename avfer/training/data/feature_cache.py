"""Features of a corpus, computed once by the stages of a pipeline in front of its affect model, and kept on disk."""

import hashlib
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from avfer.affect_track import BOX_COLUMNS
from avfer.catalog import find
from avfer.datasets.example import Example
from avfer.datasets.single_label import spread
from avfer.errors import ConfigError, DatasetError
from avfer.evaluation.alignment import align
from avfer.models.affect.heads import Modality
from avfer.models.affect.temporal import STEP
from avfer.pipeline import Pipeline
from avfer.pipeline_config import PipelineSpec, read_pipeline
from avfer.rows import concat
from avfer.stage import feature_cards
from avfer.stages.predict import PredictAffect
from avfer.training.data.recording_cache import RecordingCache, check_media
from avfer.types import NO_TRACK, Clip, FaceFeatures, JointFeatures

Rows = FaceFeatures | JointFeatures


@dataclass(frozen=True, eq=False)
class SequenceFeatures:
    """Features of face and voice at the T steps of an example."""

    face: np.ndarray  # (T, Df) float32; arbitrary where has_face is False
    voice: np.ndarray  # (T, Dv) float32; 0 where has_voice is False
    has_face: np.ndarray  # (T,) bool
    has_voice: np.ndarray  # (T,) bool
    times: np.ndarray  # (T,) float64 s
    row_step: float = math.nan  # s between two rows of the pipeline, NaN if unknown

    def __len__(self) -> int:
        return len(self.times)

    def present(self, modality: Modality) -> np.ndarray:
        """Return the features of the face (t, Df) or of the voice (t, Dv) at the t steps that have it, float32."""
        return self.face[self.has_face] if modality == "face" else self.voice[self.has_voice]

    def slice(self, steps: slice) -> dict[str, np.ndarray]:
        """Return the features at t steps: face (t, Df), voice (t, Dv), has_face (t,), has_voice (t,), no patches."""
        names = ("face", "voice", "has_face", "has_voice")
        arrays = {name: getattr(self, name)[steps] for name in names}
        return arrays | {"patches": np.zeros((0, 0), np.float32)}


class FeatureCache:
    """Loads the features of examples, or computes them on the first use.

    device: name of the device that computes features.
    """

    def __init__(self, pipeline: str, settings: dict[str, object], folder: Path, device: str) -> None:
        """pipeline, settings: its name and changed options; folder: of the cache. Raises ConfigError."""
        self.pipeline = Pipeline(_before_affect(read_pipeline(pipeline, settings or None)), device, output=object)
        key = hashlib.sha256((self.pipeline.spec.sha256 + json.dumps(self.pipeline.files)).encode()).hexdigest()
        self.cache = RecordingCache(folder, key)

    @property
    def widths(self) -> dict[str, int]:
        """Return the number of features of the "face" and of the "voice", 0 without any."""
        found = {"face": 0, "voice": 0}
        for step in self.pipeline.steps:
            for modality, card in feature_cards(step.stage).items():
                found[modality] = card.width(modality)
        return found

    @property
    def backbones(self) -> dict[str, str]:
        """Return the names of the networks that compute the features, by modality."""
        cards = [feature_cards(step.stage) for step in self.pipeline.steps]
        return {modality: card.name for found in cards for modality, card in found.items()}

    def check(self, examples: list[Example]) -> None:
        """Raise DatasetError if recordings without features in the cache cannot be read."""
        check_media(e for e in examples if not self._is_cached(e))

    def bytes_needed(self, examples: list[Example]) -> int:
        """Return 0: features are small."""
        return 0

    def load(self, example: Example) -> SequenceFeatures:
        """Return the features at the steps of an example, of one face for each frame.

        Raises DatasetError if the example has no media, or if no labelled step matches them.
        """
        clip = _clip(example)
        if clip is None:
            raise DatasetError(f"{example.id} has labels but no video and no audio; check the folders of the corpus")
        path = self._path(clip)
        if not path.exists():
            self._compute(clip, path)
        with np.load(path) as stored:
            return at_steps(example, dict(stored))

    def _is_cached(self, example: Example) -> bool:
        """Return whether the features of an example are on disk and its media still exist."""
        clip = _clip(example)
        files = [path for path in (clip.path, clip.sound) if path is not None] if clip else []
        return clip is not None and all(path.exists() for path in files) and self._path(clip).exists()

    def _path(self, clip: Clip) -> Path:
        """Return the file of the cache for a clip."""
        return self.cache.path(".npz", clip.path, clip.sound)

    def _compute(self, clip: Clip, path: Path) -> None:
        """Run the pipeline on a clip and write the rows of all its faces."""
        parts: list[Rows] = list(self.pipeline.values(clip))
        rows = concat([replace(part, own_outputs=None) if isinstance(part, FaceFeatures) else part for part in parts])
        if isinstance(rows, JointFeatures):
            face, voice, has_voice = rows.face, rows.voice.cpu().numpy(), rows.has_voice
        else:
            count = len(rows.faces)
            face, voice, has_voice = rows.values, np.zeros((count, 0), np.float32), np.zeros(count, bool)
        columns = {
            "face": face.cpu().numpy(),
            "voice": voice,
            "has_voice": has_voice,
            "frames": rows.faces.frames,
            "times": rows.faces.times,
            "tracks": rows.faces.track_ids,
            "boxes": rows.faces.boxes,
        }
        with self.cache.write(path) as file:
            np.savez(file, **columns)  # pyright: ignore[reportArgumentType]


def at_steps(example: Example, rows: dict[str, np.ndarray]) -> SequenceFeatures:
    """Select one row for each step of an example; a step without a row repeats the last one.

    A clip with a label for its whole length has a step at the time of every row.

    rows: columns of N rows: "frames", "times" (N,), "tracks", "boxes" (N, 4), "face", "voice" (N, D), "has_voice".
    Raises DatasetError if no step matches a row. Without any row there is no face and no voice.
    """
    if not len(rows["frames"]):
        return _without_rows(example, rows)
    example = spread(example, np.unique(rows["times"]))
    table = pd.DataFrame({"frame": rows["frames"], "time_s": rows["times"], "track": rows["tracks"]})
    for column, name in enumerate(BOX_COLUMNS):
        table[name] = rows["boxes"][:, column]
    table["row"] = np.arange(len(table), dtype=np.float64)
    aligned = align(replace(example, whole_clip=False), table, ["row"])  # the number of a row has no mean
    index = aligned.values["row"]
    if np.isnan(index).any():
        raise DatasetError(_mismatch(example, rows["times"]))
    at = index.astype(np.int64)
    times = example.times if example.times is not None else _frame_times(cast(np.ndarray, example.frames), rows)
    has_face = (rows["tracks"][at] != NO_TRACK) & (rows["face"].shape[1] > 0)
    return SequenceFeatures(
        rows["face"][at], rows["voice"][at], has_face, rows["has_voice"][at], times, _row_step(rows["times"])
    )


def _before_affect(spec: PipelineSpec) -> PipelineSpec:
    """Return a pipeline without its affect model and what follows. Raises ConfigError if it has none."""
    for number, stage in enumerate(spec.stages):
        if ":" not in stage.use and find("stage", stage.use) is PredictAffect:
            return replace(spec, stages=spec.stages[:number], output=stage.inputs[0])
    raise ConfigError(f"{spec.where} has no stage predict_affect, whose inputs are the features to train on; add it")


def _clip(example: Example) -> Clip | None:
    """Return the media of an example: its video with its audio, if that is another file, or its audio alone."""
    if example.video is None:
        return Clip(example.audio) if example.audio else None
    return Clip(example.video, example.audio if example.audio != example.video else None)


def _without_rows(example: Example, rows: dict[str, np.ndarray]) -> SequenceFeatures:
    """Return steps without face and voice, for a recording in which the pipeline found no instant."""
    steps, missing = len(example), np.zeros(len(example), bool)
    times = example.times if example.times is not None else np.arange(steps) * STEP
    face, voice = (np.zeros((steps, rows[name].shape[1]), np.float32) for name in ("face", "voice"))
    return SequenceFeatures(face, voice, missing, missing, times)


def _frame_times(frames: np.ndarray, rows: dict[str, np.ndarray]) -> np.ndarray:
    """Return the times of frames, (T,) s, from those that have a row; frames beyond continue at the same rate."""
    known, first = np.unique(rows["frames"], return_index=True)
    times = rows["times"][first]
    step = float(np.median(np.diff(times) / np.diff(known))) if len(known) > 1 else STEP
    beyond = np.minimum(frames - known[0], 0) + np.maximum(frames - known[-1], 0)
    return np.interp(frames, known, times) + step * beyond


def _row_step(times: np.ndarray) -> float:
    """Return the seconds between two rows of a pipeline, NaN for a single one.   times: (N,) s of rows with a face

    It is a short gap among all, because frames without a face may be missing.
    """
    gaps = np.diff(np.unique(times))
    return float(np.quantile(gaps, 0.1)) if len(gaps) else math.nan


def _mismatch(example: Example, times: np.ndarray) -> str:
    """Return the message for an example whose labels match no row: unreadable frames, or other times."""
    media = example.video or example.audio
    if example.times is None:
        return f"{example.id}: no labelled frame of {media} could be read; check the file"
    labels, rows = (f"{some.min():.1f} to {some.max():.1f} s" for some in (example.times, times))
    return f"{example.id}: labels cover {labels}, but {media} covers {rows}; times are seconds from its first frame"

"""Audio of recordings at the steps of their labels: features of the voice, or log-mel patches.

Patches are for networks that are trained end to end.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from avfer import stage as stages
from avfer.datasets.example import Example
from avfer.devices import choose_device
from avfer.models.affect.temporal import STEP
from avfer.models.card import Card
from avfer.models.network import VoiceNetwork
from avfer.pipeline_builder import build
from avfer.pipeline_config import PipelineSpec
from avfer.signal.log_mel import BANDS, LOG_MEL, PATCH_FRAMES
from avfer.stages.embed_voice import EmbedVoice
from avfer.stages.voice_series import VoiceSeries
from avfer.training.data.recording_cache import RecordingCache, stage_of, up_to
from avfer.types import Clip, Span, VoiceFeatures

INDEX = ("times", "ends", "silent")  # stored beside the rows: (K,) s, their centres; (2,) s, audio; (K,) bool


@dataclass(frozen=True, eq=False)
class SequenceAudio:
    """Audio at T steps."""

    values: np.ndarray  # (T, D) float32 features; or (T, 1) float64 fractional row numbers of the patches
    has_voice: np.ndarray  # (T,) bool; False outside the audio and in digital silence
    frames: Path | None = None  # (F, 64) float32 log-mel frames of the patches, if the network reads patches
    spacing: int = 0  # frames between the starts of two patches

    @classmethod
    def silent(cls, steps: int, width: int) -> Self:
        """Return `steps` steps without audio, of `width` features."""
        return cls(np.zeros((steps, width), np.float32), np.zeros(steps, bool))

    def slice(self, steps: slice) -> dict[str, np.ndarray]:
        """Return voice (t, D), patches (K, 96, 64) and has_voice (t,) at t steps; positions count from patch 0 of K."""
        values, has_voice = self.values[steps], self.has_voice[steps]
        patches = np.zeros((0, PATCH_FRAMES, BANDS), np.float32)
        if self.frames is not None and has_voice.any():
            first, last = int(values[has_voice].min()), int(np.ceil(values[has_voice].max()))
            frames = np.load(self.frames, mmap_mode="r")[first * self.spacing : last * self.spacing + PATCH_FRAMES]
            patches = to_patches(frames, self.spacing)
            values = np.where(has_voice[:, None], values - first, 0.0)
        return {"voice": values.astype(np.float32), "patches": patches, "has_voice": has_voice}


class FlattenPatches(VoiceNetwork):
    """Outputs patches as rows of numbers."""

    def features(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) -> (N, 6144)."""
        return patches.reshape(len(patches), -1)


@dataclass
class OutputPatches(EmbedVoice):
    """A stage in place of `embed_voice` that outputs the log-mel patches themselves, one row every `hop` seconds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.card = Card(name="log_mel", task="patches", description="", features=PATCH_FRAMES * BANDS)
        self.frames = LOG_MEL

    @property
    def spacing(self) -> int:
        """Return the frames between the starts of two patches, at most the frames of one patch."""
        return min(self._hop_frames, PATCH_FRAMES)

    def load(self, device: torch.device) -> None:
        """Set the device; the network outputs its patches."""
        self.device, self.network = device, FlattenPatches()

    def files(self) -> dict[str, str]:
        """Return no weight files."""
        return {}


def to_patches(frames: np.ndarray, spacing: int) -> np.ndarray:
    """Cut frames into overlapping patches, one every `spacing` frames.   (F, 64) float32 -> (K, 96, 64)."""
    return np.lib.stride_tricks.sliding_window_view(frames, PATCH_FRAMES, 0)[::spacing].transpose(0, 2, 1).copy()


def to_frames(patches: np.ndarray, spacing: int) -> np.ndarray:
    """Join overlapping patches to frames, the inverse of `to_patches`.   (K, 96, 64) float32 -> (F, 64)."""
    return np.concatenate([patches[:-1, :spacing].reshape(-1, BANDS), patches[-1:].reshape(-1, BANDS)])


class AudioCache:
    """Loads the audio of examples, or computes it by a pipeline up to `embed_voice` on the first use.

    spec: the pipeline; device: name of the device that computes features.
    """

    def __init__(self, spec: PipelineSpec, patches: bool, folder: Path, device: str) -> None:
        """patches: log-mel patches in place of features; folder: of the cache. Raises ConfigError, WeightsError."""
        voice = stage_of(spec, EmbedVoice)
        if patches:
            options = {name: value for name, value in voice.options.items() if name == "hop"}
            voice = replace(voice, use="avfer.training.data.audio_cache:OutputPatches", options=options)
        self.chunk = spec.chunk
        self.steps = build(up_to(spec, voice), object)
        stage: EmbedVoice = next(step.stage for step in self.steps if step.name == voice.name)
        stage.load(choose_device(device))
        self.spacing = stage.spacing if isinstance(stage, OutputPatches) else 0
        self.card: Card = stage.card
        made_by = json.dumps([[step.name, str(step.stage)] for step in self.steps]) + json.dumps([stage.files(), INDEX])
        self.cache = RecordingCache(folder, hashlib.sha256(made_by.encode()).hexdigest())

    @property
    def width(self) -> int:
        """Return the columns of `SequenceAudio.values`."""
        return 1 if self.spacing else self.card.width("voice")

    def load(self, example: Example, times: np.ndarray) -> SequenceAudio:
        """Return the audio of an example at `times`, (T,) s; silence if it has no media.

        As in a pipeline, there is no voice in digital silence.
        """
        media = example.video or example.audio
        if media is None:
            return SequenceAudio.silent(len(times), self.width)
        index, rows = self._files(example, media)
        with np.load(index) as stored:
            centres, (start, stop), silent = stored["times"], stored["ends"].tolist(), stored["silent"]
        values = torch.arange(len(centres)).double()[:, None] if self.spacing else torch.from_numpy(np.load(rows))
        at_times, has_voice = VoiceSeries(values, centres, start, stop, last=True, silent=silent).at(times)
        return SequenceAudio(at_times.numpy(), has_voice, rows if self.spacing else None, self.spacing)

    def instants(self, example: Example) -> np.ndarray:
        """Return the times of the rows of the pipeline `voice` for an example with media, STEP apart, (T,) s."""
        media = example.video or example.audio
        assert media is not None, "an example without media has no audio"
        with np.load(self._files(example, media)[0]) as stored:
            start, stop = stored["ends"].tolist()
        return np.arange(start, max(stop, start + STEP), STEP)

    def _files(self, example: Example, media: Path) -> tuple[Path, Path]:
        """Return the files with the index and the rows of the audio of an example; compute them on the first use."""
        audio = example.audio if example.video and example.audio != example.video else None
        suffixes = ".voice.npz", ".frames.npy" if self.spacing else ".voice.npy"
        index, rows = (self.cache.path(suffix, media, audio) for suffix in suffixes)
        if not index.exists():
            self._compute(Clip(media, audio), index, rows)
        return index, rows

    def _compute(self, clip: Clip, index: Path, rows: Path) -> None:
        """Write the rows of a recording, then their index."""
        parts = self.parts(clip)
        values = torch.cat([part.values for part in parts]).cpu().numpy()
        with self.cache.write(rows) as file:
            np.save(file, to_frames(values.reshape(-1, PATCH_FRAMES, BANDS), self.spacing) if self.spacing else values)
        with self.cache.write(index) as file:
            times, silent = (np.concatenate([getattr(part, name) for part in parts]) for name in ("times", "silent"))
            ends = np.array([parts[-1].start, parts[-1].stop])
            np.savez(file, **dict(zip(INDEX, (times, ends, silent), strict=True)))  # pyright: ignore[reportArgumentType]

    @torch.inference_mode()
    def parts(self, clip: Clip) -> list[VoiceFeatures]:
        """Run the stages on a clip, chunk by chunk; return the rows of each chunk."""
        states = {step.name: stages.start(step.stage) for step in self.steps}
        parts: list[VoiceFeatures] = []
        for i in count():
            values: dict[str, object] = {"span": Span(clip, i * self.chunk, (i + 1) * self.chunk)}
            for step in self.steps:
                inputs = [values[name] for name in step.inputs]
                states[step.name], values[step.name] = stages.run(step.stage, states[step.name], inputs)
            last = values[self.steps[-1].name]
            assert isinstance(last, VoiceFeatures)
            parts.append(last)
            if last.last:
                break
        return parts

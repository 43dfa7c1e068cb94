"""The sound of recordings at the steps of their labels: features of the voice, or patches for a network that learns."""

import hashlib
import json
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Self

import numpy as np
import torch

from avfer import stage as stages
from avfer.datasets.example import Example
from avfer.models.card import Card
from avfer.pipeline import choose_device
from avfer.pipeline_builder import build
from avfer.pipeline_config import PipelineSpec
from avfer.signal.log_mel import BANDS, PATCH_FRAMES
from avfer.stages.embed_voice import EmbedVoice
from avfer.stages.join import VoiceSeries
from avfer.training.keep import KeepPatches
from avfer.training.kept import Kept, line_of, up_to
from avfer.types import Clip, Span, VoiceFeatures


@dataclass(frozen=True, eq=False)
class Heard:
    """What is heard at T steps."""

    values: np.ndarray  # (T, D) float32 features; or (T, 1) float64, the place of the step among the patches
    there: np.ndarray  # (T,) bool
    frames: Path | None = None  # (F, 64) float32 log-mel, where the network hears their patches itself
    apart: int = 0  # frames from a patch to the next

    @classmethod
    def nothing(cls, steps: int, width: int) -> Self:
        """Silence."""
        return cls(np.zeros((steps, width), np.float32), np.zeros(steps, bool))

    def cut(self, part: slice) -> dict[str, np.ndarray]:
        """The steps of a slice; the places among the patches count from the first one that they reach."""
        values, there = self.values[part], self.there[part]
        sound = np.zeros((0, PATCH_FRAMES, BANDS), np.float32)
        if self.frames is not None and there.any():
            first, last = int(values[there].min()), int(np.ceil(values[there].max()))
            frames = np.load(self.frames, mmap_mode="r")[first * self.apart : last * self.apart + PATCH_FRAMES]
            sound = patches_of(frames, self.apart)
            values = np.where(there[:, None], values - first, 0.0)
        return {"voice": values.astype(np.float32), "sound": sound, "has_voice": there}


def patches_of(frames: np.ndarray, apart: int) -> np.ndarray:
    """(F, 64) -> (K, 96, 64): a patch begins every `apart` frames."""
    return np.lib.stride_tricks.sliding_window_view(frames, PATCH_FRAMES, 0)[::apart].transpose(0, 2, 1).copy()


def frames_of(patches: np.ndarray, apart: int) -> np.ndarray:
    """(K, 96, 64) -> (F, 64): what patches share is kept once."""
    return np.concatenate([patches[:-1, :apart].reshape(-1, BANDS), patches[-1:].reshape(-1, BANDS)])


class Listener:
    """Hears recordings by the stages of a pipeline up to `embed_voice`, or finds them in its folder."""

    def __init__(self, spec: PipelineSpec, patches: bool, folder: Path, device: str) -> None:
        line = line_of(spec, EmbedVoice)
        if patches:
            options = {name: value for name, value in line.options.items() if name == "hop"}
            line = replace(line, use="avfer.training.keep:KeepPatches", options=options)
        self.chunk = spec.chunk
        self.steps = build(up_to(spec, line), object)
        stage: EmbedVoice = next(step.stage for step in self.steps if step.name == line.name)
        stage.load(choose_device(device))
        self.apart = stage.apart if isinstance(stage, KeepPatches) else 0
        self.card: Card = stage.card
        made = json.dumps([[step.name, str(step.stage)] for step in self.steps]) + json.dumps(stage.files())
        self.kept = Kept(folder, hashlib.sha256(made.encode()).hexdigest())

    @property
    def width(self) -> int:
        """Of `Heard.values`."""
        return 1 if self.apart else self.card.width("voice")

    def hear(self, example: Example, times: np.ndarray) -> Heard:
        """The sound of an example at `times` (T,) s."""
        media = example.video or example.audio
        if media is None:
            return Heard.nothing(len(times), self.width)
        sound = example.audio if example.video and example.audio != example.video else None
        endings = ".voice.npz", ".frames.npy" if self.apart else ".voice.npy"
        told, rows = (self.kept.path(ending, media, sound) for ending in endings)
        if not told.exists():
            self._listen(Clip(media, sound), told, rows)
        with np.load(told) as stored:
            centres, (start, stop) = stored["times"], stored["ends"].tolist()
        values = torch.arange(len(centres)).double()[:, None] if self.apart else torch.from_numpy(np.load(rows))
        at, there = VoiceSeries(values, centres, start, stop, last=True).at(times)
        return Heard(at.numpy(), there, rows if self.apart else None, self.apart)

    def _listen(self, clip: Clip, told: Path, rows: Path) -> None:
        """Write the rows of a recording, then their times and where its sound begins and ends."""
        parts = self._parts(clip)
        values = torch.cat([part.values for part in parts]).cpu().numpy()
        with self.kept.whole(rows) as file:
            np.save(file, frames_of(values.reshape(-1, PATCH_FRAMES, BANDS), self.apart) if self.apart else values)
        with self.kept.whole(told) as file:
            times = np.concatenate([part.times for part in parts])
            np.savez(file, times=times, ends=np.array([parts[-1].start, parts[-1].stop]))

    @torch.inference_mode()
    def _parts(self, clip: Clip) -> list[VoiceFeatures]:
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

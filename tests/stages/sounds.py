"""Sounds for tests, cut into chunks at any sample, and an embed_voice stage with a small network."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avfer.models.backbones.vggish import VggishLite
from avfer.models.card import Card
from avfer.models.weights import save
from avfer.stages.embed_voice import EmbedVoice
from avfer.types import AudioBatch, VoiceFeatures

RATE = 16_000
WIDTH = 6  # features of the small network


def small_embed_voice(folder: Path, **options: float) -> EmbedVoice:
    """Return embed_voice with a small network of random weights."""
    torch.manual_seed(1)
    shape = {"widths": (4, 4, 4, 4, 4), "num_features": WIDTH}
    card = Card(name="vggish_lite", task="test", description="random", options=shape, features=WIDTH)
    path = save(VggishLite(**shape), card, folder / "vggish_lite.safetensors")
    stage = EmbedVoice("vggish_lite", weights=str(path), **options)
    stage.load(torch.device("cpu"))
    return stage


def noise(seconds: float, seed: int = 0) -> Tensor:
    """Return sound that never repeats: (S,) float32."""
    samples = round(seconds * RATE)
    swell = torch.linspace(0, 40, samples).sin()
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed)) * 0.1 * swell


def chunks(wave: Tensor, cuts: list[int], start: float = 0.0, clip_stop: float | None = None) -> list[AudioBatch]:
    """Return the sound cut at these samples.   wave: (S,)"""
    borders = [0, *sorted(min(cut, len(wave)) for cut in cuts), len(wave)]
    return [
        AudioBatch(
            wave[None, a:b],
            RATE,
            start + a / RATE,
            a,
            last=(last := i == len(borders) - 2),
            clip_stop=clip_stop if last else None,
        )
        for i, (a, b) in enumerate(pairwise(borders))
    ]


def embed(stage: EmbedVoice, sounds: list[AudioBatch]) -> list[VoiceFeatures]:
    """Return the output of the stage for each chunk."""
    state, outputs = stage.start(), list[VoiceFeatures]()
    for sound in sounds:
        state, features = stage.step(state, sound)
        outputs.append(features)
    return outputs


def whole(parts: list[VoiceFeatures]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of all chunks: values (N, D) and times (N,) s."""
    return torch.cat([p.values for p in parts]).numpy(), np.concatenate([p.times for p in parts])

"""Features brought to mean 0 and spread 1 over the recordings that are learned from."""

import numpy as np
import torch
from torch import nn

from avfer.models.affect.projection import Projection
from avfer.training.sequences import Recording

DEAD = 1e-3  # of the median spread of the features


def standardise(model: nn.Module, recordings: list[Recording]) -> None:
    """Tell the projections of a model ("face", "voice") the mean and spread of what they read."""
    for name, layer in model.named_modules():
        if isinstance(layer, Projection):
            mean, gain = _moments(recordings, name.rpartition(".")[2])
            layer.centre.copy_(torch.from_numpy(mean))
            layer.gain.copy_(torch.from_numpy(gain))


def gains(spread: np.ndarray) -> np.ndarray:
    """(D,) factors that bring each spread to 1; 0 for a feature that is dead here: elsewhere it may be alive."""
    alive = spread[spread > 0]
    read = spread >= (DEAD * np.median(alive) if len(alive) else np.inf)
    return np.divide(1.0, spread, out=np.zeros_like(spread), where=read)


def _moments(recordings: list[Recording], modality: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and gain (D,) of a modality over the steps that have it, recording by recording: they may be many."""
    there = [getattr(r.features, modality)[getattr(r.features, f"has_{modality}")] for r in recordings]
    count = max(sum(map(len, there)), 1)
    mean = np.sum([x.sum(0, dtype=np.float64) for x in there], 0) / count
    variance = np.sum([np.square(x - mean).sum(0) for x in there], 0) / count
    return mean, gains(np.sqrt(variance))

"""RAVDESS speech as arrays: sounds, labels and where the voice is (see the data's own README for its layout)."""

import csv
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from avfer.signal.log_mel import PATCH_FRAMES, log_mel

EMOTIONS = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
NAMES = dict(
    zip(("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"), EMOTIONS, strict=True)
)
QUIET = 25.0  # dB under the loudest frame: less is not voice


@dataclass(frozen=True)
class Utterance:
    """One sentence of one speaker."""

    wave: Tensor  # (S,) float32, 16 kHz
    emotion: int  # index in EMOTIONS
    strong: bool  # the intensity asked of the actor
    speaker: str
    file: str


def load_utterances(root: Path, split: str) -> list[Utterance]:
    """All sentences of a split, without the one known duplicate."""
    with (root / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split and not row["duplicate_of"]]
    return [
        Utterance(
            read_sound(root / row["file"]),
            EMOTIONS.index(NAMES[row["emotion"]]),
            row["intensity"] == "strong",
            row["speaker"],
            row["file"],
        )
        for row in rows
    ]


def read_sound(path: Path) -> Tensor:
    """A 16-bit mono file as (S,) float32 in [-1, 1]."""
    with av.open(str(path)) as media:
        parts = [frame.to_ndarray().reshape(-1) for frame in media.decode(audio=0)]
    return torch.from_numpy(np.concatenate(parts).astype(np.float32) / 32768)


def at_speed(wave: Tensor, speed: float) -> Tensor:
    """The sound played faster or slower, which moves its pitch as well."""
    steps = np.arange(0, len(wave) - 1, speed)
    return torch.from_numpy(np.interp(steps, np.arange(len(wave)), wave.numpy()).astype(np.float32))


def voiced(frames: Tensor) -> tuple[int, int]:
    """First frame with voice and the one after the last.   frames: (F, 64) log-mel"""
    level = 20 * torch.log10((frames.exp() - 0.01).clamp(min=1e-6).pow(2).sum(1).sqrt())
    loud = (level > level.max() - QUIET).nonzero().flatten()
    return int(loud[0]), int(loud[-1]) + 1


def patches_of(frames: Tensor, hop: int) -> tuple[Tensor, Tensor]:
    """Every patch of a sentence at a hop in frames: (P, 1, 96, 64), and whether its centre lies in the voice (P,)."""
    patches = frames.unfold(0, PATCH_FRAMES, hop).transpose(1, 2)[:, None]
    centres = torch.arange(len(patches)) * hop + PATCH_FRAMES // 2
    first, stop = voiced(frames)
    return patches, (centres >= first) & (centres < stop)


def log_mels(utterances: list[Utterance], speed: float = 1.0) -> list[Tensor]:
    """Log-mel frames (F, 64) of each sentence."""
    return [log_mel(u.wave if speed == 1 else at_speed(u.wave, speed)) for u in utterances]

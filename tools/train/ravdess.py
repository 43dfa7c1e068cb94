"""Load RAVDESS speech: waveforms, labels, log-mel patches and the position of the voice.

Livingstone and Russo 2018, doi:10.1371/journal.pone.0196391. The folder holds labels.csv (columns file, split, speaker,
emotion, intensity, duplicate_of) and audio/.
"""

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
QUIET = 25.0  # dB below the loudest frame; quieter frames are not voice


@dataclass(frozen=True)
class Utterance:
    """One sentence of one speaker."""

    wave: Tensor  # (S,) float32, 16 kHz
    emotion: int  # index in EMOTIONS
    strong: bool  # acted with strong intensity
    speaker: str
    file: str


def load_utterances(root: Path, split: str) -> list[Utterance]:
    """Return the sentences of a split ("train", "valid" or "test"), without the one known duplicate."""
    with (root / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split and not row["duplicate_of"]]
    return [
        Utterance(
            read_wave(root / row["file"]),
            EMOTIONS.index(NAMES[row["emotion"]]),
            row["intensity"] == "strong",
            row["speaker"],
            row["file"],
        )
        for row in rows
    ]


def read_wave(path: Path) -> Tensor:
    """Read a 16-bit mono file: -> (S,) float32 in [-1, 1]."""
    with av.open(str(path)) as media:
        parts = [frame.to_ndarray().reshape(-1) for frame in media.decode(audio=0)]
    return torch.from_numpy(np.concatenate(parts).astype(np.float32) / 32768)


def at_speed(wave: Tensor, speed: float) -> Tensor:
    """Play a waveform faster or slower, which changes its pitch as well: (S,) -> (S / speed,) float32."""
    steps = np.arange(0, len(wave) - 1, speed)
    return torch.from_numpy(np.interp(steps, np.arange(len(wave)), wave.numpy()).astype(np.float32))


def voiced(frames: Tensor) -> tuple[int, int]:
    """Return the first frame with voice and the one after the last.   frames: (F, 64) float32 log-mel"""
    level = 20 * torch.log10((frames.exp() - 0.01).clamp(min=1e-6).pow(2).sum(1).sqrt())
    loud = (level > level.max() - QUIET).nonzero().flatten()
    return int(loud[0]), int(loud[-1]) + 1


def patches_of(frames: Tensor, hop: int) -> tuple[Tensor, Tensor]:
    """Cut a sentence into patches: (F, 64) log-mel -> (P, 1, 96, 64) float32, (P,) bool.

    hop: frames between two patches. The flags are True where the centre of a patch is voiced.
    """
    patches = frames.unfold(0, PATCH_FRAMES, hop).transpose(1, 2)[:, None]
    centres = torch.arange(len(patches)) * hop + PATCH_FRAMES // 2
    first, stop = voiced(frames)
    return patches, (centres >= first) & (centres < stop)


def log_mels(utterances: list[Utterance], speed: float = 1.0) -> list[Tensor]:
    """Return the log-mel frames of each sentence, (F, 64) float32, played at a speed."""
    return [log_mel(u.wave if speed == 1 else at_speed(u.wave, speed)) for u in utterances]

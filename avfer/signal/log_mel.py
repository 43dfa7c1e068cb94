"""The log-mel front end of VGGish (Hershey et al., ICASSP 2017), in float64 inside.

16 kHz sound is cut into frames of 25 ms every 10 ms, and each frame becomes 64 mel bands; 96 frames are a patch.
Frames are computed in blocks of a fixed size, counted from the start of the sound, because the last bits of a
transform depend on how many rows it is given: so a value does not depend on where the sound was cut.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

SAMPLE_RATE = 16_000  # Hz
FRAME, HOP, FFT = 400, 160, 512  # samples
BANDS, LOWEST, HIGHEST = 64, 125.0, 7500.0  # mel bands between two frequencies in Hz
OFFSET = 0.01  # keeps the logarithm of silence finite
PATCH_FRAMES = 96
PATCH = FRAME + (PATCH_FRAMES - 1) * HOP  # samples that one patch has heard: 15,600
BLOCK = 64  # frames computed at once


def log_mel(wave: Tensor) -> Tensor:
    """Sound of 16 kHz (S,) in [-1, 1] -> frames (F, 64) float32; F = 1 + (S - 400) // 160, the tail is dropped."""
    frames = num_frames(len(wave))
    if not frames:
        return torch.zeros(0, BANDS)
    blocks = -(-frames // BLOCK)
    wave = F.pad(wave, (0, max(0, block_stop(blocks - 1) - len(wave))))
    return torch.cat([log_mel_block(wave[block_start(i) : block_stop(i)]) for i in range(blocks)])[:frames]


def log_mel_block(wave: Tensor) -> Tensor:
    """The samples of one block (BLOCK * 160 + 240,) -> (BLOCK, 64) float32."""
    frames = wave.double().unfold(0, FRAME, HOP) * _window()
    spectrum = torch.fft.rfft(frames, FFT).abs()
    return torch.log(spectrum @ mel_matrix() + OFFSET).float()


def num_frames(samples: int) -> int:
    """Whole frames in that many samples."""
    return max(0, 1 + (samples - FRAME) // HOP)


def block_start(block: int) -> int:
    """First sample of a block."""
    return block * BLOCK * HOP


def block_stop(block: int) -> int:
    """Sample after the last one that a block hears; the next block begins before it."""
    return block_start(block + 1) - HOP + FRAME


@cache
def mel_matrix() -> Tensor:
    """(257, 64) float64: HTK mel bands with slopes linear in mel, and no share of the constant part."""
    bins = _mel(torch.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1, dtype=torch.float64))[:, None]
    low, high = _mel(torch.tensor([LOWEST, HIGHEST], dtype=torch.float64)).tolist()
    edges = torch.linspace(low, high, BANDS + 2, dtype=torch.float64)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    weights = torch.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)).clamp(min=0)
    weights[0] = 0
    return weights


def _mel(frequency: Tensor) -> Tensor:
    return 1127 * torch.log1p(frequency / 700)


@cache
def _window() -> Tensor:
    return torch.hann_window(FRAME, periodic=True, dtype=torch.float64)

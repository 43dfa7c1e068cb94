"""The log-mel front end of VGGish (Hershey et al., ICASSP 2017), in float64 inside.

16 kHz sound is cut into frames of 25 ms every 10 ms, and each frame becomes 64 mel bands; 96 frames are a patch.
The last bits of a Fourier transform depend on the number of rows it is computed for. Frames are therefore computed in
blocks of a fixed size, counted from the start of the sound, and no value depends on where the sound was cut.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

SAMPLE_RATE = 16_000  # Hz
FRAME, HOP, FFT = 400, 160, 512  # samples
BANDS, LOWEST, HIGHEST = 64, 125.0, 7500.0  # mel bands between two frequencies in Hz
OFFSET = 0.01  # keeps the logarithm of silence finite
SILENT_ENERGY = OFFSET / 2  # mel energy that digital silence does not exceed; noise of -82 dB (full scale: 0) has more
PATCH_FRAMES = 96
PATCH = FRAME + (PATCH_FRAMES - 1) * HOP  # samples that one patch covers: 15,600
BLOCK = 64  # frames computed at once


@dataclass(frozen=True)
class SoundFrames:
    """The frames that a voice network reads, one every 10 ms."""

    columns: int  # values of a frame; the first 64 are the log-mel bands
    reach: int  # samples that a frame is computed from, from its first one on
    block: Callable[[Tensor], Tensor]  # (stop,) samples in [-1, 1] -> (BLOCK, columns) float32

    @property
    def stop(self) -> int:
        """The number of samples that a block is computed from; blocks begin every BLOCK * HOP samples."""
        return (BLOCK - 1) * HOP + self.reach

    def of(self, wave: Tensor) -> Tensor:
        """Return all frames of a sound.

        wave: (S,) in [-1, 1], 16 kHz -> (F, columns) float32 with F = 1 + (S - 400) // 160; samples at the end that
        fill no frame are dropped, and silence follows the last sample.
        """
        frames, stride = num_frames(len(wave)), BLOCK * HOP
        if not frames:
            return torch.zeros(0, self.columns)
        blocks = -(-frames // BLOCK)
        wave = F.pad(wave, (0, max(0, (blocks - 1) * stride + self.stop - len(wave))))
        return torch.cat([self.block(wave[i * stride : i * stride + self.stop]) for i in range(blocks)])[:frames]


def log_mel(wave: Tensor) -> Tensor:
    """Return the log-mel frames of a sound: the logarithm of the mel energies plus 0.01.

    wave: (S,) in [-1, 1], 16 kHz -> (F, 64) float32 with F = 1 + (S - 400) // 160; samples at the end that fill no
    frame are dropped.
    """
    return LOG_MEL.of(wave)


def log_mel_block(wave: Tensor) -> Tensor:
    """Return the frames of one block.   wave: (BLOCK * 160 + 240,) in [-1, 1] -> (BLOCK, 64) float32"""
    frames = wave.double().unfold(0, FRAME, HOP) * _window()
    spectrum = torch.fft.rfft(frames, FFT).abs()
    return torch.log(spectrum @ mel_matrix() + OFFSET).float()


def is_silent(patches: Tensor) -> Tensor:
    """Return which patches are digital silence, far below the noise of any microphone.   (N, F, 64) -> (N,) bool"""
    return patches.amax((1, 2)) <= math.log(OFFSET + SILENT_ENERGY)


def num_frames(samples: int) -> int:
    """Return the number of whole frames in a number of samples."""
    return max(0, 1 + (samples - FRAME) // HOP)


@cache
def mel_matrix() -> Tensor:
    """Return the weights of 257 spectral bins in 64 mel bands: (257, 64) float64.

    HTK's mel scale, triangles whose slopes are linear in mel, and weight 0 for the constant part.
    """
    bins = _mel(torch.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1, dtype=torch.float64))[:, None]
    low, high = _mel(torch.tensor([LOWEST, HIGHEST], dtype=torch.float64)).tolist()
    edges = torch.linspace(low, high, BANDS + 2, dtype=torch.float64)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    weights = torch.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)).clamp(min=0)
    weights[0] = 0
    return weights


def _mel(frequency: Tensor) -> Tensor:
    """HTK's mel scale.   frequency: (...) Hz -> (...) mel"""
    return 1127 * torch.log1p(frequency / 700)


@cache
def _window() -> Tensor:
    return torch.hann_window(FRAME, periodic=True, dtype=torch.float64)


LOG_MEL = SoundFrames(BANDS, FRAME, log_mel_block)

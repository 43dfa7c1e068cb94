"""Frames of sound with pitch: the log-mel bands of VGGish, then pitch, periodicity and levels of bands up to 4 kHz.

A frame is computed every 10 ms, in float64 and in blocks of a fixed size, as in `avfer.signal.log_mel`, so that no
value depends on where the sound was cut. Pitch is found by normalised cross-correlation (Talkin 1995, "A robust
algorithm for pitch tracking (RAPT)") and, of several peaks, the shortest of those that are nearly as high as the best
is preferred (the octave cost of Boersma 1993, "Accurate short-term analysis of the fundamental frequency").
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.signal import log_mel
from avfer.signal.log_mel import BANDS, FFT, FRAME, HOP, LOG_MEL, SAMPLE_RATE, SoundFrames

LOWEST_PITCH, HIGHEST_PITCH = 60.0, 500.0  # Hz
REFERENCE = 27.5  # Hz, 0 semitones, as in GeMAPS (Eyben et al. 2016)
SHORTEST, LONGEST = (round(SAMPLE_RATE / hertz) for hertz in (HIGHEST_PITCH, LOWEST_PITCH))  # samples, their lags
REACH = FRAME + LONGEST + 1  # samples that the pitch of a frame is computed from, from the first of the frame on
OCTAVE_COST = 0.05  # subtracted from the correlation for every octave of the lag
NO_PEAK_COST = 4.0  # subtracted at lags that are no peak; the scores of two peaks differ by less
QUIETEST = 1e-9  # mean square per sample that counts as silence: -90 dB
EDGES = (50, 150, 250, 350, 500, 650, 800, 1000, 1250, 1500, 1750, 2000, 2300, 2600, 3000, 3400, 4000)  # Hz
NUM_LEVELS = len(EDGES) - 1
SEMITONES, PERIODICITY, LEVELS = BANDS, BANDS + 1, BANDS + 2  # first columns of the three parts after the log-mel bands
COLUMNS = LEVELS + NUM_LEVELS


def voice_frames(wave: Tensor) -> Tensor:
    """Return the frames of a sound.

    wave: (S,) in [-1, 1], 16 kHz -> (F, 82) float32 with F = 1 + (S - 400) // 160: 64 log-mel bands, pitch in semitones
    above 27.5 Hz, periodicity in [0, 1] (1: the frame repeats itself exactly), and the levels of 16 bands in dB (0: a
    sine of full scale). Pitch means nothing where periodicity is low.
    """
    return VOICE_FRAMES.of(wave)


def voice_block(wave: Tensor) -> Tensor:
    """Return the frames of one block.   wave: (BLOCK * 160 + 508,) in [-1, 1] -> (BLOCK, 82) float32"""
    samples = wave.double()
    mel = log_mel.log_mel_block(wave[: LOG_MEL.stop])
    pitch = _pitch(samples.unfold(0, REACH, HOP))
    return torch.cat([mel, pitch.float(), _levels(samples[: LOG_MEL.stop]).float()], 1)


def _pitch(frames: Tensor) -> Tensor:
    """Return semitones and periodicity of frames: (N, REACH) float64 -> (N, 2)."""
    frames = frames - frames.mean(1, keepdim=True)
    size = 1 << (REACH - 1).bit_length()  # the longest lag ends inside, so that no product wraps around
    spectrum = torch.fft.rfft(frames[:, :FRAME], size).conj() * torch.fft.rfft(frames, size)
    product = torch.fft.irfft(spectrum, size)[:, SHORTEST - 1 : LONGEST + 2]  # a lag more on each side, for peaks
    squares = F.pad(frames.square().cumsum(1), (1, 0))
    lags = torch.arange(SHORTEST - 1, LONGEST + 2)
    frame_energy = squares[:, FRAME, None] + FRAME * QUIETEST
    lagged_energy = squares[:, lags + FRAME] - squares[:, lags] + FRAME * QUIETEST
    correlation = product / (frame_energy * lagged_energy).sqrt()
    before, here, after = correlation[:, :-2], correlation[:, 1:-1], correlation[:, 2:]
    cost = OCTAVE_COST * torch.log2(lags[1:-1] / SHORTEST)
    score = torch.where((here >= before) & (here >= after), here - cost, here - cost - NO_PEAK_COST)
    best = score.argmax(1, keepdim=True)
    left, middle, right = (part.gather(1, best)[:, 0] for part in (before, here, after))
    bend = left - 2 * middle + right
    shift = torch.where(bend < 0, 0.5 * (left - right) / bend.clamp(max=-1e-9), 0.0).clamp(-0.5, 0.5)
    lag = best[:, 0] + SHORTEST + shift
    return torch.stack([12 * torch.log2(SAMPLE_RATE / lag / REFERENCE), middle.clamp(0, 1)], 1)


def _levels(samples: Tensor) -> Tensor:
    """Return the levels of the bands in dB: (S,) float64 -> (N, NUM_LEVELS)."""
    power = torch.fft.rfft(samples.unfold(0, FRAME, HOP) * _window(), FFT).abs().square()
    return 10 * torch.log10(power @ _band_matrix() + QUIETEST)


@cache
def _window() -> Tensor:
    """Return a Hann window, scaled so that the power of a sine of full scale sums to 1: (FRAME,) float64."""
    window = torch.hann_window(FRAME, periodic=True, dtype=torch.float64)
    return window * math.sqrt(4 / (FFT * window.square().sum().item()))


@cache
def _band_matrix() -> Tensor:
    """Return which bins belong to which band: (257, NUM_LEVELS) float64, 0 or 1."""
    bins = torch.arange(FFT // 2 + 1, dtype=torch.float64)[:, None] * SAMPLE_RATE / FFT
    edges = torch.tensor(EDGES, dtype=torch.float64)
    return ((bins >= edges[:-1]) & (bins < edges[1:])).double()


VOICE_FRAMES = SoundFrames(COLUMNS, REACH, voice_block)

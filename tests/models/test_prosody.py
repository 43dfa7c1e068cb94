"""prosody: its numbers follow loudness, timbre and rhythm, each its own."""

import math

import pytest
import torch

import avfer
from avfer.models.backbones.prosody import RANKS, TIMBRE, Prosody

LOUDNESS = slice(0, len(RANKS))
SPECTRUM = slice(len(RANKS), len(RANKS) + TIMBRE)
PACE = slice(SPECTRUM.stop, SPECTRUM.stop + 2)
RHYTHM = slice(PACE.stop, None)


def voice(syllables: float = 4.0, tilt: float = 0.0, level: float = 0.0) -> torch.Tensor:
    """(1, 1, 96, 64) log-mel of a voice with so many syllables a second, `level` in dB, tilt in dB over the bands."""
    time, band = torch.arange(96) / 100, torch.linspace(-0.5, 0.5, 64)
    envelope = 0.05 + torch.sin(math.pi * syllables * time).square()
    gains = 10 ** ((level + tilt * band) / 20)
    return torch.log(envelope[:, None] * gains + 1e-6)[None, None]


def described(**changes: float) -> torch.Tensor:
    return Prosody().describe(voice(**changes))[0]


def test_a_louder_voice_moves_all_loudness_by_as_much_and_nothing_else():
    moved = described(level=12.0) - described()
    assert moved[LOUDNESS] == pytest.approx(12 * math.log(10) / 20, abs=1e-3)
    assert moved[LOUDNESS.stop :].abs().max() < 1e-3


def test_brightness_changes_the_spectrum_of_loud_frames_at_any_level():
    slope = described(tilt=20.0, level=-6.0)[SPECTRUM]
    assert (slope.diff() > 0).all()
    assert slope.sum().item() == pytest.approx(0, abs=1e-4)
    assert slope == pytest.approx(described(tilt=20.0)[SPECTRUM], abs=1e-3)


def test_faster_speech_changes_more_and_moves_its_rhythm_up():
    slow, fast = described(syllables=4.0), described(syllables=8.0)
    assert (fast[PACE] > slow[PACE] * 1.5).all()
    assert slow[RHYTHM].argmax() == 1 and fast[RHYTHM].argmax() == 3


def test_pauses_change_the_quiet_ranks_alone():
    broken = voice(level=6.0)
    broken[:, :, :20] = math.log(1e-3)
    moved = Prosody().describe(broken)[0] - described(level=6.0)
    assert moved[0] < -2 and moved[3].abs() < 0.3


def test_silence_and_any_batch_give_finite_numbers_of_the_patch_alone():
    model = avfer.create("prosody", weights="builtin")
    patches = torch.cat([voice(), torch.full((1, 1, 96, 64), math.log(0.01)), voice(syllables=7.0)])
    features = model.features(patches)
    assert features.isfinite().all()
    assert torch.allclose(features[2], model.features(patches[2:])[0], atol=1e-5)

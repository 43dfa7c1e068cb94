"""Frames with pitch: the pitch of known sounds, and values that do not depend on cuts, level or codec."""

import math

import numpy as np
import pytest
import torch

from avfer.signal.log_mel import log_mel
from avfer.signal.voice_frames import (
    EDGES,
    LEVELS,
    LONGEST,
    PERIODICITY,
    REFERENCE,
    SEMITONES,
    SHORTEST,
    VOICE_FRAMES,
    _band_matrix,
    voice_block,
    voice_frames,
)

TIME = torch.arange(8000) / 16_000


def voice(hertz: float) -> torch.Tensor:
    """Half a second of a sound with twelve harmonics that fall by 6 dB an octave: (8000,)."""
    harmonics = range(1, max(2, min(13, int(7000 / hertz))))
    return 0.1 * sum((torch.sin(2 * math.pi * hertz * k * TIME) / k for k in harmonics), torch.zeros(8000))


def octaves_off(wave: torch.Tensor, hertz: float) -> torch.Tensor:
    frames = voice_frames(wave)[2:-5]
    return (frames[:, SEMITONES] / 12 - math.log2(hertz / REFERENCE)).abs()


@pytest.mark.parametrize("hertz", [62, 85, 120, 190, 260, 400, 490])
def test_the_pitch_of_a_harmonic_sound_is_found_within_a_tenth_of_a_semitone(hertz):
    assert octaves_off(voice(hertz), hertz).max() < 0.1 / 12
    assert voice_frames(voice(hertz))[2:-5, PERIODICITY].min() > 0.9


@pytest.mark.parametrize("change", ["gain", "noise", "telephone", "no fundamental"])
@pytest.mark.parametrize("hertz", [90, 180, 320])
def test_gain_noise_and_telephone_bands_leave_the_pitch_in_its_octave(hertz, change):
    wave = voice(hertz)
    noise = torch.randn(8000, generator=torch.Generator().manual_seed(0))
    spectrum, bins = torch.fft.rfft(wave), torch.arange(4001) * 2  # Hz
    passed = (bins > 300) & (bins < 3400) if change == "telephone" else bins > 1.5 * hertz
    changed = {
        "gain": wave * 0.003,
        "noise": wave + 0.1 * wave.std() * noise,  # 20 dB below the voice
        "telephone": torch.fft.irfft(spectrum * passed),
        "no fundamental": torch.fft.irfft(spectrum * passed),
    }[change]
    assert (octaves_off(changed, hertz) < 0.05).float().mean() > 0.95


def test_a_constant_offset_leaves_pitch_and_periodicity():
    found, plain = voice_frames(voice(120) + 0.4), voice_frames(voice(120))
    for column in (SEMITONES, PERIODICITY):
        np.testing.assert_allclose(found[2:-5, column], plain[2:-5, column], atol=1e-4)


def test_every_frequency_belongs_to_one_band_at_most():
    """Bins of 31.25 Hz: 1000 Hz is the first of the band from 1000 to 1250 Hz, 4000 Hz is in none."""
    of_bins = _band_matrix().sum(1)
    assert of_bins.max() == 1 and of_bins.sum() == (4000 - 50) // 31.25
    assert [_band_matrix()[32, EDGES.index(hertz)].item() for hertz in (800, 1000)] == [0, 1]


def test_the_lags_reach_from_500_to_60_hz():
    assert (SHORTEST, LONGEST) == (32, 267)  # samples: 16000 / 500 and 16000 / 60


def test_noise_and_silence_are_not_periodic():
    noise = 0.1 * torch.randn(8000, generator=torch.Generator().manual_seed(1))
    assert voice_frames(noise)[:-5, PERIODICITY].median() < 0.4
    silence = voice_frames(torch.zeros(8000))
    assert not silence[:, PERIODICITY].any() and silence.isfinite().all()


def test_a_sine_of_full_scale_has_level_0_in_its_band_alone():
    levels = voice_frames(torch.sin(2 * math.pi * 900 * TIME))[5, LEVELS:]
    band = EDGES.index(800)
    assert levels[band].item() == pytest.approx(0, abs=0.1)
    assert levels[torch.arange(len(levels)) != band].max() < -10


def test_the_first_columns_are_the_log_mel_bands():
    wave = voice(150)
    np.testing.assert_array_equal(voice_frames(wave)[:, :64], log_mel(wave))


def test_frames_of_a_block_do_not_depend_on_what_follows():
    wave = torch.randn(30_000, generator=torch.Generator().manual_seed(2)) * 0.1
    first = voice_block(wave[: VOICE_FRAMES.stop])
    np.testing.assert_array_equal(first, voice_frames(wave)[: len(first)])

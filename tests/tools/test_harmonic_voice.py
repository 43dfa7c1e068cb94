"""The second synthetic voice of the RECOLA twin."""

from dataclasses import replace

import numpy as np
import pytest

from tools.demo_speech import RATE
from tools.twin.harmonic_voice import LEVEL, PITCH, RATE_GAIN, HarmonicSpeaker, harmonic_voice, syllable

SPEAKER = HarmonicSpeaker(pitch=120.0, rate=4.0, tract=1.0, tilt=11.0, breath=0.0, gain=0.0)
FPS = 25


def spoken(arousal: float, seconds: float = 1.0) -> np.ndarray:
    return syllable(np.random.default_rng(5), SPEAKER, arousal, seconds)


def level(sound: np.ndarray) -> float:
    return 10 * np.log10(np.mean(sound**2))


def pitch(sound: np.ndarray) -> float:
    """Return the frequency in Hz of the first harmonic, in the middle of a syllable."""
    middle = sound[len(sound) // 2 :][: RATE // 4]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 8 * len(middle)))
    shortest, longest = RATE // 300, RATE // 70
    return RATE / (shortest + int(np.argmax(np.fft.irfft(power**2)[shortest:longest])))


def test_the_level_rises_with_arousal():
    assert level(spoken(0.5)) - level(spoken(-0.5)) == pytest.approx(LEVEL, abs=1)


def test_the_pitch_rises_with_arousal():
    assert 12 * np.log2(pitch(spoken(0.5)) / pitch(spoken(-0.5))) == pytest.approx(PITCH, abs=0.5)


def test_the_rate_of_syllables_rises_with_arousal(monkeypatch):
    counts = dict[float, int]()

    def count(random, speaker, arousal, seconds):
        counts[arousal] = counts.get(arousal, 0) + 1
        return np.zeros(1)

    monkeypatch.setattr("tools.twin.harmonic_voice.syllable", count)
    for arousal in (-0.5, 0.5):
        harmonic_voice(np.random.default_rng(1), np.full(40 * FPS, arousal), [(0, 40)], FPS)
    assert np.log2(counts[0.5] / counts[-0.5]) == pytest.approx(RATE_GAIN, abs=0.05)


def test_nothing_is_spoken_outside_the_spans():
    sound = harmonic_voice(np.random.default_rng(1), np.zeros(4 * FPS), [(1, 3)], FPS)
    quiet, speech = level(sound[:RATE]), level(sound[RATE : 3 * RATE])
    assert len(sound) == 4 * RATE and speech - quiet > 40 and level(sound[3 * RATE :]) < quiet + 1


def test_speakers_differ_and_a_seed_gives_the_same_sound():
    first, again, other = (
        harmonic_voice(np.random.default_rng(seed), np.zeros(FPS), [(0, 1)], FPS) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_gain_of_the_microphone_changes_the_level_alone():
    loud = syllable(np.random.default_rng(5), replace(SPEAKER, gain=6.0), 0.0, 1.0)
    assert np.allclose(loud, 10 ** (6 / 20) * spoken(0.0))

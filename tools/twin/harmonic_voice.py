"""A second synthetic voice whose pitch, level and pace follow arousal: a sum of harmonics under a vowel's envelope.

It shares nothing with tools/twin/voice.py, so that a recipe cannot succeed by what the two voices have in common but
arousal. Each speaker has another pitch, length of the vocal tract, breath and distance to the microphone. From arousal
0 to 1 the pitch rises by PITCH, the level by LEVEL and the rate of syllables by RATE_GAIN; acted anger and sadness
differ by about twice as much (Banse and Scherer 1996, Acoustic Profiles in Vocal Emotion Expression).
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from tools.demo_speech import RATE

PITCH, LEVEL, RATE_GAIN = 6.0, 8.0, 0.3  # semitones, dB, octaves
VOWELS = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))  # Hz, men
WIDTH = 0.09  # of a formant, as a share of its frequency, at least NARROWEST
NARROWEST = 60.0  # Hz
CLOSURE = 0.2  # share of a syllable before its vowel
LOUDNESS = 0.03  # root mean square of the speech of a speaker without gain, at arousal 0


@dataclass(frozen=True)
class HarmonicSpeaker:
    """The voice of one person."""

    pitch: float  # Hz, at arousal 0
    rate: float  # syllables a second, at arousal 0
    tract: float  # factor of the formants
    tilt: float  # dB by which harmonics fall per octave
    breath: float  # root mean square of the breath, as a share of that of the voice
    gain: float  # dB, of the microphone

    @classmethod
    def drawn(cls, random: np.random.Generator) -> "HarmonicSpeaker":
        """Draw a speaker at random: a man or a woman."""
        woman = random.random() < 0.5
        low, high = (170, 230) if woman else (95, 140)
        return cls(
            pitch=float(random.uniform(low, high)),
            rate=float(random.uniform(3.5, 4.5)),
            tract=float(random.uniform(0.95, 1.05)) * (1.17 if woman else 1.0),
            tilt=float(random.uniform(9, 13)),
            breath=float(random.uniform(0.02, 0.08)),
            gain=float(random.uniform(-2, 2)),
        )


def harmonic_voice(
    random: np.random.Generator, arousal: np.ndarray, spans: list[tuple[float, float]], fps: int
) -> np.ndarray:
    """Synthesise the speech of a speaker drawn at random: -> (S,) float32 in [-1, 1] at RATE.

    arousal: (T,) in [-1, 1] at the frames; spans: (start, stop) of the stretches of speech, in s.
    """
    speaker, times = HarmonicSpeaker.drawn(random), np.arange(len(arousal)) / fps
    wave = 0.001 * LOUDNESS * random.normal(size=round(len(arousal) / fps * RATE))
    for start, stop in spans:
        while True:
            seconds = (
                1 / (speaker.rate * 2 ** (RATE_GAIN * np.interp(start, times, arousal))) * random.uniform(0.85, 1.15)
            )
            if start + seconds > stop:
                break
            excited = float(np.interp(start + seconds / 2, times, arousal))
            first = round(start * RATE)
            part = syllable(random, speaker, excited, seconds)[: len(wave) - first]
            wave[first : first + len(part)] += part
            start += seconds
    return np.tanh(wave).astype(np.float32)


def syllable(random: np.random.Generator, speaker: HarmonicSpeaker, arousal: float, seconds: float) -> np.ndarray:
    """Return a consonant of noise and a vowel: (S,) float64, whose pitch and level follow arousal in [-1, 1]."""
    at = np.arange(round(seconds * RATE)) / (seconds * RATE)  # of the syllable, in [0, 1)
    fall = random.uniform(0.9, 1.1) * 2 ** (0.08 * (0.5 - at))
    pitch = speaker.pitch * 2 ** (PITCH * arousal / 12) * fall
    formants = np.array(VOWELS[random.integers(len(VOWELS))]) * speaker.tract
    phase, voiced = np.cumsum(pitch) / RATE, np.zeros(len(at))
    middle = float(pitch.mean())
    for number in range(1, int(0.45 * RATE / pitch.max()) + 1):
        voiced += envelope(number * middle, formants, speaker.tilt) * np.sin(2 * np.pi * number * phase)
    vowel = np.clip((at - CLOSURE) / 0.15, 0, 1) * np.clip((1 - at) / 0.25, 0, 1)
    noise = lfilter([1.0, -0.8], [1.0], random.normal(size=len(at)))
    burst = 0.3 * np.exp(-(((at - CLOSURE) / 0.08) ** 2)) * (random.random() < 0.6)
    sound = voiced / np.sqrt(np.mean(voiced**2)) * vowel + (speaker.breath * vowel + burst) * noise
    return LOUDNESS * 10 ** ((LEVEL * arousal + speaker.gain) / 20) * sound


def envelope(frequency: float, formants: np.ndarray, tilt: float) -> float:
    """Return the amplitude of a harmonic at a frequency in Hz: peaks at the formants, (3,) Hz, that fall by `tilt`."""
    widths = np.maximum(WIDTH * formants, NARROWEST)
    peaks = 1 / (1 + ((frequency - formants) / widths) ** 2)
    return float((0.05 + peaks.max()) * 10 ** (-tilt / 20 * np.log2(max(frequency, 100.0) / 100.0)))

"""A synthetic voice whose loudness, pitch and pace follow arousal and do not depend on valence."""

from dataclasses import dataclass

import numpy as np

from tools.demo_speech import RATE, Phrase, spoken

SYLLABLES = ("na", "le", "mi", "do", "ra", "we", "ya", "mu", "lo", "ne", "wa", "re")
PACE, PITCH, LOUDNESS = 0.6, 0.45, 2.5  # octaves by which pace, pitch and loudness rise from arousal 0 to 1
NOISE = 0.0005  # standard deviation of the background noise
GAIN = 0.25  # of a voice at arousal 0


@dataclass(frozen=True)
class Speaker:
    """The voice of one person."""

    pitch: float  # Hz, at arousal 0
    pace: float  # seconds per phone, at arousal 0

    @classmethod
    def drawn(cls, random: np.random.Generator) -> "Speaker":
        """Draw a speaker at random."""
        return cls(float(random.uniform(178, 202)), float(random.uniform(0.08, 0.09)))

    def phone(self, arousal: float) -> float:
        """Return the seconds per phone at an arousal in [-1, 1]."""
        return self.pace * 2 ** (-PACE * arousal)


def formant_voice(
    random: np.random.Generator, arousal: np.ndarray, spans: list[tuple[float, float]], fps: int
) -> np.ndarray:
    """Synthesise the speech of a speaker drawn at random, as `voice` does."""
    return voice(random, Speaker.drawn(random), arousal, spans, fps)


def voice(
    random: np.random.Generator, speaker: Speaker, arousal: np.ndarray, spans: list[tuple[float, float]], fps: int
) -> np.ndarray:
    """Synthesise speech: -> (S,) float32 in [-1, 1] at RATE.

    arousal: (T,) in [-1, 1] at the frames; spans: (start, stop) of the stretches of speech, in s.
    """
    seconds = len(arousal) / fps
    words: list[Phrase] = []
    times = np.arange(len(arousal)) / fps
    for start, stop in spans:
        while start < stop - 0.05:
            phones = str(random.choice(SYLLABLES))
            now = float(np.interp(start, times, arousal))
            middle = start + speaker.phone(now) * len(phones) / 2
            words.append(word(speaker, phones, float(np.interp(middle, times, arousal)), start, stop))
            start += words[-1].pace * len(phones)
    wave = np.zeros(round(seconds * RATE))
    speech = GAIN * spoken(seconds, words)
    wave[: len(speech)] = speech
    return np.tanh(wave + NOISE * random.normal(size=len(wave))).astype(np.float32)


def word(speaker: Speaker, phones: str, arousal: float, start: float, stop: float) -> Phrase:
    """Return a phrase of `phones` from `start` (s), shortened to end before `stop` (s)."""
    pace = min(speaker.phone(arousal), (stop - start) / len(phones))
    pitch = speaker.pitch * 2 ** (PITCH * arousal)
    return Phrase(start, phones, pace, (1.04 * pitch, 0.96 * pitch), 2 ** (LOUDNESS * arousal))

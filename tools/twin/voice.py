"""A voice that tells arousal by its loudness, pitch and pace, and nothing of valence."""

from dataclasses import dataclass

import numpy as np

from tools.demo_speech import RATE, Phrase, spoken

SYLLABLES = ("na", "le", "mi", "do", "ra", "we", "ya", "mu", "lo", "ne", "wa", "re")
PACE, PITCH, LOUDNESS = 0.6, 0.45, 2.5  # octaves that a phone is shorter, pitch higher, loudness greater at arousal 1
NOISE = 0.0005  # of the room
GAIN = 0.25  # of a voice at arousal 0


@dataclass(frozen=True)
class Speaker:
    """Whose voice."""

    pitch: float  # Hz, at arousal 0
    pace: float  # seconds a phone, at arousal 0

    @classmethod
    def drawn(cls, random: np.random.Generator) -> "Speaker":
        """Anyone."""
        return cls(float(random.uniform(178, 202)), float(random.uniform(0.08, 0.09)))

    def phone(self, arousal: float) -> float:
        """Seconds of a phone."""
        return self.pace * 2 ** (-PACE * arousal)


def voice(
    random: np.random.Generator, speaker: Speaker, arousal: np.ndarray, spans: list[tuple[float, float]], fps: int
) -> np.ndarray:
    """(S,) float32 in [-1, 1] at RATE.   arousal: (T,) at the frames; spans: (start, stop) in s of what is said"""
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
    sound = np.zeros(round(seconds * RATE))
    said = GAIN * spoken(seconds, words)
    sound[: len(said)] = said
    return np.tanh(sound + NOISE * random.normal(size=len(sound))).astype(np.float32)


def word(speaker: Speaker, phones: str, arousal: float, start: float, stop: float) -> Phrase:
    """Phones that begin at a time (s), and end before `stop`."""
    pace = min(speaker.phone(arousal), (stop - start) / len(phones))
    pitch = speaker.pitch * 2 ** (PITCH * arousal)
    return Phrase(start, phones, pace, (1.04 * pitch, 0.96 * pitch), 2 ** (LOUDNESS * arousal))

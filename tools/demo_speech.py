"""Synthetic speech: glottal pulses filtered by formants (after Klatt 1980, Software for a cascade/parallel formant
synthesizer, JASA 67(3)), in NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

RATE = 16000  # Hz
STEP = 80  # samples with constant formants
BANDWIDTHS = (90.0, 110.0, 170.0, 250.0)  # Hz

# F1, F2, F3 in Hz, loudness of the voice and of the breath; female voice
PHONES = {
    "a": (850, 1350, 2800, 1.0, 0.02),
    "e": (600, 2150, 2900, 0.9, 0.02),
    "i": (360, 2600, 3200, 0.7, 0.02),
    "o": (560, 950, 2700, 0.9, 0.02),
    "u": (390, 1000, 2600, 0.7, 0.02),
    "w": (320, 750, 2400, 0.5, 0.01),
    "y": (300, 2500, 3200, 0.5, 0.01),
    "l": (400, 1250, 2800, 0.5, 0.01),
    "r": (430, 1300, 1700, 0.5, 0.01),
    "n": (280, 1500, 2500, 0.35, 0.0),
    "m": (260, 1100, 2300, 0.35, 0.0),
    "d": (300, 1800, 2700, 0.12, 0.08),
    "h": (600, 1500, 2700, 0.0, 0.2),
    "s": (2500, 4200, 5500, 0.0, 0.3),
    "t": (2000, 3800, 5000, 0.0, 0.12),
    " ": (500, 1500, 2500, 0.0, 0.0),
}


@dataclass(frozen=True)
class Phrase:
    """A few words with one pace, pitch contour and loudness."""

    start: float  # seconds
    phones: str  # keys of PHONES
    pace: float  # seconds per phone
    pitch: tuple[float, ...]  # Hz, from first to last
    loudness: float  # factor of the amplitude


PHRASES = (
    Phrase(0.25, "helou  ay em hier", 0.082, (196, 190, 194, 182, 176, 170), 0.30),
    Phrase(1.95, "its sou nais tu siyu", 0.066, (250, 330, 260, 350, 280, 330, 230), 0.75),
    Phrase(3.72, "wau  ou maaay", 0.088, (260, 420, 330, 250, 470, 400, 240), 0.95),
)


def speech(seconds: float) -> np.ndarray:
    """Return the speech of the demo clip: (S,) float32 in [-0.8, 0.8] at RATE."""
    sound = spoken(seconds, PHRASES)
    return (0.8 * sound / np.abs(sound).max()).astype(np.float32)


def spoken(seconds: float, phrases: Sequence[Phrase]) -> np.ndarray:
    """Synthesise phrases: -> (S,) float64 at RATE, not normalised."""
    frames = int(seconds * RATE) // STEP
    formants = np.tile(np.float64(PHONES[" "][:3]), (frames, 1))
    voice, breath, pitch = np.zeros(frames), np.zeros(frames), np.full(frames, 180.0)
    for phrase in phrases:
        _add(phrase, formants, voice, breath, pitch)
    # Articulation is smooth: a transition between two phones takes about 30 ms.
    formants = np.stack([_smooth(track, 6) for track in formants.T], 1)
    voice, breath, pitch = _smooth(voice, 7), _smooth(breath, 3), _smooth(pitch, 9)
    source = _pulses(pitch) * np.repeat(voice, STEP)
    source += np.random.default_rng(3).normal(size=frames * STEP) * np.repeat(breath, STEP)
    return _resonate(source, formants)


def _add(phrase: Phrase, formants: np.ndarray, voice: np.ndarray, breath: np.ndarray, pitch: np.ndarray) -> None:
    """Write a phrase into the tracks: formants (F, 3) Hz, voice and breath (F,), pitch (F,) Hz, one row per STEP."""
    first = int(phrase.start * RATE / STEP)
    each = phrase.pace * RATE / STEP
    for index, phone in enumerate(phrase.phones):
        span = slice(first + round(index * each), first + round((index + 1) * each))
        formants[span] = PHONES[phone][:3]
        voice[span] = PHONES[phone][3] * phrase.loudness
        breath[span] = PHONES[phone][4] * phrase.loudness
    count = round(len(phrase.phones) * each)
    pitch[first : first + count] = np.interp(
        np.linspace(0, 1, count), np.linspace(0, 1, len(phrase.pitch)), phrase.pitch
    )


def _pulses(pitch: np.ndarray) -> np.ndarray:
    """Return the differentiated flow of a glottis that opens slowly and closes abruptly: (F,) Hz -> (F * STEP,).

    The pitch gets a little jitter, which makes the voice sound natural.
    """
    wobble = 1 + 0.012 * _smooth(np.random.default_rng(2).normal(size=len(pitch)), 5)
    phase = np.cumsum(np.repeat(pitch * wobble, STEP) / RATE) % 1
    flow = np.where(phase < 0.4, 0.5 - 0.5 * np.cos(np.pi * phase / 0.4), 0.0)
    flow = np.where((phase >= 0.4) & (phase < 0.56), np.cos(np.pi / 2 * (phase - 0.4) / 0.16), flow)
    return np.diff(flow, prepend=0.0)


def _resonate(source: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """Filter the source, (S,), by one resonance after another, whose frequencies, (F, 3) Hz, change every STEP."""
    tracks = [*formants.T, np.full(len(formants), 3900.0)]
    for track, bandwidth in zip(tracks, BANDWIDTHS, strict=True):
        state = np.zeros(2)
        out = np.empty_like(source)
        for index, frequency in enumerate(track):
            r = np.exp(-np.pi * bandwidth / RATE)
            a = [1.0, -2 * r * np.cos(2 * np.pi * frequency / RATE), r * r]
            span = slice(index * STEP, (index + 1) * STEP)
            out[span], state = lfilter([sum(a)], a, source[span], zi=state)
        source = out
    return source


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    kernel = np.hanning(width + 2)[1:-1]
    return np.convolve(np.pad(values, width, mode="edge"), kernel / kernel.sum(), "same")[width:-width]

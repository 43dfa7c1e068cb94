"""What a twin's people feel and do over time, and what raters tell of it."""

from dataclasses import dataclass

import numpy as np

from tools.twin.expressions import EXPRESSIONS

SLOW, FAST = 20.0, 5.0  # s, the longest and shortest period of valence and arousal
RATERS = ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")
LATER = np.array([-0.12, 0.0, 0.12, -0.08, 0.0, 0.08])  # s, of each rater, beyond the delay that all have
SECONDS_OF_EPISODE, SECONDS_BETWEEN, RISE = (2.0, 3.5), (0.6, 1.4), 0.5


def times_of(seconds: float, fps: int) -> np.ndarray:
    """(T,) s of the frames."""
    return np.arange(round(seconds * fps)) / fps


def affect(random: np.random.Generator, seconds: float, fps: int) -> tuple[np.ndarray, np.ndarray]:
    """Valence and arousal (T,) in (-1, 1).

    Sums of waves. No wave is in both, so that over a whole recording neither tells of the other, whatever the lag.
    """
    first = max(1, round(seconds / SLOW))
    waves = np.arange(first, max(first + 4, round(seconds / FAST) + 1))
    own = random.permutation(len(waves)) % 2 == 0
    return _waves(random, waves[own], seconds, fps), _waves(random, waves[~own], seconds, fps)


def slow(random: np.random.Generator, seconds: float, fps: int) -> np.ndarray:
    """(T,) in (-1, 1), of any periods between 3 and 12 s."""
    first = max(1, round(seconds / 12))
    return _waves(random, np.arange(first, max(first + 3, round(seconds / 3))), seconds, fps)


def _waves(random: np.random.Generator, waves: np.ndarray, seconds: float, fps: int) -> np.ndarray:
    phase = random.uniform(0, 2 * np.pi, len(waves))
    size = random.uniform(0.7, 1.3, len(waves))
    angles = 2 * np.pi * waves * times_of(seconds, fps)[:, None] / seconds + phase
    return np.tanh((size * np.cos(angles)).sum(1) / np.sqrt((size**2).sum()) * 1.2)


def talking(random: np.random.Generator, seconds: float) -> list[tuple[float, float]]:
    """Start and stop (s) of what is said between two pauses; it does not depend on arousal."""
    spans: list[tuple[float, float]] = []
    start = float(random.uniform(0, 0.2))
    while start < seconds - 0.5:
        stop = min(start + float(random.uniform(1.2, 2.4)), seconds - 0.1)
        spans.append((start, stop))
        start = stop + float(random.uniform(0.08, 0.2))
    return spans


def opening(random: np.random.Generator, spans: list[tuple[float, float]], seconds: float, fps: int) -> np.ndarray:
    """(T,) in [0, 1] how far the mouth is open: it keeps a rhythm of its own, so that it does not tell of arousal."""
    times = times_of(seconds, fps)
    pace = 4.2 + 0.8 * slow(random, seconds, fps)  # syllables a second
    phase = np.cumsum(pace) / fps
    size = random.uniform(0.4, 1, int(phase[-1]) + 2)[phase.astype(int)]
    spoken = np.zeros(len(times))
    for start, stop in spans:
        spoken += np.clip((times - start) / 0.1, 0, 1) * np.clip((stop - times) / 0.1, 0, 1)
    return spoken * size * (0.5 - 0.5 * np.cos(2 * np.pi * phase))


@dataclass(frozen=True)
class Shown:
    """What a face shows at each frame."""

    expression: list[str]
    strength: np.ndarray  # (T,) in [0, 1]


def episodes(random: np.random.Generator, seconds: float, fps: int) -> Shown:
    """One expression after another, all equally often, neutral between them."""
    times = times_of(seconds, fps)
    shown, strength = ["neutral"] * len(times), np.zeros(len(times))
    waiting: list[str] = []
    start = float(random.uniform(0.2, 1))
    while start < seconds:
        waiting = waiting or [str(name) for name in random.permutation(EXPRESSIONS[1:])]
        stop = start + float(random.uniform(*SECONDS_OF_EPISODE))
        peak = float(random.uniform(0.75, 1))
        rising = np.clip((times - start) / RISE, 0, 1) * np.clip((stop - times) / RISE, 0, 1)
        name = waiting.pop()
        for frame in np.flatnonzero(rising):
            shown[frame], strength[frame] = name, peak * rising[frame] ** 2 * (3 - 2 * rising[frame])
        start = stop + float(random.uniform(*SECONDS_BETWEEN))
    return Shown(shown, strength)


def late(signal: np.ndarray, delay: float, at: np.ndarray, fps: int) -> np.ndarray:
    """The signal (T,) `delay` seconds before the times `at` (s); before it reaches raters they tell its first value."""
    return np.interp(at - delay, np.arange(len(signal)) / fps, signal)


def ratings(random: np.random.Generator, signal: np.ndarray, delay: float, at: np.ndarray, fps: int) -> np.ndarray:
    """(R, N) what each rater tells at the times `at`: late, on a level and a scale of one's own, with slow mistakes."""
    rows: list[np.ndarray] = []
    for later in LATER:
        told = late(signal, delay + later, at, fps)
        mistakes = 0.15 * np.interp(at, times_of(at[-1] + 1, fps), slow(random, at[-1] + 1, fps))
        rows.append(random.uniform(0.8, 1.1) * told + random.uniform(-0.1, 0.1) + mistakes)
    return np.clip(np.stack(rows), -1, 1)

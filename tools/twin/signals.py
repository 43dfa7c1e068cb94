"""Signals of a twin over time: affect, speech, expressions, and the ratings that follow them."""

from dataclasses import dataclass

import numpy as np

from tools.twin.expressions import EXPRESSIONS

SLOW, FAST = 20.0, 5.0  # s, longest and shortest period of valence and arousal
RATERS = ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")
RATER_DELAYS = np.array([-0.12, 0.0, 0.12, -0.08, 0.0, 0.08])  # s, of each rater, added to the common delay
EPISODE_SECONDS, PAUSE_SECONDS, RISE_SECONDS = (2.0, 3.5), (0.6, 1.4), 0.5  # of an expression; between; onset


def times_of(seconds: float, fps: int) -> np.ndarray:
    """Return the times of the frames: (T,) float64 s."""
    return np.arange(round(seconds * fps)) / fps


def affect(random: np.random.Generator, seconds: float, fps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return valence and arousal: two (T,) arrays in (-1, 1).

    Both are sums of waves that share no frequency, so over a whole recording they are uncorrelated at every lag.
    """
    first = max(1, round(seconds / SLOW))
    waves = np.arange(first, max(first + 4, round(seconds / FAST) + 1))
    own = random.permutation(len(waves)) % 2 == 0
    return _waves(random, waves[own], seconds, fps), _waves(random, waves[~own], seconds, fps)


def slow(random: np.random.Generator, seconds: float, fps: int) -> np.ndarray:
    """Return a random signal with periods between 3 and 12 s: (T,) in (-1, 1)."""
    first = max(1, round(seconds / 12))
    return _waves(random, np.arange(first, max(first + 3, round(seconds / 3))), seconds, fps)


def _waves(random: np.random.Generator, waves: np.ndarray, seconds: float, fps: int) -> np.ndarray:
    phase = random.uniform(0, 2 * np.pi, len(waves))
    size = random.uniform(0.7, 1.3, len(waves))
    angles = 2 * np.pi * waves * times_of(seconds, fps)[:, None] / seconds + phase
    return np.tanh((size * np.cos(angles)).sum(1) / np.sqrt((size**2).sum()) * 1.2)


def talking(random: np.random.Generator, seconds: float) -> list[tuple[float, float]]:
    """Return start and stop (s) of the stretches of speech; they do not depend on arousal."""
    spans: list[tuple[float, float]] = []
    start = float(random.uniform(0, 0.2))
    while start < seconds - 0.5:
        stop = min(start + float(random.uniform(1.2, 2.4)), seconds - 0.1)
        spans.append((start, stop))
        start = stop + float(random.uniform(0.08, 0.2))
    return spans


def opening(random: np.random.Generator, spans: list[tuple[float, float]], seconds: float, fps: int) -> np.ndarray:
    """Return how far the mouth is open, (T,) in [0, 1]; its rhythm is independent of arousal.   spans: see `talking`"""
    times = times_of(seconds, fps)
    pace = 4.2 + 0.8 * slow(random, seconds, fps)  # syllables per second
    phase = np.cumsum(pace) / fps
    size = random.uniform(0.4, 1, int(phase[-1]) + 2)[phase.astype(int)]
    speaking = np.zeros(len(times))
    for start, stop in spans:
        speaking += np.clip((times - start) / 0.1, 0, 1) * np.clip((stop - times) / 0.1, 0, 1)
    return speaking * size * (0.5 - 0.5 * np.cos(2 * np.pi * phase))


@dataclass(frozen=True)
class Shown:
    """The expression of a face at each of T frames."""

    expression: list[str]  # T names
    strength: np.ndarray  # (T,) in [0, 1]


def episodes(random: np.random.Generator, seconds: float, fps: int) -> Shown:
    """Draw expressions one after another, all equally often, with neutral between them."""
    times = times_of(seconds, fps)
    names, strength = ["neutral"] * len(times), np.zeros(len(times))
    queue: list[str] = []
    start = float(random.uniform(0.2, 1))
    while start < seconds:
        queue = queue or [str(name) for name in random.permutation(EXPRESSIONS[1:])]
        stop = start + float(random.uniform(*EPISODE_SECONDS))
        peak = float(random.uniform(0.75, 1))
        rising = np.clip((times - start) / RISE_SECONDS, 0, 1) * np.clip((stop - times) / RISE_SECONDS, 0, 1)
        name = queue.pop()
        for frame in np.flatnonzero(rising):
            names[frame], strength[frame] = name, peak * rising[frame] ** 2 * (3 - 2 * rising[frame])
        start = stop + float(random.uniform(*PAUSE_SECONDS))
    return Shown(names, strength)


def late(signal: np.ndarray, delay: float, at: np.ndarray, fps: int) -> np.ndarray:
    """Return a signal, (T,), `delay` seconds before the times `at`, (N,) s; its first value before it begins: (N,)."""
    return np.interp(at - delay, np.arange(len(signal)) / fps, signal)


def ratings(random: np.random.Generator, signal: np.ndarray, delay: float, at: np.ndarray, fps: int) -> np.ndarray:
    """Return the ratings of R raters at the times `at`, (N,) s: (R, N) in [-1, 1].

    Each rater follows the signal after the delay, with an own offset and scale and slowly varying errors.
    """
    rows: list[np.ndarray] = []
    for rater_delay in RATER_DELAYS:
        delayed = late(signal, delay + rater_delay, at, fps)
        errors = 0.15 * np.interp(at, times_of(at[-1] + 1, fps), slow(random, at[-1] + 1, fps))
        rows.append(random.uniform(0.8, 1.1) * delayed + random.uniform(-0.1, 0.1) + errors)
    return np.clip(np.stack(rows), -1, 1)

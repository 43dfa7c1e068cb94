"""Fit the AVEC chain on a partition, and score a partition raw, fitted on train and fitted on dev.

A step is tried after those that were kept before it, with each parameter of its grid, and kept with the best one
only where that raises the CCC on the fitting partition; then it is frozen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from avfer.errors import MetricError
from avfer.evaluation.post_processing import Centring, Chain, MedianFilter, Scaling, Step, TimeShift
from avfer.evaluation.series import Series, joined_ccc, mean_ccc

Scale = Literal["about_mean", "avec2018"]
Score = Callable[[Sequence[Series]], float]
WINDOWS = tuple(round(0.4 * k, 1) for k in range(1, 51))  # s, 0.4 to 20
SHIFTS = tuple(sorted((round(0.2 * k, 1) for k in range(-50, 51)), key=abs))  # s, -10 to 10, the smallest first


class Trial(NamedTuple):
    """One step on the fitting partition."""

    step: Step  # the best of its grid
    before: float  # CCC
    after: float
    kept: bool

    def told(self) -> str:
        """What was tried, what it gave, and what became of it."""
        return f"{self.step.told()}: {self.before:.6f} -> {self.after:.6f}, {'kept' if self.kept else 'left out'}"


@dataclass(frozen=True)
class Fitted:
    """A chain and how it came about."""

    chain: Chain
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Variant:
    """A column of the report: the partition scored once, raw or through a chain."""

    name: str  # "raw", "fitted on train", "fitted on dev (optimistic)"
    chain: Chain
    trials: tuple[Trial, ...]
    optimistic: bool  # fitted on the very partition that is scored
    recordings: tuple[Series, ...]
    joined: float  # CCC of all recordings in one series
    mean: float  # mean CCC of the recordings


def fit_chain(
    recordings: Sequence[Series],
    partition: str,
    scale: Scale = "about_mean",
    windows: Sequence[float] = WINDOWS,
    shifts: Sequence[float] = SHIFTS,
    score: Score = joined_ccc,
) -> Fitted:
    """The AVEC chain of one dimension, fitted on the recordings of a partition (named for the report).

    `scale` says what scaling keeps in place: the mean (safer), or 0, as in the AVEC 2018 script. Of equal parameters
    the first in the grid is taken.
    """
    makers: list[Callable[[Sequence[Series]], list[Step]]] = [
        lambda _: [MedianFilter(window) for window in windows],
        _centring,
        lambda now: _scaling(now, scale),
        lambda _: [TimeShift(shift) for shift in shifts],
    ]
    if scale not in ("about_mean", "avec2018"):
        raise MetricError(f"scaling is 'about_mean' or 'avec2018', not '{scale}'")
    now, best, trials = list(recordings), score(recordings), list[Trial]()
    for maker in makers:
        for trial in _try(maker(now), now, best, score):
            trials.append(trial)
            if trial.kept:
                now, best = _through(trial.step, now), trial.after
    return Fitted(Chain(tuple(trial.step for trial in trials if trial.kept), partition), tuple(trials))


def variants(parts: Mapping[str, Sequence[Series]], scored: str, scale: Scale = "about_mean") -> list[Variant]:
    """The scored partition raw, and through the chain fitted on train and on dev, as far as these are given."""
    raw = _variant("raw", Fitted(Chain(), ()), parts[scored], optimistic=False)
    found = [raw]
    for partition in ("train", "dev"):
        if parts.get(partition):
            optimistic = partition == scored
            name = f"fitted on {partition}" + (" (optimistic)" if optimistic else "")
            found.append(_variant(name, fit_chain(parts[partition], partition, scale), parts[scored], optimistic))
    return found


def _variant(name: str, fitted: Fitted, recordings: Sequence[Series], optimistic: bool) -> Variant:
    done = tuple(fitted.chain.to(recording) for recording in recordings)
    return Variant(name, fitted.chain, fitted.trials, optimistic, done, joined_ccc(done), mean_ccc(done))


def _try(steps: list[Step], now: Sequence[Series], before: float, score: Score) -> list[Trial]:
    """The best of the steps, if any has a CCC; a raw CCC that is not defined is raised by any that is."""
    scores = np.array([score(_through(step, now)) for step in steps])
    if not len(scores) or np.isnan(scores).all():
        return []
    best = int(np.nanargmax(scores))
    after = float(scores[best])
    return [Trial(steps[best], before, after, kept=bool(np.isnan(before)) or after > before)]


def _through(step: Step, recordings: Sequence[Series]) -> list[Series]:
    return [r.predicted(step.apply(r.prediction, r.step)) for r in recordings]


def _centring(now: Sequence[Series]) -> list[Step]:
    prediction, target = _valid(now)
    return [Centring(float(prediction.mean() - target.mean()))] if len(target) else []


def _scaling(now: Sequence[Series], scale: Scale) -> list[Step]:
    prediction, target = _valid(now)
    if not len(target) or prediction.std() == 0:
        return []
    about = float(prediction.mean()) if scale == "about_mean" else None
    return [Scaling(float(target.std() / prediction.std()), about)]


def _valid(now: Sequence[Series]) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and truth of all valid steps, joined."""
    prediction = np.concatenate([r.prediction[r.valid] for r in now]) if now else np.zeros(0)
    return prediction, (np.concatenate([r.target[r.valid] for r in now]) if now else np.zeros(0))

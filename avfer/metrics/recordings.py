"""Scores of a partition both ways: of all recordings joined in one series, and of each recording, then the mean."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from avfer.metrics.bootstrap import DRAWS, LEVEL, Interval, bootstrap, bootstrap_mean
from avfer.metrics.inputs import Floats


class Accumulator(Protocol):
    """One of the families of `avfer.metrics.accumulators`."""

    summary: Any  # each family has its own

    def add(self, prediction: ArrayLike, target: ArrayLike) -> None: ...
    def merge(self, other: Self) -> None: ...
    def scores(self, summary: Any) -> dict[str, Floats]: ...
    def result(self) -> dict[str, float]: ...


A = TypeVar("A", bound=Accumulator)


class ByRecording(Generic[A]):
    """One accumulator a recording: `ByRecording(RegressionScores)`, or any function that makes an empty one."""

    def __init__(self, make: Callable[[], A]) -> None:
        self.make = make
        self.parts: dict[str, A] = {}

    def __getitem__(self, recording: str) -> A:
        """The accumulator of a recording, made when it is first asked for."""
        return self.parts.setdefault(recording, self.make())

    def add(self, recording: str, prediction: ArrayLike, target: ArrayLike) -> None:
        """The next steps of a recording."""
        self[recording].add(prediction, target)

    def merge(self, other: Self) -> None:
        """Take in what another one has added, recording by recording."""
        for recording, part in other.parts.items():
            self[recording].merge(part)

    def joined(self) -> dict[str, float]:
        """Scores of all steps of all recordings in one series."""
        return self._whole(self.parts).result()

    def results(self) -> dict[str, dict[str, float]]:
        """Scores of each recording."""
        return {recording: part.result() for recording, part in self.parts.items()}

    def mean(self) -> dict[str, float]:
        """Mean of each score over the recordings that have it, as AVEC 2018 GES takes it; NaN where none has."""
        return {name: float(np.nanmean(v)) if np.isfinite(v).any() else np.nan for name, v in self._columns().items()}

    def intervals(
        self, groups: Mapping[str, str] | None = None, draws: int = DRAWS, level: float = LEVEL, seed: int = 0
    ) -> dict[str, Interval]:
        """Intervals of the joined scores, drawing recordings, or the groups (subjects) that `groups` sorts them in."""
        units: dict[str, dict[str, A]] = {}
        for recording, part in self.parts.items():
            units.setdefault(groups[recording] if groups else recording, {})[recording] = part
        summaries = [self._whole(parts).summary for parts in units.values()]
        return bootstrap(summaries, self.make().scores, draws, level, seed)

    def mean_intervals(self, draws: int = DRAWS, level: float = LEVEL, seed: int = 0) -> dict[str, Interval]:
        """Intervals of the means, drawing recordings."""
        return {name: bootstrap_mean(values, draws, level, seed) for name, values in self._columns().items()}

    def _whole(self, parts: Mapping[str, A]) -> A:
        whole = self.make()
        for part in parts.values():
            whole.merge(part)
        return whole

    def _columns(self) -> dict[str, Floats]:
        """Each score as one value a recording (R,)."""
        rows = [part.scores(part.summary) for part in self.parts.values()]
        return {name: np.array([row[name] for row in rows], np.float64) for name in (rows[0] if rows else {})}

"""A prediction and its truth over one recording, and how recordings are scored together while something is fitted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from avfer.errors import MetricError
from avfer.metrics.ccc import Convention, Moments, ccc_of
from avfer.metrics.validation import Floats, check_series


@dataclass(frozen=True, eq=False)
class Series:
    """One dimension of one recording, at evenly spaced steps."""

    prediction: Floats  # (T,), at every step
    target: Floats  # (T,) in [-1, 1], NaN where the label is not valid
    step: float  # s between two steps

    def __post_init__(self) -> None:
        check_series(self.prediction, self.target, nan="omit")
        if np.isnan(self.prediction).any():
            raise MetricError(f"{np.isnan(self.prediction).sum()} steps have no prediction; fill them first")
        if not self.step > 0:
            raise MetricError(f"steps are {self.step} s apart; that must be above 0")

    def __len__(self) -> int:
        """Steps, valid or not."""
        return len(self.target)

    @property
    def valid(self) -> np.ndarray:
        """(T,) bool."""
        return ~np.isnan(self.target)

    def predicted(self, prediction: Floats) -> "Series":
        """The same recording with another prediction."""
        return replace(self, prediction=prediction)

    def masked(self, unused: np.ndarray) -> "Series":
        """The same recording without the truth of the steps in the mask (T,)."""
        return replace(self, target=np.where(unused, np.nan, self.target))

    def moments(self) -> Moments:
        """What the CCC of the valid steps is made of; steps without a label are not counted, as if cut out."""
        return Moments.of(self.prediction[self.valid], self.target[self.valid])


def steps_of(seconds: float, step: float) -> int:
    """The whole number of steps nearest to a time."""
    return round(seconds / step)


def joined_ccc(recordings: Sequence[Series], convention: Convention = "population") -> float:
    """CCC of all valid steps of all recordings in one series; NaN where it is not defined."""
    whole = Moments.of(np.zeros(0), np.zeros(0))
    for recording in recordings:
        whole = whole.merge(recording.moments())
    return float(ccc_of(whole, convention))


def mean_ccc(recordings: Sequence[Series], convention: Convention = "population") -> float:
    """Mean CCC over the recordings that have one; NaN where none has."""
    values = np.array([ccc_of(recording.moments(), convention) for recording in recordings])
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

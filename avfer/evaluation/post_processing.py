"""What is done to predictions after the network: steps with frozen parameters, applied recording by recording.

The AVEC chain is a median filter, centring, scaling and a time shift, in this order. Each step is fitted on a named
partition and kept only where it raises the CCC there; `fit.py` does that. Nothing reaches across recordings.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from avfer.evaluation.series import Series, steps_of
from avfer.metrics.validation import Floats


class Step(Protocol):
    """One frozen step."""

    def apply(self, values: Floats, step: float) -> Floats:
        """(T,) values of one recording, `step` seconds apart, changed."""
        ...

    def told(self) -> str:
        """What it does, with its parameters."""
        ...


@dataclass(frozen=True)
class MedianFilter:
    """The median of a centred window; beyond the ends the first and last values are held."""

    window: float  # s, rounded to an odd number of steps

    def apply(self, values: Floats, step: float) -> Floats:
        from scipy.ndimage import median_filter  # slow to import, and most runs need none

        size = 2 * steps_of(self.window / 2, step) + 1
        return median_filter(values, size, mode="nearest") if len(values) else values

    def told(self) -> str:
        return f"median filter, window {self.window:g} s"


@dataclass(frozen=True)
class Centring:
    """The mean of the prediction brought to that of the gold standard."""

    offset: float  # mean of the prediction minus mean of the gold standard, on the fitting partition

    def apply(self, values: Floats, step: float) -> Floats:
        return values - self.offset

    def told(self) -> str:
        return f"centring, offset {self.offset:.6f}"


@dataclass(frozen=True)
class Scaling:
    """The spread of the prediction brought to that of the gold standard."""

    factor: float  # standard deviation of the gold standard over that of the prediction
    about: float | None = None  # what stays where it is: the mean on the fitting partition; None: 0, as in AVEC 2018

    def apply(self, values: Floats, step: float) -> Floats:
        return values * self.factor if self.about is None else self.about + (values - self.about) * self.factor

    def told(self) -> str:
        place = "of the values as they are (AVEC 2018)" if self.about is None else f"about the mean {self.about:.6f}"
        return f"scaling, factor {self.factor:.6f}, {place}"


@dataclass(frozen=True)
class TimeShift:
    """p(t) becomes p(t - delay); the ends are held."""

    delay: float  # s; positive delays early predictions, negative undoes late ones

    def apply(self, values: Floats, step: float) -> Floats:
        here = np.arange(len(values)) - steps_of(self.delay, step)
        return values[np.clip(here, 0, max(len(values) - 1, 0))]

    def told(self) -> str:
        return f"time shift, {self.delay:g} s later" if self.delay >= 0 else f"time shift, {-self.delay:g} s earlier"


@dataclass(frozen=True)
class MovingMean:
    """The mean of a centred window; at the ends, of the part of it that is there."""

    reach: int  # steps on each side: 50 gives windows of 101

    def apply(self, values: Floats, step: float) -> Floats:
        here = np.arange(len(values))
        start, stop = np.maximum(here - self.reach, 0), np.minimum(here + self.reach + 1, len(values))
        level = values.mean() if len(values) else 0.0  # summed about the mean, so that long sums lose nothing
        sums = np.concatenate([[0.0], np.cumsum(values - level)])
        return level + (sums[stop] - sums[start]) / (stop - start)

    def told(self) -> str:
        return f"moving mean, {self.reach} steps on each side"


@dataclass(frozen=True)
class Chain:
    """Steps in their order, and where they were fitted."""

    steps: tuple[Step, ...] = ()
    fitted_on: str | None = None  # a partition; None where nothing was fitted

    def apply(self, values: Floats, step: float) -> Floats:
        """(T,) values of one recording, `step` seconds apart, through all steps."""
        for part in self.steps:
            values = part.apply(values, step)
        return values

    def to(self, recording: Series) -> Series:
        """A recording with its prediction through all steps."""
        return recording.predicted(self.apply(recording.prediction, recording.step))

    def told(self) -> str:
        """All steps with their frozen parameters."""
        where = f" (fitted on {self.fitted_on})" if self.fitted_on else ""
        return ("; ".join(step.told() for step in self.steps) or "nothing") + where

"""Post-processing of predictions: recordings as series, and operations with frozen parameters on them.

The AVEC chain is a median filter, centring, scaling and a time shift, in this order. `chain_fitting.py` fits each
operation on a named partition and keeps it only if it raises the CCC there. Every operation works on one recording at
a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from avfer.errors import MetricError, counted
from avfer.metrics.ccc import Convention, Moments, ccc_of
from avfer.metrics.validation import Floats, check_series


@dataclass(frozen=True, eq=False)
class RecordingSeries:
    """Prediction and target of one dimension over one recording, at evenly spaced steps.

    Raises MetricError if a prediction is missing, a target is outside [-1, 1], the lengths differ, or step <= 0.
    """

    prediction: Floats  # (T,) at every step
    target: Floats  # (T,) in [-1, 1], NaN where the label is not valid
    step: float  # s between two steps

    def __post_init__(self) -> None:
        check_series(self.prediction, self.target, nan="omit")
        if np.isnan(self.prediction).any():
            missing = counted(np.isnan(self.prediction).sum(), "step has", "steps have")
            raise MetricError(f"{missing} no prediction; fill the gaps first")
        if not self.step > 0:
            raise MetricError(f"step: must be > 0 s, got {self.step}")

    @property
    def valid(self) -> np.ndarray:
        """Which steps have a valid label, (T,) bool."""
        return ~np.isnan(self.target)

    def with_prediction(self, prediction: Floats) -> "RecordingSeries":
        """Return the same recording with another prediction (T,)."""
        return replace(self, prediction=prediction)

    def moments(self) -> Moments:
        """Return the moments of the valid steps alone, as if the others had been cut out."""
        return Moments.of(self.prediction[self.valid], self.target[self.valid])


def joined_ccc(recordings: Sequence[RecordingSeries], convention: Convention = "population") -> float:
    """Return the CCC of all valid steps of all recordings in one series; NaN where it is not defined."""
    whole = Moments.of(np.zeros(0), np.zeros(0))
    for recording in recordings:
        whole = whole.merge(recording.moments())
    return float(ccc_of(whole, convention))


class Operation(Protocol):
    """A step of post-processing with frozen parameters."""

    def apply(self, values: Floats, step: float) -> Floats:
        """Return the (T,) values of one recording, `step` seconds apart, after the operation: (T,)."""
        ...

    def describe(self) -> str:
        """Return the name and the parameters as a report prints them."""
        ...


@dataclass(frozen=True)
class MedianFilter:
    """Median of a centred window; beyond both ends the first and the last value are repeated."""

    window: float  # s, rounded to an odd number of steps

    def apply(self, values: Floats, step: float) -> Floats:
        """Return the filtered values (T,) of (T,) values, `step` seconds apart."""
        from scipy.ndimage import median_filter  # takes long to import, and most runs do not need it

        size = 2 * to_steps(self.window / 2, step) + 1
        return median_filter(values, size, mode="nearest") if len(values) else values

    def describe(self) -> str:
        """Return the name and the window."""
        return f"median filter, window {self.window:g} s"


@dataclass(frozen=True)
class Centring:
    """Subtraction of the difference between the means of prediction and gold standard."""

    offset: float  # mean of the prediction minus mean of the gold standard, on the fitting partition

    def apply(self, values: Floats, step: float) -> Floats:
        """Return the (T,) values minus the offset."""
        return values - self.offset

    def describe(self) -> str:
        """Return the name and the offset."""
        return f"centring, offset {self.offset:.6f}"


@dataclass(frozen=True)
class Scaling:
    """Multiplication by the ratio of the standard deviations of gold standard and prediction."""

    factor: float  # standard deviation of the gold standard over that of the prediction, on the fitting partition
    about: float | None = None  # value that stays fixed: the mean on the fitting partition; None: 0, as in AVEC 2018

    def apply(self, values: Floats, step: float) -> Floats:
        """Return the scaled values (T,) of (T,) values."""
        return values * self.factor if self.about is None else self.about + (values - self.about) * self.factor

    def describe(self) -> str:
        """Return the name, the factor and the fixed value."""
        fixed = "about 0 (AVEC 2018)" if self.about is None else f"about the mean {self.about:.6f}"
        return f"scaling, factor {self.factor:.6f}, {fixed}"


@dataclass(frozen=True)
class TimeShift:
    """p(t) becomes p(t - delay); beyond the ends the first or the last value is repeated."""

    delay: float  # s; a positive delay moves early predictions later, a negative one moves late ones earlier

    def apply(self, values: Floats, step: float) -> Floats:
        """Return the shifted values (T,) of (T,) values, `step` seconds apart."""
        positions = np.arange(len(values)) - to_steps(self.delay, step)
        return values[np.clip(positions, 0, max(len(values) - 1, 0))]

    def describe(self) -> str:
        """Return the name, the time and the direction."""
        return f"time shift, {self.delay:g} s later" if self.delay >= 0 else f"time shift, {-self.delay:g} s earlier"


@dataclass(frozen=True)
class MovingMean:
    """Mean of a centred window; at the ends, of the part of the window inside the recording."""

    reach: int  # steps on each side: 50 gives windows of 101

    def apply(self, values: Floats, step: float) -> Floats:
        """Return the smoothed values (T,) of (T,) values."""
        positions = np.arange(len(values))
        start, stop = np.maximum(positions - self.reach, 0), np.minimum(positions + self.reach + 1, len(values))
        level = values.mean() if len(values) else 0.0  # sums are taken about the mean, so that long ones stay precise
        sums = np.concatenate([[0.0], np.cumsum(values - level)])
        return level + (sums[stop] - sums[start]) / (stop - start)

    def describe(self) -> str:
        """Return the name and the window."""
        return f"moving mean, {counted(self.reach, 'step')} on each side"


@dataclass(frozen=True)
class Chain:
    """Operations in their order, and the partition they were fitted on."""

    operations: tuple[Operation, ...] = ()  # applied in this order
    fitted_on: str | None = None  # None if nothing was fitted

    def apply(self, values: Floats, step: float) -> Floats:
        """Return the (T,) values of one recording, `step` seconds apart, after all operations: (T,)."""
        for operation in self.operations:
            values = operation.apply(values, step)
        return values

    def apply_to(self, recording: RecordingSeries) -> RecordingSeries:
        """Return a recording with its prediction after all operations."""
        return recording.with_prediction(self.apply(recording.prediction, recording.step))

    def describe(self) -> str:
        """Return all operations with their parameters, and the fitting partition."""
        where = f" (fitted on {self.fitted_on})" if self.fitted_on else ""
        return ("; ".join(operation.describe() for operation in self.operations) or "nothing") + where


DELAY_GRID = tuple(round(0.2 * k, 1) for k in range(51))  # s, 0 to 10: the delays that a search tries


class DelayedSeries(NamedTuple):
    """Predictions at the time of the labels."""

    values: Floats  # (T,)
    filled: NDArray[np.bool_]  # (T,) True for the first steps, which repeat the first prediction


def undo_delay(prediction: Floats, delay: float, step: float) -> DelayedSeries:
    """Move early predictions later by the delay that the model was trained with.

    prediction: (T,) one value for each step of a recording.
    delay: s, >= 0, rounded to whole steps.
    step: s between two steps.

    Raises MetricError if the delay is negative or NaN.
    """
    if not delay >= 0:
        raise MetricError(f"delay: must be >= 0 s, got {delay}")
    positions = np.arange(len(prediction))
    shift = to_steps(delay, step)
    return DelayedSeries(prediction[np.maximum(positions - shift, 0)], positions < shift)


def to_steps(seconds: float, step: float) -> int:
    """Return the whole number of steps nearest to a time; `step` is the time between two steps in seconds."""
    return round(seconds / step)

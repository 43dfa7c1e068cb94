"""Reaction delay: raters label what they saw some seconds earlier.

A model may be trained with labels moved earlier by the delay. Its predictions are then early by the same time, and are
moved later again before they are scored. The first steps have no prediction of their own after that: they repeat the
first prediction and are counted, and reports state a score with them and one without them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avfer.errors import MetricError
from avfer.metrics.validation import Floats

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

"""Reaction delay: raters tell what they saw some seconds ago.

A model may be trained with labels moved earlier by the delay; its predictions are then early by as much, and are
moved later before they are scored. The first steps have no prediction of their own then: they repeat the first one,
are counted, and a score is told with them and without them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avfer.errors import MetricError
from avfer.evaluation.series import Series, joined_ccc, steps_of
from avfer.metrics.ccc import Convention
from avfer.metrics.validation import Floats

GRID = tuple(round(0.2 * k, 1) for k in range(51))  # s, 0 to 10


class Undone(NamedTuple):
    """Predictions at the time of the labels."""

    values: Floats  # (T,)
    filled: NDArray[np.bool_]  # (T,), the first steps, which repeat the first prediction


class DelaySearch(NamedTuple):
    """The delay with the highest CCC, and the CCC of each of the grid over the steps that were not filled."""

    best: float  # s
    score: float
    grid: tuple[float, ...]  # s
    scores: tuple[float, ...]


def compensate(features: NDArray[np.generic], labels: Floats, delay: float, step: float) -> tuple[np.ndarray, Floats]:
    """Features (T, ...) and labels (T, ...) of training, with labels moved earlier by `delay` seconds.

    The first `delay` of the labels and the last `delay` of the features have no partner and are dropped. The delay
    is rounded to whole steps.
    """
    if len(features) != len(labels):
        raise MetricError(f"{len(features)} rows of features and {len(labels)} of labels must be of one length")
    shift = _shift(delay, step)
    return features[: max(len(features) - shift, 0)], labels[shift:]


def undo(prediction: Floats, delay: float, step: float) -> Undone:
    """(T,) predictions of a model so trained, moved later by `delay` seconds, rounded to whole steps."""
    here = np.arange(len(prediction))
    shift = _shift(delay, step)
    return Undone(prediction[np.maximum(here - shift, 0)], here < shift)


def search(
    recordings: Sequence[Series], grid: Sequence[float] = GRID, convention: Convention = "population"
) -> DelaySearch:
    """The delay (s) by which early predictions must be moved later; of equal ones the first in the grid.

    Each is scored over the steps that were not filled, all recordings joined: a filled step says nothing of a delay.
    """
    if not len(grid):
        raise MetricError("no delay to try")
    scores = tuple(joined_ccc([_moved(r, delay) for r in recordings], convention) for delay in grid)
    if np.isnan(scores).all():
        raise MetricError("no delay of the grid has a CCC: too few valid steps, or constants alone")
    best = int(np.nanargmax(scores))
    return DelaySearch(grid[best], scores[best], tuple(grid), scores)


def _moved(recording: Series, delay: float) -> Series:
    values, filled = undo(recording.prediction, delay, recording.step)
    return recording.predicted(values).masked(filled)


def _shift(delay: float, step: float) -> int:
    if not delay >= 0:
        raise MetricError(f"a reaction delay of {delay} s is none: it is 0 or more")
    return steps_of(delay, step)

"""Calibration of class probabilities: how far a probability agrees with how often its class is the target.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017, arXiv:1706.04599.
"""

import numpy as np
from numpy.typing import ArrayLike

from avfer.errors import MetricError
from avfer.metrics.validation import Floats, to_array, to_floats

BINS = 15


def expected_calibration_error(probabilities: ArrayLike, target: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error: the mean of |accuracy - mean confidence| over bins, weighted by their rows.

    The confidence is the probability of the most probable class. Bin b holds confidences in (b / bins, (b + 1) / bins].

    probabilities: (T, K) in [0, 1]; target: (T,) indices of classes -> () float in [0, 1]; NaN without any row.
    Raises MetricError if the shapes do not fit, a probability lies outside [0, 1], a target is no class, or bins < 1.

    >>> expected_calibration_error([[0.75, 0.25], [0.25, 0.75]], [0, 0])
    0.25
    """
    if bins < 1:
        raise MetricError(f"bins: must be >= 1, got {bins}")
    confidence, correct = confidences(probabilities, target)
    return float(calibration_error(confidence, correct, bins)) if len(correct) else float("nan")


def confidences(probabilities: ArrayLike, target: ArrayLike) -> tuple[Floats, Floats]:
    """Return the probability of the most probable class of each row, and 1 where it is the target, else 0: (T,) each.

    probabilities: (T, K) in [0, 1]; target: (T,) indices of classes. Raises as `expected_calibration_error`.
    """
    values, labels = to_floats(probabilities), to_array(target)
    if values.ndim != 2 or labels.shape != values.shape[:1]:
        raise MetricError(f"probabilities {values.shape} and target {labels.shape} must be (T, K) and (T,)")
    if not ((values >= 0) & (values <= 1)).all():
        raise MetricError("probabilities: must be in [0, 1]")
    if not np.isin(labels, np.arange(values.shape[1])).all():
        raise MetricError(
            f"target: must be an index of one of {values.shape[1]} classes; mask sentinels before scoring"
        )
    return values.max(1, initial=0.0), (values.argmax(1) == labels).astype(np.float64)


def calibration_error(confidence: Floats, correct: Floats, bins: int = BINS) -> Floats:
    """Return the expected calibration error of T rows, for each of the leading axes (such as draws of a bootstrap).

    confidence: (..., T) in [0, 1]; correct: (..., T), 1 where the class is the target, else 0 -> (...) in [0, 1].
    """
    of_row = (np.ceil(confidence * bins) - 1).clip(0, bins - 1)
    gaps = [np.where(of_row == b, confidence - correct, 0.0).sum(-1) for b in range(bins)]
    return np.abs(gaps).sum(0) / confidence.shape[-1]

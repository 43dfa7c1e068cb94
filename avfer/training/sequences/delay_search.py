"""Search the reaction delay of raters: by how much labels lag behind face and voice, before anything is trained."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from avfer.evaluation.post_processing import DELAY_GRID, undo_delay
from avfer.metrics import pcc
from avfer.training.data.feature_cache import SequenceFeatures
from avfer.training.data.sequence_batches import Delays, Recording
from avfer.training.sequences.sequence_model import gains

RIDGE = 1e-2  # penalty, as a share of the variance of the features
MAX_STEPS = 20_000  # that a regression is fitted on


def search_delays(train: list[Recording], dev: list[Recording], grid: Sequence[float] = DELAY_GRID) -> Delays:
    """Return the delays (s) of valence and of arousal whose ridge regression from the features scores best on `dev`.

    For each delay of the grid, the labels of `train` are moved earlier by it, a ridge regression is fitted from the
    features of the same step, and its predictions on `dev` are moved later again. The score is their correlation with
    the labels within the recordings, over the steps that have a prediction of their own: the mean of a recording does
    not depend on the delay and would outweigh the rest. Of equal scores the first delay wins; 0 without labels.
    """
    inputs = [_inputs(train), _inputs(dev)]
    mean, deviation = inputs[0].mean(0), inputs[0].std(0)
    x_train, x_dev = ((x - mean) * gains(deviation) for x in inputs)
    valence, arousal = (_search(x_train, x_dev, train, dev, column, grid) for column in (0, 1))
    return valence, arousal


def _inputs(recordings: list[Recording]) -> np.ndarray:
    """Return the features of all steps of all recordings, smoothed over one second, (N, D) float64."""
    return np.concatenate([_smoothed(r) for r in recordings])


def _smoothed(recording: Recording) -> np.ndarray:
    """Return the moving mean over one second of features and masks, (T, D) float64."""
    f = cast(SequenceFeatures, recording.inputs)
    columns = np.column_stack([f.face, f.voice, f.has_face, f.has_voice]).astype(np.float64)
    half = max(1, round(0.5 / recording.step))
    sums = np.cumsum(np.pad(columns, ((1, 0), (0, 0))), axis=0)
    at = np.arange(len(columns))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(columns))
    return (sums[high] - sums[low]) / (high - low)[:, None]


def _search(
    x_train: np.ndarray,
    x_dev: np.ndarray,
    train: list[Recording],
    dev: list[Recording],
    column: int,
    grid: Sequence[float],
) -> float:
    """Return the best delay of one dimension."""
    scores = [_score(x_train, x_dev, train, dev, column, delay) for delay in grid]
    finite = [score if np.isfinite(score) else -np.inf for score in scores]
    return float(grid[int(np.argmax(finite))]) if max(finite) > -np.inf else 0.0


def _score(
    x_train: np.ndarray, x_dev: np.ndarray, train: list[Recording], dev: list[Recording], column: int, delay: float
) -> float:
    """Return the correlation on `dev` within recordings; NaN without labels.

    x_train, x_dev: (N, D) features of all steps of the recordings; column: 0 for valence, 1 for arousal; delay: s.
    """
    delayed = [_delayed(r, column, delay) for r in train]
    target, valid = (np.concatenate(parts) for parts in zip(*delayed, strict=True))
    if valid.sum() < 2:
        return float("nan")
    chosen = np.flatnonzero(valid)[:: max(1, int(valid.sum()) // MAX_STEPS)]
    predicted = _ridge_prediction(x_train[chosen], target[chosen], x_dev)
    ends = np.cumsum([len(r) for r in dev])[:-1]
    pairs: list[np.ndarray] = []
    for recording, prediction in zip(dev, np.split(predicted, ends), strict=True):
        late = undo_delay(prediction, delay, recording.step)
        scored = recording.labels.valence_arousal_valid[:, column].numpy() & ~late.filled
        labels = recording.labels.valence_arousal[:, column].numpy()
        pair = np.column_stack([late.values, labels])[scored]
        pairs.append(pair - pair.mean(0) if len(pair) else pair)
    joined = np.concatenate(pairs)
    return pcc(*joined.T, limits=None) if len(joined) > 1 else float("nan")


def _ridge_prediction(x: np.ndarray, y: np.ndarray, x_dev: np.ndarray) -> np.ndarray:
    """Fit a ridge regression and return its predictions.   x: (N, D); y: (N,); x_dev: (M, D) -> (M,)"""
    with_bias = np.column_stack([x, np.ones(len(x))])
    penalty = RIDGE * len(x) * np.eye(with_bias.shape[1])
    weights = np.linalg.solve(with_bias.T @ with_bias + penalty, with_bias.T @ y)
    return np.column_stack([x_dev, np.ones(len(x_dev))]) @ weights


def _delayed(recording: Recording, column: int, delay: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of `delay` seconds later at each step, (T,) float64, and which are valid, (T,) bool."""
    shift = round(delay / recording.step)
    target, valid = np.zeros(len(recording)), np.zeros(len(recording), bool)
    late = recording.labels.valence_arousal[shift:, column].numpy()
    target[: len(late)] = late
    valid[: len(late)] = recording.labels.valence_arousal_valid[shift:, column].numpy()
    return target, valid

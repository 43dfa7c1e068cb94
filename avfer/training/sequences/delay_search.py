"""Search the reaction delay of raters: by how much labels lag behind face and voice, before anything is trained."""

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np

from avfer.evaluation.post_processing import DELAY_GRID, undo_delay
from avfer.metrics import pcc
from avfer.training.data.feature_cache import SequenceFeatures
from avfer.training.data.sequence_batches import Recording, labels_at
from avfer.training.sequences.sequence_model import gains
from avfer.training.training_config import NO_DELAY, Delays

RIDGE = 1e-2  # penalty, as a share of the variance of the features
MAX_STEPS = 20_000  # that a regression is fitted on


class _Part(NamedTuple):
    """Recordings of one partition with their features, standardised by those of train."""

    features: np.ndarray  # (N, D) float64, of all steps of all recordings, one recording after another
    recordings: list[Recording]


def search_delays(train: list[Recording], dev: list[Recording], grid: Sequence[float] = DELAY_GRID) -> Delays:
    """Return the delays (s) of valence and of arousal whose ridge regression from the features scores best on `dev`.

    For each delay of the grid, the labels of `train` are moved earlier by it, a ridge regression is fitted from the
    features of the same step, and its predictions on `dev` are moved later again. The score is their correlation with
    the labels within the recordings, over the steps that have a prediction of their own: the mean of a recording does
    not depend on the delay and would outweigh the rest. Of equal scores the first delay wins; 0 without labels. Clips
    with one label for their whole length are left out: it has no delay.
    """
    train, dev = ([r for r in recordings if not r.whole_clip] for recordings in (train, dev))
    if not train or not dev:
        return NO_DELAY
    features = [_features(train), _features(dev)]
    mean, deviation = features[0].mean(0), features[0].std(0)
    fitted, scored = (
        _Part((x - mean) * gains(deviation), recordings) for x, recordings in zip(features, (train, dev), strict=True)
    )
    valence, arousal = (_best_delay(fitted, scored, column, grid) for column in (0, 1))
    return valence, arousal


def _features(recordings: list[Recording]) -> np.ndarray:
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


def _best_delay(train: _Part, dev: _Part, column: int, grid: Sequence[float]) -> float:
    """Return the delay (s) of one dimension with the highest score; 0 without labels.

    column: 0 for valence, 1 for arousal; grid: delays to try, s.
    """
    scores = np.nan_to_num([_score(train, dev, column, delay) for delay in grid], nan=-np.inf)
    return float(grid[int(np.argmax(scores))]) if np.isfinite(scores).any() else 0.0


def _score(train: _Part, dev: _Part, column: int, delay: float) -> float:
    """Return the correlation on `dev` within recordings, in [-1, 1]; NaN without labels.

    column: 0 for valence, 1 for arousal; delay: s.
    """
    moved = [labels_at(r, slice(0, len(r)), (delay, delay)) for r in train.recordings]
    target = np.concatenate([labels.valence_arousal[:, column].double().numpy() for labels in moved])
    labelled = np.flatnonzero(np.concatenate([labels.valence_arousal_valid[:, column].numpy() for labels in moved]))
    if len(labelled) < 2:
        return float("nan")
    chosen = labelled[:: math.ceil(len(labelled) / MAX_STEPS)]
    predicted = _ridge_prediction(train.features[chosen], target[chosen], dev.features)
    ends = np.cumsum([len(r) for r in dev.recordings])[:-1]
    pairs: list[np.ndarray] = []
    for recording, prediction in zip(dev.recordings, np.split(predicted, ends), strict=True):
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

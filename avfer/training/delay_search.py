"""By how much do the labels lag behind what is seen and heard? Asked of the data before anything is trained."""

from collections.abc import Sequence

import numpy as np

from avfer.evaluation.delay import GRID, undo
from avfer.metrics import pcc
from avfer.training.embed import Features
from avfer.training.sequences import Recording
from avfer.training.standardise import gains

RIDGE = 1e-2  # of the variance
MOST = 20_000  # steps that a regression is fitted on


def search_delays(train: list[Recording], dev: list[Recording], grid: Sequence[float] = GRID) -> tuple[float, float]:
    """Delays (s) of valence and arousal: those whose ridge regression of the features does best on `dev`.

    For each delay of the grid, labels of `train` are moved earlier by it, a ridge regression reads them from the
    features of the same step, and its predictions on `dev` are moved later again. The score is their correlation
    with the labels within the recordings, over the steps that have a prediction of their own: how far off a face is
    as a whole would speak louder, and tells nothing of when. The first of equal ones is taken; 0 without labels.
    """
    fitted = [_inputs(train), _inputs(dev)]
    mean, spread = fitted[0].mean(0), fitted[0].std(0)
    known, held = ((x - mean) * gains(spread) for x in fitted)
    return tuple(_search(known, held, (train, dev), column, grid) for column in (0, 1))  # pyright: ignore[reportReturnType]


def _inputs(recordings: list[Recording]) -> np.ndarray:
    """(N, D) float64 of all steps of all recordings, with the means over the second around each."""
    return np.concatenate([_smooth(r) for r in recordings])


def _smooth(recording: Recording) -> np.ndarray:
    f = recording.features
    assert isinstance(f, Features), "crops have no regression"
    whole = np.column_stack([f.face, f.voice, f.has_face, f.has_voice]).astype(np.float64)
    width = max(1, round(0.5 / recording.step))
    sums = np.cumsum(np.pad(whole, ((1, 0), (0, 0))), axis=0)
    here = np.arange(len(whole))
    low, high = np.maximum(here - width, 0), np.minimum(here + width + 1, len(whole))
    return (sums[high] - sums[low]) / (high - low)[:, None]


def _search(
    known: np.ndarray,
    held: np.ndarray,
    partitions: tuple[list[Recording], list[Recording]],
    column: int,
    grid: Sequence[float],
) -> float:
    scores = [_score(known, held, partitions, column, delay) for delay in grid]
    finite = [score if np.isfinite(score) else -np.inf for score in scores]
    return float(grid[int(np.argmax(finite))]) if max(finite) > -np.inf else 0.0


def _score(
    known: np.ndarray, held: np.ndarray, partitions: tuple[list[Recording], list[Recording]], column: int, delay: float
) -> float:
    train, dev = partitions
    told = [_late(r, column, delay) for r in train]
    target, valid = (np.concatenate(parts) for parts in zip(*told, strict=True))
    if valid.sum() < 2:
        return float("nan")
    chosen = np.flatnonzero(valid)[:: max(1, int(valid.sum()) // MOST)]
    x, y = known[chosen], target[chosen]
    x1 = np.column_stack([x, np.ones(len(x))])
    weights = np.linalg.solve(x1.T @ x1 + RIDGE * len(x) * np.eye(x1.shape[1]), x1.T @ y)
    predicted = np.column_stack([held, np.ones(len(held))]) @ weights
    ends = np.cumsum([len(r) for r in dev])[:-1]
    pairs: list[np.ndarray] = []
    for recording, own in zip(dev, np.split(predicted, ends), strict=True):
        late = undo(own, delay, recording.step)
        scored = recording.pair_valid[:, column] & ~late.filled
        told = np.column_stack([late.values, recording.pair[:, column]])[scored]
        pairs.append(told - told.mean(0) if len(told) else told)
    joined = np.concatenate(pairs)
    return pcc(*joined.T, limits=None) if len(joined) > 1 else float("nan")


def _late(recording: Recording, column: int, delay: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels of `delay` seconds later at each step, and which there are."""
    shift = round(delay / recording.step)
    target, valid = np.zeros(len(recording)), np.zeros(len(recording), bool)
    told = recording.pair[shift:, column]
    target[: len(told)] = told
    valid[: len(told)] = recording.pair_valid[shift:, column]
    return target, valid

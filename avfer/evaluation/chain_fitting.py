"""Fit the AVEC post-processing chain on a partition, and score a dimension raw, smoothed and after the fitted chains.

An operation is tried after those that were kept before it, with every parameter of its grid. The best one is kept only
if it raises the CCC on the fitting partition; its parameter is frozen then. A CCC on the partition that the chain was
fitted on is inflated; reports mark it as optimistic.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from avfer.datasets.example import Partition
from avfer.errors import MetricError
from avfer.evaluation.evaluation_config import EvalConfig
from avfer.evaluation.post_processing import (
    Centring,
    Chain,
    MedianFilter,
    MovingMean,
    Operation,
    RecordingSeries,
    Scaling,
    TimeShift,
    joined_ccc,
)
from avfer.metrics import ByRecording, RegressionScores

Scale = Literal["about_mean", "avec2018"]
Score = Callable[[Sequence[RecordingSeries]], float]
WINDOWS = tuple(round(0.4 * k, 1) for k in range(1, 51))  # s, 0.4 to 20
SHIFTS = tuple(sorted((round(0.2 * k, 1) for k in range(-50, 51)), key=abs))  # s, -10 to 10, the smallest first
FITTING_PARTITIONS: tuple[Partition, ...] = ("train", "dev")


class Trial(NamedTuple):
    """What one operation did on the fitting partition."""

    operation: Operation  # the best of its grid
    before: float  # CCC
    after: float  # CCC
    kept: bool

    def describe(self) -> str:
        """Return the operation, both CCCs, and whether it was kept, as a report prints them."""
        result = "kept" if self.kept else "left out"
        return f"{self.operation.describe()}: {self.before:.6f} -> {self.after:.6f}, {result}"


class FittedChain(NamedTuple):
    """A chain with the trials it was fitted by."""

    chain: Chain
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True)
class VariantScores:
    """Scores of a dimension after some post-processing; a row of the report."""

    name: str  # "raw", "smoothed", "fitted on train", "fitted on dev (optimistic)"
    chain: str  # all operations
    optimistic: bool  # fitted on the partition that is scored
    joined: float  # CCC of all recordings in one series
    mean: float  # mean CCC of the recordings
    trials: tuple[str, ...]  # operations that were tried, in order


def score_variants(
    config: EvalConfig,
    scored: Sequence[RecordingSeries],
    read_partition: Callable[[Partition], Sequence[RecordingSeries]],
) -> tuple[VariantScores, ...]:
    """Score the recordings of a dimension raw and after the post-processing that the configuration requests.

    scored: the recordings of `config.partition`.
    read_partition: returns the recordings of another partition, empty if it cannot be fitted on.

    Returns an empty tuple if no post-processing is requested. The headline of a report stays raw in any case.
    """
    if not config.fits or not scored:
        return ()
    variants = [_score(config, scored, "raw", FittedChain(Chain()))]
    if config.smoothing:
        smoothing = Chain((MovingMean(config.smoothing),))
        variants.append(_score(config, scored, "smoothed", FittedChain(smoothing)))
    if config.post_processing:
        parts: dict[Partition, Sequence[RecordingSeries]] = {config.partition: scored}
        parts |= {part: read_partition(part) for part in FITTING_PARTITIONS if part != config.partition}
        variants += _score_fitted(config, parts)
    return tuple(variants)


def fit_chain(
    recordings: Sequence[RecordingSeries],
    partition: str,
    scale: Scale = "about_mean",
    windows: Sequence[float] = WINDOWS,
    shifts: Sequence[float] = SHIFTS,
    score: Score = joined_ccc,
) -> FittedChain:
    """Fit the AVEC chain of one dimension on the recordings of a partition.

    partition: name of the partition, for the report.
    scale: what scaling leaves in place: the mean (safer), or 0 as the script of AVEC 2018 does.
    windows, shifts: grids of the median filter and the time shift in seconds; of equal scores the first wins.
    score: the score that an operation must improve.

    Raises MetricError for an unknown `scale`.
    """
    if scale not in ("about_mean", "avec2018"):
        raise MetricError(f"scale: must be 'about_mean' or 'avec2018', got '{scale}'")
    grids: list[Callable[[Sequence[RecordingSeries]], list[Operation]]] = [
        lambda _: [MedianFilter(window) for window in windows],
        _centring,
        lambda current: _scaling(current, scale),
        lambda _: [TimeShift(shift) for shift in shifts],
    ]
    current, best, trials = list(recordings), score(recordings), list[Trial]()
    for grid in grids:
        for trial in _try_operations(grid(current), current, best, score):
            trials.append(trial)
            if trial.kept:
                current, best = _apply(trial.operation, current), trial.after
    kept = tuple(trial.operation for trial in trials if trial.kept)
    return FittedChain(Chain(kept, partition), tuple(trials))


def _score_fitted(config: EvalConfig, parts: Mapping[Partition, Sequence[RecordingSeries]]) -> list[VariantScores]:
    """Score the chain fitted on each partition of `parts`, applied to the partition of the configuration."""
    variants: list[VariantScores] = []
    for partition in FITTING_PARTITIONS:
        if parts.get(partition):
            optimistic = partition == config.partition
            name = f"fitted on {partition}" + (" (optimistic)" if optimistic else "")
            fitted = fit_chain(parts[partition], partition)
            variants.append(_score(config, parts[config.partition], name, fitted, optimistic))
    return variants


def _score(
    config: EvalConfig,
    recordings: Sequence[RecordingSeries],
    name: str,
    fitted: FittedChain,
    optimistic: bool = False,
) -> VariantScores:
    """Score recordings after a chain by the CCC of the configuration; recordings without a valid step are skipped."""
    chain, trials = fitted
    scores = ByRecording(lambda: RegressionScores(config.ccc, nan="omit"))
    for number, recording in enumerate(map(chain.apply_to, recordings)):
        if recording.valid.any():
            scores.add(str(number), recording.prediction, recording.target)
    described = tuple(trial.describe() for trial in trials)
    return VariantScores(name, chain.describe(), optimistic, scores.joined()["ccc"], scores.mean()["ccc"], described)


def _try_operations(
    operations: list[Operation], current: Sequence[RecordingSeries], before: float, score: Score
) -> list[Trial]:
    """Return a trial of the best operation, or none if no operation has a CCC.

    If the CCC before is NaN, any operation with a CCC counts as an improvement.
    """
    scores = np.array([score(_apply(operation, current)) for operation in operations])
    if not len(scores) or np.isnan(scores).all():
        return []
    best = int(np.nanargmax(scores))
    after = float(scores[best])
    return [Trial(operations[best], before, after, kept=bool(np.isnan(before)) or after > before)]


def _apply(operation: Operation, recordings: Sequence[RecordingSeries]) -> list[RecordingSeries]:
    return [r.with_prediction(operation.apply(r.prediction, r.step)) for r in recordings]


def _centring(current: Sequence[RecordingSeries]) -> list[Operation]:
    """Return the operation that makes the means equal; none without valid steps."""
    prediction, target = _join_valid(current)
    return [Centring(float(prediction.mean() - target.mean()))] if len(target) else []


def _scaling(current: Sequence[RecordingSeries], scale: Scale) -> list[Operation]:
    """Return the operation that makes the standard deviations equal; none for a constant prediction."""
    prediction, target = _join_valid(current)
    if not len(target) or prediction.std() == 0:
        return []
    about = float(prediction.mean()) if scale == "about_mean" else None
    return [Scaling(float(target.std() / prediction.std()), about)]


def _join_valid(current: Sequence[RecordingSeries]) -> tuple[np.ndarray, np.ndarray]:
    """Return prediction and target of the V valid steps of all recordings, (V,) each."""
    prediction = np.concatenate([r.prediction[r.valid] for r in current]) if current else np.zeros(0)
    return prediction, (np.concatenate([r.target[r.valid] for r in current]) if current else np.zeros(0))

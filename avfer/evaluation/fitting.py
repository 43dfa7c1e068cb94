"""A dimension raw, smoothed, and through the AVEC chain fitted on train and on dev."""

from collections.abc import Callable, Sequence

from avfer.datasets.example import Partition
from avfer.evaluation.evaluation_config import EvalConfig
from avfer.evaluation.fit import variants
from avfer.evaluation.post_processing import Chain, MovingMean
from avfer.evaluation.report import VariantScores
from avfer.evaluation.series import Series
from avfer.metrics import ByRecording, RegressionScores

FITTED: tuple[Partition, ...] = ("train", "dev")


def fitted(
    config: EvalConfig, scored: Sequence[Series], others: Callable[[Partition], Sequence[Series]]
) -> tuple[VariantScores, ...]:
    """What post-processing makes of the scored recordings; `others` gives those of another partition.

    The headline stays raw, whatever is found here.
    """
    if not config.fits or not scored:
        return ()
    parts = {config.partition: scored}
    if config.post_processing:
        parts |= {partition: others(partition) for partition in FITTED if partition != config.partition}
    smoothing = Chain((MovingMean(config.smoothing),))
    rows = [
        _scores(config, variant.name, variant.chain, variant.recordings, variant.optimistic)._replace(
            trials=tuple(trial.told() for trial in variant.trials)
        )
        for variant in (variants(parts, config.partition) if config.post_processing else variants({"": scored}, ""))
    ]
    if config.smoothing:
        rows.insert(1, _scores(config, "smoothed", smoothing, [smoothing.to(one) for one in scored]))
    return tuple(rows)


def _scores(
    config: EvalConfig, name: str, chain: Chain, done: Sequence[Series], optimistic: bool = False
) -> VariantScores:
    both = ByRecording(lambda: RegressionScores(config.ccc, nan="omit"))
    for number, recording in enumerate(done):
        if recording.valid.any():
            both.add(str(number), recording.prediction, recording.target)
    return VariantScores(name, chain.told(), optimistic, both.joined()["ccc"], both.mean()["ccc"], ())

"""A training run from its configuration to its weights: the entry of `avfer train` and `avfer.train`.

A face network learns from single images (avfer/training/images), every other model over time
(avfer/training/sequences). Either makes a task, which the loop in avfer/training/engine trains.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from avfer.catalog import kind_of
from avfer.errors import ConfigError, MissingExtra
from avfer.models.card_files import read_card
from avfer.progress import ReportProgress, StepProgress, open_display
from avfer.training.evaluation_command import evaluation_command
from avfer.training.training_config import TrainConfig, read_config
from avfer.training.training_report import NOT_SCORES, best_epoch, write_training_report

IMAGE_KEYS = ("losses", "combine", "mix", "balance", "decide", "new_head", "start", "teacher", "triplets", "unlabelled")
SEQUENCE_KEYS = ("pipeline", "settings", "length", "stride", "delay", "backbone")
CROP_KEYS = ("augment", "size")


@dataclass(frozen=True)
class Trained:
    """The result of a training run."""

    folder: Path  # `output:` of the configuration
    weights: Path  # of the best epoch, with a card beside it
    scores: dict[str, float]  # of that epoch on the dev partition
    epochs: int  # that were trained
    report: Path  # HTML page
    evaluation: str  # command line that scores the weights on the test partition


def train(
    config: TrainConfig | Path | str,
    resume: bool = False,
    progress: ReportProgress | bool = False,
    **settings: Any,
) -> Trained:
    """Train a model by a configuration, or by the path or name of a YAML file whose keys `settings` change.

    Example: `train("my_labels", root="/data/mine", **{"optimiser.rate": 3e-4})`. With `resume` a run continues from
    the checkpoint in its output folder. With `progress=True` it shows bars on a terminal or in a notebook, elsewhere
    lines, on standard error; a callable receives the steps instead.

    Everything that can be wrong with corpus and configuration is raised before training starts: ConfigError,
    DatasetError, WeightsError or MissingExtra. During training: TrainingError for a non-finite loss, weight or score,
    and OutputError for a file that cannot be written.
    """
    if not isinstance(config, TrainConfig):
        config = read_config(config, settings)
    elif settings:
        raise ConfigError(f"{', '.join(settings)}: settings change a YAML file; change the TrainConfig itself")
    try:
        from avfer.training.engine.distributed import launch
    except ModuleNotFoundError as error:
        raise MissingExtra("training", "lightning-fabric", "train") from error
    with open_display(Console(stderr=True), quiet=progress is not True) as display:
        report = StepProgress(display) if isinstance(progress, bool) else progress
        task = _task(config, resume, report)
        position = launch(task, config, report)
    weights = config.output / "best.safetensors"
    card, partition = read_card(weights.with_suffix(".json")), task.scored_partition()
    command = evaluation_command(config, card, partition.delays)
    page = write_training_report(config, position.history, card, partition, command)
    scores = {name: value for name, value in best_epoch(position.history).items() if name not in NOT_SCORES}
    return Trained(config.output, weights, scores, position.epoch, page, command)


def _task(config: TrainConfig, resume: bool, progress: ReportProgress) -> Any:
    """Return the task of a model, by its kind. Raises ConfigError for keys that the kind does not use."""
    from avfer.training.name_check import check_names

    kind = kind_of(config.model)
    if kind == "backbone":
        from avfer.training.images.image_task import image_task

        _refuse_keys(config, SEQUENCE_KEYS, "models over time")
        check_names(config)
        return image_task(config, resume, progress)
    if kind not in {"affect model", "video model", "voice backbone"}:
        trainable = "affect models, video models, and backbones of the face or the voice can be trained"
        raise ConfigError(f"model: {config.model} is a {kind}; {trainable}")
    from avfer.training.sequences.sequence_task import sequence_task

    is_whole = kind != "affect model"
    _refuse_keys(config, tuple(key for key in IMAGE_KEYS if not (is_whole and key == "start")), "face networks")
    if not is_whole and config.backbone is None:
        _refuse_keys(config, CROP_KEYS, "networks that read face crops")
    check_names(config)
    return sequence_task(config, resume, progress)


def _refuse_keys(config: TrainConfig, keys: tuple[str, ...], users: str) -> None:
    """Raise ConfigError if a key is set that would have no effect."""
    for key in keys:
        if getattr(config, key) != TrainConfig.model_fields[key].default:
            raise ConfigError(f"{key}: only {users} use it, and {config.model} is none of them; remove it")

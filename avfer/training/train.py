"""An experiment from its configuration to its weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avfer.catalog import kind_of
from avfer.errors import ConfigError, MissingExtra
from avfer.training.task import Tell
from avfer.training.training_config import TrainConfig, read_config

PICTURES = ("losses", "combine", "mix", "balance", "decide", "new_head", "start", "teacher", "triplets", "unlabelled")
OVER_TIME = ("pipeline", "settings", "length", "stride", "delay", "backbone")
CROPS = ("augment", "size")


@dataclass(frozen=True)
class Trained:
    """What an experiment left."""

    folder: Path
    weights: Path  # of the best epoch
    scores: dict[str, float]  # of that epoch
    epochs: int


def train(
    config: TrainConfig | Path | str, resume: bool = False, tell: Tell = lambda *_: None, **settings: Any
) -> Trained:
    """Run an experiment, given as a YAML (of which `settings` change keys: {"optimiser.rate": 3e-4}) or ready-made.

    All that can be wrong of the corpus and the configuration is told before training starts: ConfigError,
    DatasetError, WeightsError or MissingExtra.
    """
    if not isinstance(config, TrainConfig):
        config = read_config(Path(config), settings)
    elif settings:
        raise ConfigError(f"{', '.join(settings)}: settings change a YAML; change the fields of a TrainConfig itself")
    try:
        from avfer.training.processes import launch
    except ModuleNotFoundError as error:
        raise MissingExtra("training", "lightning-fabric", "train") from error
    task = _task(config, resume, tell)
    progress = launch(task, config, tell)
    best = max(progress.history, key=lambda row: row["score"])
    scores = {name: value for name, value in best.items() if name not in {"epoch", "loss", "rate"}}
    return Trained(config.output, config.output / "best.safetensors", scores, progress.epoch)


def _task(config: TrainConfig, resume: bool, tell: Tell) -> Any:
    kind = kind_of(config.model)
    if kind == "backbone":
        from avfer.training.pictures import picture_task

        _check_keys(config, OVER_TIME, "models over time")
        return picture_task(config, resume, tell)
    if kind not in {"affect model", "video model", "voice backbone"}:
        told = "what can be trained is an affect model, a video model, or a backbone of the face or the voice"
        raise ConfigError(f"model: {config.model} is a {kind}; {told}")
    whole = kind != "affect model"
    _check_keys(config, tuple(key for key in PICTURES if not (whole and key == "start")), "face networks alone")
    if whole or config.backbone is not None:
        from avfer.training.videos import video_task

        return video_task(config, resume, tell)
    from avfer.training.affect import affect_task

    _check_keys(config, CROPS, "networks that read crops of faces")
    return affect_task(config, resume, tell)


def _check_keys(config: TrainConfig, keys: tuple[str, ...], who: str) -> None:
    """ConfigError where a key is set that would do nothing."""
    for key in keys:
        if getattr(config, key) != TrainConfig.model_fields[key].default:
            raise ConfigError(f"{key}: is read by {who}; {config.model} is none, so leave it out")

"""The folder of an experiment: whether it may be written to, has room, and holds what a training can go on from."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from avfer.errors import AvferWarning, ConfigError
from avfer.training.checkpoint import NAME
from avfer.training.training_config import TrainConfig

SETTINGS = "config.yaml"
FREE = {"output", "device", "threads", "workers", "save_every", "patience"}  # may differ when a training goes on
CHECKPOINT = 4  # times the weights: themselves, two moments and a mean


def prepare_output(config: TrainConfig, resume: bool, module: nn.Module, crops: int = 0) -> None:
    """Make the folder and write the configuration into it.

    ConfigError where it holds a training already that is not to go on, or another one, where it cannot be written to,
    or where its disk cannot hold two checkpoints of a module, and the bytes of `crops` that are still to be cut out.
    """
    folder, told = config.output, config.output / SETTINGS
    started = (folder / NAME).exists()
    if started and not resume:
        raise ConfigError(f"{folder} holds a training already: --resume goes on with it; or choose another output:")
    if resume and not started:
        warnings.warn(f"{folder} holds no checkpoint: training begins anew", AvferWarning, stacklevel=2)
    now = config.model_dump(mode="json")
    if started and told.exists() and (other := _differences(yaml.safe_load(told.read_text()), now)):
        raise ConfigError(
            f"{folder} was begun with another configuration ({'; '.join(other)}): go on with that one ({told}), or"
            " choose another output:"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_room(folder, 2 * CHECKPOINT * _bytes(module), crops)
        told.write_text(yaml.safe_dump(now, sort_keys=False))
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to: {error.strerror}; choose another output:") from error


def _check_room(folder: Path, checkpoints: int, crops: int) -> None:
    """ConfigError where the disk has not so many bytes left, and a little more."""
    free, needed = shutil.disk_usage(folder).free, checkpoints + crops + 2**20
    if free < needed:
        what = "checkpoints and crops of faces" if crops else "checkpoints"
        raise ConfigError(f"{folder} has {free >> 20} MB free, {what} need {needed >> 20} MB; choose another output:")


def _bytes(module: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in module.state_dict().values())


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """["batch: 16 before, 4 now"] of all that decides what is learned."""
    keys = sorted((before.keys() | now.keys()) - FREE)
    return [f"{key}: {before.get(key)} before, {now.get(key)} now" for key in keys if before.get(key) != now.get(key)]

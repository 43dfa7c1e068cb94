"""The output folder of a training run: created and checked before training starts, and the log written into it."""

import shutil
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from avfer.atomic import atomic_write
from avfer.configurations import read_text
from avfer.errors import AvferWarning, ConfigError, OutputError, counted
from avfer.export.plot import plot_learning_curve
from avfer.training.engine.checkpoint import CHECKPOINT, HINT
from avfer.training.training_config import TrainConfig
from avfer.yaml_reader import parse_mapping, write_yaml

SETTINGS = "config.yaml"
MAY_CHANGE = {"output", "device", "threads", "workers", "save_every", "patience"}  # by --resume, and epochs to more
OTHER_OUTPUT = "choose another folder: --set output=DIR"
CHECKPOINT_SIZE = 4  # a checkpoint in multiples of the weights: the weights, two moments, and room to spare


def prepare_output(config: TrainConfig, resume: bool, module: nn.Module, clip_cache_bytes: int = 0) -> None:
    """Create the output folder and write the configuration into it.

    module: gives the size of a checkpoint. clip_cache_bytes: size of the face crops that are still to be written.

    A run can be resumed for more epochs; AvferWarning if its rates then depend on how many there were before.

    Raises ConfigError if the folder holds a training run and `resume` is False, if that run has another
    configuration, if the folder cannot be written to, or if the disk has no room for two checkpoints and the crops.
    """
    folder, settings = config.output, config.output / SETTINGS
    started = (folder / CHECKPOINT).exists()
    if started and not resume:
        raise ConfigError(f"{folder} holds a training run already: continue it with --resume, or {OTHER_OUTPUT}")
    if resume and not started:
        warnings.warn(f"{folder} holds no checkpoint: training starts from the beginning", AvferWarning, stacklevel=2)
    values = config.model_dump(mode="json")
    if started and settings.exists():
        before = _read_settings(settings)
        if changes := _changes(before, values):
            raise ConfigError(
                f"{folder} was started with another configuration ({'; '.join(changes)}): continue with that one"
                f" ({settings}), or {OTHER_OUTPUT}"
            )
        _warn_of_more_epochs(before.get("epochs"), config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_room(folder, 2 * CHECKPOINT_SIZE * _bytes(module), clip_cache_bytes)
        with atomic_write(settings, OTHER_OUTPUT) as part:
            part.write_text(write_yaml(values))
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to: {error.strerror}; {OTHER_OUTPUT}") from error
    except OutputError as error:
        raise ConfigError(str(error)) from error


def _read_settings(path: Path) -> dict[str, Any]:
    """Return the configuration of the run in a folder. Raises ConfigError if the file is damaged."""
    return parse_mapping(read_text(path), str(path), "the keys of a training run").content


def _check_room(folder: Path, checkpoints: int, crops: int) -> None:
    """Raise ConfigError if the disk has less free space than these bytes and one MB more."""
    free, needed = shutil.disk_usage(folder).free, checkpoints + crops + 2**20
    if free < needed:
        content = "checkpoints and face crops" if crops else "checkpoints"
        raise ConfigError(f"{folder} has {free >> 20} MB free, {content} need {needed >> 20} MB; {OTHER_OUTPUT}")


def _bytes(module: nn.Module) -> int:
    """Return the size of the weights of a module in bytes."""
    return sum(tensor.nbytes for tensor in module.state_dict().values())


def _changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the differing keys that decide what is learned: ["batch: 16 before, 4 now"]."""
    keys, epochs = now.keys() - MAY_CHANGE, before.get("epochs")
    if isinstance(epochs, int) and epochs < now["epochs"]:
        keys -= {"epochs"}
    return [f"{key}: {before.get(key)} before, {now[key]} now" for key in sorted(keys) if before.get(key) != now[key]]


def _warn_of_more_epochs(before: Any, config: TrainConfig) -> None:
    """Warn if a run is resumed for more epochs and its rates up to here were those of fewer."""
    if config.epochs != before and config.optimiser.depends_on_epochs:
        epochs = counted(config.epochs, "epoch")
        message = (
            f"epochs: {before} before, {config.epochs} now: from here on the rate follows the schedule over"
            f" {epochs} ({config.optimiser.schedule}, warm_up {config.optimiser.warm_up:g}), so the"
            f" weights will differ from those of a run that was started with {epochs}"
        )
        warnings.warn(message, AvferWarning, stacklevel=3)


def log_epochs(folder: Path, history: list[dict[str, float]]) -> None:
    """Write metrics.csv with all epochs so far, and add the last epoch to the events.

    history: one row for each epoch, with "epoch" (from 1), "loss", "rate" and the scores. TensorBoard is optional:
    without it there are no events. Raises OutputError if a file cannot be written.
    """
    with atomic_write(folder / "metrics.csv", HINT) as part:
        pd.DataFrame(history).to_csv(part, index=False)
    if find_spec("tensorboard") is not None:
        _write_events(folder / "events", history[-1])


def draw_curve(folder: Path, history: list[dict[str, float]]) -> None:
    """Write curve.png with all epochs so far. history: as of `log_epochs`. Raises OutputError if that fails."""
    with atomic_write(folder / "curve.png", HINT) as part:
        plot_learning_curve(pd.DataFrame(history)).savefig(part, dpi=130, format="png")


def _write_events(folder: Path, row: dict[str, float]) -> None:
    """Add one epoch to the TensorBoard events in `folder`."""
    from torch.utils.tensorboard.writer import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for name, value in row.items():
            if name != "epoch":
                writer.add_scalar(name, value, int(row["epoch"]))

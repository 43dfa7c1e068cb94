"""Run the training loop on one process, or on several processes that share every batch.

With N processes (`devices: N`) process r trains on the items r, r + N, ... of every batch; gradients are averaged, so
that all processes have the same weights. The first process scores, logs and writes files.
"""

import os
import pickle
import re
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision.amp import MixedPrecision
from lightning_fabric.strategies.ddp import DDPStrategy
from torch.multiprocessing.spawn import ProcessRaisedException

from avfer.devices import check_processes, choose_device
from avfer.errors import AvferWarning, rebuild_error
from avfer.progress import ReportProgress
from avfer.training.engine.checkpoint import Position
from avfer.training.engine.loop import Task, fit
from avfer.training.training_config import TrainConfig


def launch(task: Task, config: TrainConfig, progress: ReportProgress) -> Position:
    """Train a task on `config.devices` processes; return the position at the end.

    With several processes, the first one prints one line for each epoch, and `progress` is not called. An error in
    one of several processes is raised here as the error of a single process would be. Raises ConfigError for more
    processes than GPUs.
    """
    device = choose_device(config.device)
    check_processes(device.type, config.devices)
    is_distributed = config.devices > 1
    with _framework_silenced():
        plugins: list[Any] = []
        if config.precision != "32-true":
            plugins.append(NetworkPrecision(config.precision, device.type))
        # A head has no gradient in a batch without labels for it.
        strategy = DDPStrategy(start_method="spawn", find_unused_parameters=True) if is_distributed else "auto"
        devices = [device.index] if ":" in str(device) and not is_distributed else config.devices
        fabric = Fabric(accelerator=device.type, devices=devices, strategy=strategy, plugins=plugins)
        sent: Any = _PickledTask(task) if is_distributed else task
        report = _print_epoch if is_distributed else progress
        try:
            return fabric.launch(partial(_fit, task=sent, config=config, folder=config.output, progress=report))
        except ProcessRaisedException as error:
            raise _original_error(error) from None


class NetworkPrecision(MixedPrecision):
    """Mixed precision for the networks alone: labels, positions and times keep their precision.

    The base class would round every floating-point tensor of a batch to half precision first.
    """

    def convert_input(self, data: Any) -> Any:
        """Return the batch unchanged."""
        return data


@contextmanager
def _framework_silenced() -> Generator[None]:
    """Show the warnings of avfer only: the framework warns about devices, workers and future versions of torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", AvferWarning)
        yield


def _fit(fabric: Fabric, **arguments: Any) -> Position:
    """Run the loop, in a process that may be new and has no warning filters yet.

    The process group is destroyed at the end. Otherwise a thread that frees a tensor while Python exits aborts the
    process, and with it a training run that has already finished.
    """
    with _framework_silenced():
        position = fit(fabric, **arguments)
    if fabric.world_size > 1:
        torch.distributed.destroy_process_group()
    return position


class _PickledTask:
    """A task that is sent to another process as bytes and arrives as the task itself.

    Otherwise torch sends a file handle for each tensor, and large networks exceed the usual limit of 1024.
    """

    def __init__(self, task: Task) -> None:
        self.task = task

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        """Unpickle to the task itself."""
        return pickle.loads, (pickle.dumps(self.task),)


def _print_epoch(title: str, done: int, total: int, result: str = "", /) -> None:
    """Print a finished step from the first process."""
    if done == total and int(os.environ.get("LOCAL_RANK", "0")) == 0:
        print(f"{title}: {result}", file=sys.stderr)


def _original_error(error: Exception) -> Exception:
    """Return the AvferError that ended one of several processes, or `error` itself if it was of another kind."""
    found = re.search(r"^avfer\.errors\.(\w+): (.*)$", str(error), re.MULTILINE)
    if not found:
        return error
    return rebuild_error(found[1], found[2])

"""The loop on one process, or on several that are started for it and share every batch."""

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
from lightning_fabric.strategies.ddp import DDPStrategy
from torch.multiprocessing.spawn import ProcessRaisedException

from avfer import errors
from avfer.errors import AvferError, AvferWarning
from avfer.pipeline import choose_device
from avfer.training.checkpoint import Progress
from avfer.training.loop import fit
from avfer.training.precision import Mixed
from avfer.training.task import Task, Tell
from avfer.training.training_config import TrainConfig


def launch(task: Task, config: TrainConfig, watch: Tell) -> Progress:
    """Train to the end on `config.devices` processes; of several, the first one's lines are all that is told.

    An error that ends one of several is raised as that of one would be.
    """
    device = choose_device(config.device)
    several = config.devices > 1
    with _ours_alone():
        mixed: list[Any] = [] if config.precision == "32-true" else [Mixed(config.precision, device.type)]
        # Heads without a label in a batch have no gradient.
        strategy = DDPStrategy(start_method="spawn", find_unused_parameters=True) if several else "auto"
        chosen = [device.index] if ":" in config.device and not several else config.devices
        fabric = Fabric(accelerator=device.type, devices=chosen, strategy=strategy, plugins=mixed)
        given: Any = _Sent(task) if several else task
        told = _line if several else watch
        try:
            return fabric.launch(partial(_fit, task=given, config=config, folder=config.output, watch=told))
        except ProcessRaisedException as error:
            raise _of_process(error) from None


@contextmanager
def _ours_alone() -> Generator[None]:
    """While open, nothing warns but avfer: the framework tells of devices and workers, and of torch to come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", AvferWarning)
        yield


def _fit(fabric: Fabric, **given: Any) -> Progress:
    """The loop, in a process that may have been started for it and knows no filters.

    What several had between them ends with it: a thread that lets go of a tensor while Python itself ends would abort
    its process, and with it a training that was done.
    """
    with _ours_alone():
        progress = fit(fabric, **given)
    if fabric.world_size > 1:
        torch.distributed.destroy_process_group()
    return progress


class _Sent:
    """A task on its way to another process, where it arrives as itself.

    torch would send a handle of a file for each tensor, and large networks have more than the 1024 that are allowed.
    """

    def __init__(self, task: Task) -> None:
        self.task = task

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        return pickle.loads, (pickle.dumps(self.task),)


def _line(what: str, done: int, total: int, came: str = "", /) -> None:
    if done == total and int(os.environ.get("LOCAL_RANK", "0")) == 0:
        print(f"{what}: {came}", file=sys.stderr)


def _of_process(error: Exception) -> Exception:
    """The error for users that one of several processes ended with; what it was given, if it is none of ours."""
    found = re.search(r"^avfer\.errors\.(\w+): (.*)$", str(error), re.MULTILINE)
    if not found:
        return error
    kind: type[AvferError] = getattr(errors, found[1])
    return kind.__new__(kind, found[2])  # as it is: a MissingExtra is made of other words

"""All that training needs to go on where it was, in one file that appears whole or not at all."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from avfer.errors import OutputError, WeightsError

NAME = "last.ckpt"


@dataclass
class Progress:
    """How far training is, and what came of it."""

    epoch: int = 0
    batch: int = 0  # of the epoch, the next one
    total: float = 0.0  # sum of the losses of this epoch
    best: float = float("-inf")
    since: int = 0  # epochs since the best
    history: list[dict[str, float]] = field(default_factory=list[dict[str, float]])  # a row for each epoch


@dataclass
class State:
    """What changes while training."""

    module: nn.Module
    optimiser: Optimizer
    schedule: LRScheduler
    mean: dict[str, Tensor]  # moving mean of the weights; empty for none
    progress: Progress

    def save(self, fabric: Fabric, folder: Path) -> None:
        """Write the checkpoint; every process hands in where its random numbers are. OutputError on a full disk."""
        gathered = cast(Tensor, fabric.all_gather(torch.get_rng_state()))
        random = gathered.reshape(fabric.world_size, -1)
        if not fabric.is_global_zero:
            return
        content = {
            "module": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "mean": self.mean,
            "progress": asdict(self.progress),
            "random": random.cpu(),
        }
        with whole(folder / NAME) as part:
            torch.save(content, part)

    def load(self, fabric: Fabric, content: dict[str, Any]) -> None:
        """Go back to where a checkpoint was written."""
        self.module.load_state_dict(content["module"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.schedule.load_state_dict(content["schedule"])
        self.mean = {name: value.to(fabric.device) for name, value in content["mean"].items()}
        self.progress = Progress(**content["progress"])
        random = content["random"]
        if len(random) == fabric.world_size:
            torch.set_rng_state(random[fabric.global_rank])


@contextmanager
def whole(path: Path) -> Generator[Path]:
    """Where to write a file that appears whole or not at all; OutputError where the disk is full."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    except (OSError, RuntimeError) as error:  # torch tells a full disk as the latter
        part.unlink(missing_ok=True)
        told = getattr(error, "strerror", None) or f"{str(error).splitlines()[0]} (is the disk full?)"
        raise OutputError(
            f"{path} cannot be written: {told}; the last good checkpoint is kept: make room and go on with --resume"
        ) from error


def read(folder: Path) -> dict[str, Any] | None:
    """The checkpoint of a folder, None where there is none yet; WeightsError where it cannot be read."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a broken file makes of the reader
        told = str(error).split("\n")[0]
        raise WeightsError(f"{path} is no whole checkpoint ({told}); remove it to begin anew") from error

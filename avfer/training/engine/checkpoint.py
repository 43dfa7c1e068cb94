"""The checkpoint: everything that training needs to continue exactly where it was, in one file."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from avfer.atomic import atomic_write, output_error
from avfer.errors import WeightsError
from avfer.training.engine.optimiser import set_rates

CHECKPOINT = "last.ckpt"
HINT = "the last good checkpoint is kept: free some disk space and continue with --resume"


@dataclass
class Position:
    """How far a training run has come, and its scores so far."""

    epoch: int = 0  # finished epochs
    batch: int = 0  # finished batches of the current epoch
    total: float = 0.0  # sum of the losses of these batches
    best: float = float("-inf")  # highest score so far
    since: int = 0  # epochs since the highest score
    history: list[dict[str, float]] = field(default_factory=list[dict[str, float]])  # one row for each finished epoch


@dataclass
class TrainingState:
    """Everything that changes during training."""

    module: nn.Module  # network and losses
    optimiser: Optimizer  # with its moments
    schedule: LambdaLR  # of the learning rate
    position: Position  # epoch, step and scores so far

    def save(self, fabric: Fabric, folder: Path) -> None:
        """Write the checkpoint into `folder`. Every process must call this: each adds its random number state.

        Raises OutputError if the file cannot be written; the previous checkpoint then stays as it was.
        """
        gathered = cast(Tensor, fabric.all_gather(torch.get_rng_state()))
        random_states = gathered.reshape(fabric.world_size, -1)
        if not fabric.is_global_zero:
            return
        content = {
            "module": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "progress": asdict(self.position),
            "random": random_states.cpu(),
        }
        save_tensors(content, folder / CHECKPOINT)

    def load(self, fabric: Fabric, content: dict[str, Any]) -> None:
        """Restore the state that `read_checkpoint` returned, with the random number state of this process.

        Raises WeightsError if it is that of another network, as after a change of the corpus's classes.
        """
        try:
            self.module.load_state_dict(content["module"])
            self.optimiser.load_state_dict(content["optimiser"])
        except (RuntimeError, ValueError) as error:
            raise WeightsError(
                f"{CHECKPOINT} does not fit the network: the corpus had other classes or action units when the run was"
                " started, or the network was another one; start over in another folder: --set output=DIR"
            ) from error
        self.schedule.load_state_dict(content["schedule"])
        set_rates(self.schedule)
        self.position = Position(**content["progress"])
        random_states = content["random"]
        if len(random_states) == fabric.world_size:
            torch.set_rng_state(random_states[fabric.global_rank])


def save_tensors(content: Any, path: Path) -> None:
    """Write `content` with torch.save, completely or not at all. Raises OutputError if the disk is full."""
    with atomic_write(path, HINT) as part:
        try:
            torch.save(content, part)
        except RuntimeError as error:  # what torch raises on a full disk
            reason = str(error).splitlines()[0]
            raise output_error(path, OSError(f"{reason} (is the disk full?)"), HINT) from error


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Return the content of the checkpoint in `folder`, or None if there is none yet.

    Tensors are on the CPU. Raises WeightsError if the file cannot be read.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch raise many kinds of errors
        reason = str(error).split("\n")[0]
        raise WeightsError(f"{path} is not a complete checkpoint: {reason}; remove it to start over") from error

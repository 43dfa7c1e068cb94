"""Training stops where something is no number, and says what: a loss, the weights, or a score."""

import math

import torch
from torch import nn

from avfer.errors import MetricError, TrainingError
from avfer.training.checkpoint import Progress
from avfer.training.task import Task

SHOWN = 5  # items of a batch that a message lists


def check_loss(loss: float, number: int, progress: Progress, items: list[str]) -> None:
    """TrainingError where the loss of a batch (`number` from 0) is no number; `items` are what it holds."""
    if not math.isfinite(loss):
        told = f" ({', '.join(items[:SHOWN])}{', ...' if len(items) > SHOWN else ''})" if items else ""
        raise _stopped(f"the loss of batch {number + 1} of epoch {progress.epoch + 1} is {loss}{told}")


def check_weights(module: nn.Module, progress: Progress) -> None:
    """TrainingError where a step has left weights that are no numbers, as infinite gradients do."""
    for name, value in module.state_dict().items():
        if not bool(value.isfinite().all()):
            where = f"after batch {progress.batch} of epoch {progress.epoch + 1}"
            raise _stopped(f"the weights {name} are no numbers {where}")


def scored(task: Task, module: nn.Module, device: torch.device, progress: Progress) -> dict[str, float]:
    """The scores of this epoch. TrainingError where there is none, as weights without bounds have it."""
    epoch = progress.epoch + 1
    try:
        scores = task.score(module, device)
    except MetricError as error:
        raise _stopped(f"what the model tells after epoch {epoch} is no number") from error
    if not math.isfinite(scores["score"]):
        told = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        raise _stopped(f"the score of epoch {epoch} is no number ({told})")
    return scores


def _stopped(what: str) -> TrainingError:
    return TrainingError(
        f"{what}; checkpoints from before are kept: lower optimiser.rate in another output:, or repair what the batch"
        " holds and go on with --resume"
    )

"""Training steps on one batch of toy images, and each loss before and after."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avfer.progress import no_progress
from avfer.training.data.image_batches import ImageBatch
from avfer.training.engine.optimiser import ascend
from avfer.training.images.image_task import ImageTask, image_task
from tests.training.toy_images import settings


def make_task(folder: Path, **changes: Any) -> ImageTask:
    return image_task(settings(folder, **changes), False, no_progress)


def losses_of(task: ImageTask, batch: ImageBatch) -> dict[str, float]:
    """Return each loss on a batch and their sum, with the same random numbers every time."""
    torch.manual_seed(5)
    with torch.no_grad():
        forward_pass = task.objective.forward_pass(batch)
        parts = {name: float(task.objective.network_loss(name)(forward_pass)) for name in task.objective.weights}
        return parts | {"all": float(task.objective(batch))}


def triplet_accuracy(first: Tensor, second: Tensor, odd: Tensor) -> Tensor:
    """Return the share of triplets whose two similar faces are nearest.   (N, D) float each -> () in [0, 1]."""
    positive = (first - second).norm(dim=1)
    nearest = (positive < (first - odd).norm(dim=1)) & (positive < (second - odd).norm(dim=1))
    return nearest.float().mean()


def train_steps(task: ImageTask, batch: ImageBatch, steps: int, rate: float = 1e-3, sam: float = 0.0) -> None:
    parameters = [p for p in task.objective.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, rate)
    task.objective.train()
    for _ in range(steps):
        optimiser.zero_grad()
        task.objective(batch).backward()
        if sam:
            descend = ascend(parameters, sam)
            optimiser.zero_grad()
            task.objective(batch).backward()
            descend()
        optimiser.step()


def assert_losses_fall(task: ImageTask, steps: int, count: int = 12, **options: float) -> None:
    """Assert that every loss on a batch is lower after some steps."""
    batch = task.batch(list(range(count)))
    task.objective.train()
    before = losses_of(task, batch)
    train_steps(task, batch, steps, **options)
    after = losses_of(task, batch)
    assert all(after[name] < before[name] for name in before), (before, after)

"""Steps of learning on one batch of toy pictures, and each loss before and after."""

from pathlib import Path
from typing import Any

import torch

from avfer.training.crops import PictureBatch
from avfer.training.engine.optimiser import ascend
from avfer.training.passes import Pass
from avfer.training.pictures import PictureTask, picture_task
from tests.training.toy_pictures import settings


def made(folder: Path, **changes: Any) -> PictureTask:
    return picture_task(settings(folder, **changes), False, lambda *_: None)


def told(task: PictureTask, batch: PictureBatch) -> dict[str, float]:
    """Each loss on a batch, with the same random choices every time."""
    torch.manual_seed(5)
    with torch.no_grad():
        seen = Pass(task.objective.model, task.card, batch)
        return {name: float(loss(seen)) for name, (_, loss) in task.objective.own.items()} | {
            "all": float(task.objective(batch))
        }


def learn(task: PictureTask, batch: PictureBatch, steps: int, rate: float = 1e-3, sam: float = 0.0) -> None:
    trained = [p for p in task.objective.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(trained, rate)
    task.objective.train()
    for _ in range(steps):
        optimiser.zero_grad()
        task.objective(batch).backward()
        if sam:
            back = ascend(trained, sam)
            optimiser.zero_grad()
            task.objective(batch).backward()
            back()
        optimiser.step()


def falls(task: PictureTask, steps: int, count: int = 12, **options: float) -> None:
    batch = task.batch(list(range(count)))
    task.objective.train()
    before = told(task, batch)
    learn(task, batch, steps, **options)
    after = told(task, batch)
    assert all(after[name] < before[name] for name in before), (before, after)

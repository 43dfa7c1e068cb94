"""The loop: batches, steps, scores, checkpoints; the same for every task, on one process or several."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from avfer.training.checkpoint import Progress, State, read
from avfer.training.finite import check_loss, check_weights, scored
from avfer.training.mean_weights import copied, follow, having, own
from avfer.training.optimise import ascend, make_optimiser, make_schedule
from avfer.training.record import record
from avfer.training.task import Task, Tell
from avfer.training.training_config import TrainConfig


def fit(fabric: Fabric, task: Task, config: TrainConfig, folder: Path, watch: Tell) -> Progress:
    """Train to the end, or from the folder's checkpoint on. TrainingError where the loss is no number."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed * 1009 + fabric.global_rank)
    batches = math.ceil(len(task) / config.batch)
    steps = math.ceil(batches / config.accumulate)
    made = make_optimiser(task.objective, config.optimiser)
    module, optimiser = fabric.setup(task.objective, made)
    schedule = make_schedule(made, config.optimiser, config.epochs * steps, steps)
    state = State(module, optimiser, schedule, {}, Progress())
    if config.ema:
        state.mean = copied(task.objective)
    if (content := read(folder)) is not None:
        state.load(fabric, content)
    progress = state.progress
    while progress.epoch < config.epochs and progress.since < config.patience:
        for batch in _epoch(fabric, task, config, state, batches, watch):
            if batch % (config.save_every * config.accumulate) == 0 and batch < batches:
                _save(fabric, state, folder)
        title = f"epoch {progress.epoch + 1}/{config.epochs}"
        watch(title, batches, batches, _close_epoch(fabric, task, config, state, folder, batches))
        _save(fabric, state, folder)
    return progress


def order(count: int, config: TrainConfig, epoch: int) -> list[list[int]]:
    """The batches of an epoch: all items, shuffled by seed and epoch alone."""
    random = torch.Generator().manual_seed(config.seed * 100_003 + epoch)
    shuffled = torch.randperm(count, generator=random).tolist()
    return [shuffled[i : i + config.batch] for i in range(0, count, config.batch)]


def _epoch(fabric: Fabric, task: Task, config: TrainConfig, state: State, batches: int, watch: Tell) -> Iterator[int]:
    """The batches that are left of the epoch; gives how many are done after each step."""
    progress = state.progress
    plan = order(len(task), config, progress.epoch)
    state.module.train()
    for number in range(progress.batch, batches):
        steps = (number + 1) % config.accumulate == 0 or number + 1 == batches
        mine = plan[number][fabric.global_rank :: fabric.world_size] or plan[number][:1]
        batch = task.batch(mine).to(fabric.device)
        with fabric.no_backward_sync(state.module, enabled=not steps):  # pyright: ignore[reportArgumentType]
            loss = _backward(fabric, config, state, batch)
        check_loss(loss, number, progress, task.item_names(plan[number]))
        progress.total += loss
        if steps:
            _step(fabric, config, state, batch)
            progress.batch = number + 1
            if number + 1 < batches:  # the last one is told with the score
                watch(f"epoch {progress.epoch + 1}/{config.epochs}", number + 1, batches)
            yield number + 1


def _backward(fabric: Fabric, config: TrainConfig, state: State, batch: Any) -> float:
    """The loss over all processes."""
    loss: Tensor = state.module(batch)
    fabric.backward(loss / config.accumulate)
    return float(fabric.all_reduce(loss.detach(), reduce_op="mean"))  # pyright: ignore[reportArgumentType]


def _step(fabric: Fabric, config: TrainConfig, state: State, batch: Any) -> None:
    if config.optimiser.sam:
        back = ascend(state.module.parameters(), config.optimiser.sam)
        state.optimiser.zero_grad()
        fabric.backward(state.module(batch))
        back()
    if config.clip:
        fabric.clip_gradients(state.module, state.optimiser, max_norm=config.clip, error_if_nonfinite=False)  # pyright: ignore[reportArgumentType]
    state.optimiser.step()
    state.optimiser.zero_grad()
    state.schedule.step()
    if config.ema:
        follow(state.mean, own(state.module), config.ema)


def _close_epoch(fabric: Fabric, task: Task, config: TrainConfig, state: State, folder: Path, batches: int) -> str:
    """Score the weights, keep the best, go on to the next epoch; what came of this one, in words."""
    progress, scores = state.progress, dict[str, float]()
    check_weights(own(state.module), progress)
    state.module.eval()
    with having(state.mean, own(state.module)):
        if fabric.is_global_zero:
            with torch.inference_mode():
                scores = scored(task, own(state.module), fabric.device, progress)
            if scores["score"] > progress.best:
                task.export(own(state.module), folder, scores)
        scores = fabric.broadcast(scores)
    better = scores["score"] > progress.best
    progress.since = 0 if better else progress.since + 1
    progress.best = max(progress.best, scores["score"])
    rate, loss = max(map(float, state.schedule.get_last_lr())), progress.total / batches
    progress.history.append({"epoch": progress.epoch + 1, "loss": loss, "rate": rate, **scores})
    progress.epoch, progress.batch, progress.total = progress.epoch + 1, 0, 0.0
    if fabric.is_global_zero:
        record(folder, progress.history)
    return f"loss {loss:.4f}, score {scores['score']:.4f}" + (", the best so far" if better else "")


def _save(fabric: Fabric, state: State, folder: Path) -> None:
    """Write a checkpoint, if it is a good one."""
    check_weights(own(state.module), state.progress)
    state.save(fabric, folder)

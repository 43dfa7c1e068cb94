"""The training loop: batches, steps, scores and checkpoints; the same for every task, on one process or several.

Training stops with a TrainingError as soon as a loss, a weight or a score is non-finite (NaN or infinity). Nothing
non-finite is ever written to a checkpoint.
"""

import math
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from avfer.errors import AvferWarning, MetricError, TrainingError, counted, shortened
from avfer.progress import ReportProgress
from avfer.training.engine.checkpoint import Position, TrainingState, read_checkpoint
from avfer.training.engine.optimiser import ascend, make_optimiser, make_schedule, rates_at
from avfer.training.engine.output_folder import draw_curve, log_epochs
from avfer.training.training_config import TrainConfig

CURVE_EVERY = 10.0  # s from one drawing of the learning curve to the next; it takes longer than short epochs
WAY_OUT = (
    "; earlier checkpoints are kept: train with a lower optimiser.rate into another output:, or repair the items of the"
    " batch and continue with --resume"
)


class Task(Protocol):
    """What is trained, on which data, and how it is scored."""

    objective: nn.Module  # maps a batch to its loss, ()

    def __len__(self) -> int:
        """Return the number of training items."""
        ...

    def batch(self, indices: list[int]) -> Any:
        """Return the batch of these items; it has a method `to(device)`."""
        ...

    def item_names(self, indices: list[int]) -> list[str]:
        """Return the names of these items for error messages; an empty list if a batch draws its own items."""
        ...

    def score(self, objective: nn.Module, device: torch.device) -> dict[str, float]:
        """Return scores on the dev partition by name; "score" selects the best epoch, higher is better.

        Raises MetricError if a prediction is non-finite.
        """
        ...

    def export(self, objective: nn.Module, folder: Path, scores: dict[str, float]) -> None:
        """Write the current weights with a model card that states `scores`. Raises OutputError."""
        ...


def fit(fabric: Fabric, task: Task, config: TrainConfig, folder: Path, progress: ReportProgress) -> Position:
    """Train until the last epoch or until patience runs out, from the checkpoint in `folder` if there is one.

    Raises TrainingError if a loss, a weight or a score is non-finite, and OutputError if a file cannot be written.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed * 1009 + fabric.global_rank)
    batches = math.ceil(len(task) / config.batch)
    steps = math.ceil(batches / config.accumulate)
    plain_optimiser = make_optimiser(task.objective, config.optimiser)
    module, optimiser = fabric.setup(task.objective, plain_optimiser)
    schedule = make_schedule(plain_optimiser, config.optimiser, config.epochs * steps, steps)
    state = TrainingState(module, optimiser, schedule, Position())
    if (content := read_checkpoint(folder)) is not None:
        state.load(fabric, content)
    position, drawn = state.position, time.monotonic()
    if position.epoch < config.epochs and position.since >= config.patience and fabric.is_global_zero:
        epochs = counted(config.patience, "epoch")
        message = f"patience: {epochs} without a better score ended this run; raise patience to continue"
        warnings.warn(message, AvferWarning, stacklevel=2)
    while position.epoch < config.epochs and position.since < config.patience:
        for batch in _train_epoch(fabric, task, config, state, batches, progress):
            if batch % (config.save_every * config.accumulate) == 0 and batch < batches:
                _save(fabric, state, folder)
        title = f"epoch {position.epoch + 1}/{config.epochs}"
        progress(title, batches, batches, _finish_epoch(fabric, task, state, folder, batches))
        _save(fabric, state, folder)
        if fabric.is_global_zero and time.monotonic() - drawn > CURVE_EVERY:
            draw_curve(folder, position.history)
            drawn = time.monotonic()
    if fabric.is_global_zero and position.history:
        draw_curve(folder, position.history)
    return position


def shuffled_batches(count: int, config: TrainConfig, epoch: int) -> list[list[int]]:
    """Return the batches of an epoch: the indices 0 to count - 1, shuffled by seed and epoch alone."""
    generator = torch.Generator().manual_seed(config.seed * 100_003 + epoch)
    order = torch.randperm(count, generator=generator).tolist()
    return [order[i : i + config.batch] for i in range(0, count, config.batch)]


def _train_epoch(
    fabric: Fabric, task: Task, config: TrainConfig, state: TrainingState, batches: int, progress: ReportProgress
) -> Iterator[int]:
    """Train on the remaining batches of the epoch; yield the number of finished batches after each step."""
    position = state.position
    plan = shuffled_batches(len(task), config, position.epoch)
    state.module.train()
    for number in range(position.batch, batches):
        first = number - number % config.accumulate  # of the batches of this step
        last = min(first + config.accumulate, batches) - 1
        own_items = plan[number][fabric.global_rank :: fabric.world_size] or plan[number][:1]
        batch = task.batch(own_items).to(fabric.device)
        with fabric.no_backward_sync(state.module, enabled=number < last):  # pyright: ignore[reportArgumentType]
            loss = _backward(fabric, state, batch, last - first + 1)
        _check_loss(loss, number, position, task.item_names(plan[number]))
        position.total += loss
        if number == last:
            _step(fabric, config, state, batch)
            position.batch = number + 1
            if number + 1 < batches:  # the last batch is reported together with the score
                progress(f"epoch {position.epoch + 1}/{config.epochs}", number + 1, batches)
            yield number + 1


def _backward(fabric: Fabric, state: TrainingState, batch: Any, accumulated: int) -> float:
    """Add the gradients of a batch, one of `accumulated` in its step; return its loss, the mean over all processes."""
    loss: Tensor = state.module(batch)
    fabric.backward(loss / accumulated)
    return float(fabric.all_reduce(loss.detach(), reduce_op="mean"))  # pyright: ignore[reportArgumentType]


def _step(fabric: Fabric, config: TrainConfig, state: TrainingState, batch: Any) -> None:
    """Update the weights by the accumulated gradients, sharpness-aware if configured."""
    if config.optimiser.sam:
        descend = ascend(state.module.parameters(), config.optimiser.sam)
        state.optimiser.zero_grad()
        fabric.backward(state.module(batch))
        descend()
    if config.clip:
        fabric.clip_gradients(state.module, state.optimiser, max_norm=config.clip, error_if_nonfinite=False)  # pyright: ignore[reportArgumentType]
    state.optimiser.step()
    state.optimiser.zero_grad()
    state.schedule.step()


def _finish_epoch(fabric: Fabric, task: Task, state: TrainingState, folder: Path, batches: int) -> str:
    """Score the weights, export them if they are the best so far, and log the epoch; return a summary of it."""
    position, scores = state.position, dict[str, float]()
    objective = _unwrapped(state.module)
    _check_weights(objective, position)
    state.module.eval()
    if fabric.is_global_zero:
        with torch.inference_mode():
            scores = _score(task, objective, fabric.device, position)
        if scores["score"] > position.best:
            task.export(objective, folder, scores)
    scores = fabric.broadcast(scores)
    is_best = scores["score"] > position.best
    position.since = 0 if is_best else position.since + 1
    position.best = max(position.best, scores["score"])
    rate = max(rates_at(state.schedule, state.schedule.last_epoch - 1))  # of the last step
    loss = position.total / batches
    position.history.append({"epoch": position.epoch + 1, "loss": loss, "rate": rate, **scores})
    position.epoch, position.batch, position.total = position.epoch + 1, 0, 0.0
    if fabric.is_global_zero:
        log_epochs(folder, position.history)
    return f"loss {loss:.4f}, score {scores['score']:.4f}" + (", the best so far" if is_best else "")


def _save(fabric: Fabric, state: TrainingState, folder: Path) -> None:
    """Write a checkpoint unless a weight is non-finite."""
    _check_weights(_unwrapped(state.module), state.position)
    state.save(fabric, folder)


def _unwrapped(module: Any) -> nn.Module:
    """Return the objective itself: `fabric.setup` puts it into a module of its own."""
    return module.module


def _check_loss(loss: float, number: int, position: Position, items: list[str]) -> None:
    """Raise TrainingError if the loss of batch `number` (from 0) with these items is non-finite."""
    if not math.isfinite(loss):
        listed = f" ({shortened(items)})" if items else ""
        raise TrainingError(f"the loss of batch {number + 1} of epoch {position.epoch + 1} is {loss}{listed}{WAY_OUT}")


def _check_weights(module: nn.Module, position: Position) -> None:
    """Raise TrainingError if a step has left non-finite weights, as infinite gradients do."""
    for name, value in module.state_dict().items():
        if not bool(value.isfinite().all()):
            where = f"after batch {position.batch} of epoch {position.epoch + 1}"
            raise TrainingError(f"the weights {name} are non-finite {where}{WAY_OUT}")


def _score(task: Task, module: nn.Module, device: torch.device, position: Position) -> dict[str, float]:
    """Return the scores of this epoch. Raises TrainingError if a prediction or the score is non-finite."""
    epoch = position.epoch + 1
    try:
        scores = task.score(module, device)
    except MetricError as error:
        raise TrainingError(f"the predictions after epoch {epoch} are non-finite{WAY_OUT}") from error
    if not math.isfinite(scores["score"]):
        listed = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        raise TrainingError(f"the score of epoch {epoch} is non-finite ({listed}){WAY_OUT}")
    return scores

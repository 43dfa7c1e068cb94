"""Optimisers and schedules of the recipes."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from avfer.training.config import OptimiserConfig


def make_optimiser(module: nn.Module, config: OptimiserConfig) -> Optimizer:
    """The optimiser over all trainable tensors; those of a `backbone` have a rate of their own.

    Biases, norms and other vectors are not decayed.
    """
    groups: list[dict[str, object]] = []
    for slow in (True, False):
        rate = config.rate * (config.backbone_rate if slow else 1.0)
        named = [(n, p) for n, p in module.named_parameters() if p.requires_grad and (".backbone." in f".{n}") == slow]
        for decayed in (True, False):
            some = [p for _, p in named if (p.ndim > 1) == decayed]
            if some:
                groups.append({"params": some, "lr": rate, "weight_decay": config.weight_decay * decayed})
    if config.name == "sgd":
        return SGD(groups, lr=config.rate, momentum=config.momentum)
    return (AdamW if config.name == "adamw" else Adam)(groups, lr=config.rate)


def make_schedule(optimiser: Optimizer, config: OptimiserConfig, steps: int, steps_an_epoch: int) -> LambdaLR:
    """The rate of each step as a share of the first: a linear warm-up, then the schedule."""
    warm = round(config.warm_up * steps)

    def share(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        if config.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))
        passed = step / max(config.every * steps_an_epoch, 1)
        if config.schedule == "step":
            return config.drop ** math.floor(passed)
        return config.drop**passed if config.schedule == "exponential" else 1.0

    return LambdaLR(optimiser, share)


def ascend(parameters: Iterable[nn.Parameter], radius: float) -> Callable[[], None]:
    """Go to where the loss near the weights is largest; what is returned goes back.

    The first half of a sharpness-aware step (Foret et al. 2021, arXiv 2010.01412): w + radius * g / |g|.
    """
    moved: list[tuple[nn.Parameter, Tensor]] = []
    with torch.no_grad():
        some = [p for p in parameters if p.grad is not None]
        norm = torch.stack([p.grad.norm() for p in some if p.grad is not None]).norm()
        for p in some:
            assert p.grad is not None
            way = p.grad * (radius / (norm + 1e-12))
            p.add_(way)
            moved.append((p, way))

    def back() -> None:
        with torch.no_grad():
            for p, way in moved:
                p.sub_(way)

    return back

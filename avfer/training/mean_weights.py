"""A moving mean of the weights (Polyak and Juditsky 1992), which often scores better than the weights themselves."""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def copied(module: nn.Module) -> dict[str, Tensor]:
    """All tensors of a module by name, as they are now."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


@torch.no_grad()
def follow(mean: dict[str, Tensor], module: nn.Module, decay: float) -> None:
    """Move the mean on: mean <- decay * mean + (1 - decay) * weights; counts are taken over."""
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            mean[name].lerp_(value, 1 - decay)
        else:
            mean[name].copy_(value)


@contextmanager
def having(mean: dict[str, Tensor], module: nn.Module) -> Generator[None]:
    """While open, the module has these tensors; its own ones where there are none."""
    before = copied(module) if mean else {}
    if mean:
        module.load_state_dict(mean)
    try:
        yield
    finally:
        if before:
            module.load_state_dict(before)


def own(module: nn.Module) -> nn.Module:
    """The module without the wrapping of several processes."""
    return getattr(module, "module", module)

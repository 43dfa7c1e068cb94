"""Optimisers, learning rate schedules and sharpness-aware steps of the recipes."""

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from timm.optim.adabelief import AdaBelief
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from avfer.errors import ConfigError, unknown
from avfer.training.training_config import OptimiserConfig

PREFIX = re.compile(r"^(model\.)*")  # that objectives put before the names of a network's tensors
EMBEDDING = re.compile(r"^(backbone\.)?(encoder\.)?(cls_token|pos_embed|patch_embed\.)")
BLOCK = re.compile(r"^(backbone\.)?(encoder\.)?blocks\.(\d+)\.")
T = TypeVar("T")
START_DIVISOR, END_DIVISOR = 25, 25e4  # one_cycle starts and ends with the largest rate over these, as in fastai 1


def make_optimiser(module: nn.Module, config: OptimiserConfig) -> Optimizer:
    """Return the optimiser over all trainable tensors, each at the rate of its part and of its depth.

    Weight decay applies to tensors of two dimensions or more; to vectors (biases, norms) only with `decay_vectors`.
    Raises ConfigError if `rates` or `betas_of` name a part that does not exist, or if `layer_decay` is set and the
    network has no numbered blocks.
    """
    parameters = {tensor_name(name): p for name, p in module.named_parameters() if p.requires_grad}
    rates = LayerRates.of([tensor_name(name) for name, _ in module.named_parameters()], config)
    groups: dict[tuple[float, float, tuple[float, float]], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        is_decayed = parameter.ndim > 1 or config.decay_vectors
        betas = _value_of_part(name, config.betas_of, config.betas)
        groups.setdefault((rates.rate(name), config.weight_decay * is_decayed, betas), []).append(parameter)
    keys = ("lr", "weight_decay", "betas")
    param_groups = [{"params": members, **dict(zip(keys, values, strict=True))} for values, members in groups.items()]
    return _create(param_groups, config)


def tensor_name(name: str) -> str:
    """Return the name of a network's tensor without the prefixes of objectives."""
    return PREFIX.sub("", name)


@dataclass(frozen=True)
class LayerRates:
    """Learning rates of the tensors of a network by their names."""

    config: OptimiserConfig  # rate, factors of parts, decay from layer to layer
    top: int  # depth of everything above the numbered blocks

    @classmethod
    def of(cls, names: list[str], config: OptimiserConfig) -> "LayerRates":
        """Return the rates for the tensors with these names, frozen ones included. Raises ConfigError."""
        for key, parts in (("rates", config.rates), ("betas_of", config.betas_of)):
            for part in parts:
                if not any(_belongs_to(name, part) for name in names):
                    message = unknown("part", part, {name.split(".")[0] for name in names})
                    raise ConfigError(f"optimiser.{key}: {message}")
        blocks = [int(found[3]) for name in names if (found := BLOCK.match(name))]
        if config.layer_decay != 1 and not blocks:
            raise ConfigError("optimiser.layer_decay: only vision transformers have numbered blocks; leave it out")
        return cls(config, max(blocks, default=-1) + 2)

    def rate(self, name: str) -> float:
        """Return base rate * factor of the longest matching part * layer_decay ** (number of layers above)."""
        factor = _value_of_part(name, self.config.rates, 1.0)
        return self.config.rate * factor * self.config.layer_decay ** (self.top - self._depth(name))

    def _depth(self, name: str) -> int:
        """Return 0 for embeddings, n + 1 for block n, and `top` for the rest."""
        if EMBEDDING.match(name):
            return 0
        found = BLOCK.match(name)
        return int(found[3]) + 1 if found else self.top


def make_schedule(optimiser: Optimizer, config: OptimiserConfig, steps: int, steps_per_epoch: int) -> LambdaLR:
    """Return the schedule of the rate over `steps` steps: a linear warm-up, then the configured curve.

    - constant: the rate stays. cosine: it falls to 0 along half a cosine.
    - step: it is multiplied by `drop` after every `every` epochs, or after each epoch of a list.
    - one_cycle (Smith 2018, arXiv 1803.09820, in the form of fastai 1): it rises and falls along cosines; the warm-up
      is the rise. Momentum stays constant.
    """
    warm_up = round(config.warm_up * steps)

    def factor(step: int) -> float:
        """Return the rate at a step as a factor of the configured rate."""
        done = (step - warm_up) / max(steps - warm_up, 1)
        if config.schedule == "one_cycle":
            if step < warm_up:
                return _half_cosine(1 / START_DIVISOR, 1, step / warm_up)
            return _half_cosine(1, 1 / END_DIVISOR, done)
        if step < warm_up:
            return (step + 1) / warm_up
        if config.schedule == "cosine":
            return _half_cosine(1, 0, done)
        epochs = step / steps_per_epoch
        return config.drop ** _drops(epochs, config.every) if config.schedule == "step" else 1.0

    return LambdaLR(optimiser, factor)


def rates_at(schedule: LambdaLR, step: int) -> list[float]:
    """Return the rate of each group of tensors at a step of a schedule, from 0."""
    return [float(base) * factor(step) for base, factor in zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)]


def set_rates(schedule: LambdaLR) -> None:
    """Set the rates of the optimiser to those of the next step of its schedule.

    They replace rates that were loaded with the optimiser, which differ if it was on a schedule over fewer steps.
    """
    rates = rates_at(schedule, schedule.last_epoch)
    for group, rate in zip(schedule.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate


def ascend(parameters: Iterable[nn.Parameter], radius: float) -> Callable[[], None]:
    """Move the weights w to w + radius * g / |g|, g their gradients; return a function that moves them back.

    The first half of a sharpness-aware step (Foret et al. 2021, arXiv 2010.01412). Moving back copies the
    weights from before, so that no rounding error remains.
    """
    before: list[tuple[nn.Parameter, Tensor]] = []
    with torch.no_grad():
        gradients = [(p, p.grad) for p in parameters if p.grad is not None]
        norm = torch.stack([grad.norm() for _, grad in gradients]).norm()
        for p, grad in gradients:
            before.append((p, p.detach().clone()))
            p.add_(grad * (radius / (norm + 1e-12)))

    def descend() -> None:
        """Move the weights back."""
        with torch.no_grad():
            for p, value in before:
                p.copy_(value)

    return descend


def _create(param_groups: list[dict[str, Any]], config: OptimiserConfig) -> Optimizer:
    """Return the optimiser of this name over parameter groups."""
    if config.name == "sgd":
        return SGD(param_groups, lr=config.rate, momentum=config.momentum)
    kind = {"adam": Adam, "adamw": AdamW, "adabelief": AdaBelief}[config.name]
    return kind(param_groups, lr=config.rate, betas=config.betas)


def _value_of_part(name: str, parts: dict[str, T], default: T) -> T:
    """Return the value of the longest part that a tensor belongs to."""
    found = [part for part in parts if _belongs_to(name, part)]
    return parts[max(found, key=len)] if found else default


def _belongs_to(name: str, part: str) -> bool:
    """Return whether a tensor is a part or inside it: "encoder.norm.bias" belongs to "encoder" and "encoder.norm"."""
    return f"{name}.".startswith(f"{part}.")


def _half_cosine(first: float, last: float, share: float) -> float:
    """Return the value at `share` in [0, 1] of the way from `first` to `last`, along half a cosine."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * share))


def _drops(epochs: float, every: int | list[int]) -> int:
    """Return how often a `step` schedule has dropped the rate after `epochs` epochs."""
    return bisect_right(every, epochs) if isinstance(every, list) else math.floor(epochs / every)

"""Optimisers and schedules of the recipes."""

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

PARTS = re.compile(r"^(model\.)*")  # what training puts before the names of a model's tensors
EMBEDDING = re.compile(r"^(backbone\.)?(encoder\.)?(cls_token|pos_embed|patch_embed\.)")
BLOCK = re.compile(r"^(backbone\.)?(encoder\.)?blocks\.(\d+)\.")
Told = TypeVar("Told")
DIV, FINAL_DIV = 25, 25e4  # of the largest rate of one-cycle: what it begins and ends with, as in fastai 1


def make_optimiser(module: nn.Module, config: OptimiserConfig) -> Optimizer:
    """The optimiser over all trainable tensors, each at the rate of its part and of its depth.

    ConfigError where `rates` or `betas_of` name a part that is not there, or `layer_decay` finds no numbered blocks.
    """
    named = {PARTS.sub("", name): p for name, p in module.named_parameters() if p.requires_grad}
    rates = Rates.of([PARTS.sub("", name) for name, _ in module.named_parameters()], config)
    groups: dict[tuple[float, float, tuple[float, float]], list[nn.Parameter]] = {}
    for name, parameter in named.items():
        decayed = parameter.ndim > 1 or config.decay_vectors
        betas = _of_part(name, config.betas_of, config.betas)
        groups.setdefault((rates.rate(name), config.weight_decay * decayed, betas), []).append(parameter)
    keys = ("lr", "weight_decay", "betas")
    given = [{"params": some, **dict(zip(keys, told, strict=True))} for told, some in groups.items()]
    return _optimiser(given, config)


@dataclass(frozen=True)
class Rates:
    """Rates of tensors by their names."""

    config: OptimiserConfig
    top: int  # depth of what stands above all blocks

    @classmethod
    def of(cls, names: list[str], config: OptimiserConfig) -> "Rates":
        """Of a network's tensors, frozen ones among them."""
        for key, parts in (("rates", config.rates), ("betas_of", config.betas_of)):
            for part in parts:
                if not any(_within(name, part) for name in names):
                    told = unknown("part", part, {name.split(".")[0] for name in names})
                    raise ConfigError(f"optimiser.{key}: {told}")
        blocks = [int(found[3]) for name in names if (found := BLOCK.match(name))]
        if config.layer_decay != 1 and not blocks:
            raise ConfigError("optimiser.layer_decay is for vision transformers: no tensor here is of a numbered block")
        return cls(config, max(blocks, default=-1) + 2)

    def rate(self, name: str) -> float:
        """Of a tensor: the base, times that of the longest part it stands in, times the decay of all layers above."""
        factor = _of_part(name, self.config.rates, 1.0)
        return self.config.rate * factor * self.config.layer_decay ** (self.top - self._depth(name))

    def _depth(self, name: str) -> int:
        """0 for embeddings, n + 1 for block n, `top` for the rest."""
        if EMBEDDING.match(name):
            return 0
        found = BLOCK.match(name)
        return int(found[3]) + 1 if found else self.top


def make_schedule(optimiser: Optimizer, config: OptimiserConfig, steps: int, steps_an_epoch: int) -> LambdaLR:
    """The rate of each step as a share of the first: a linear warm-up, then the schedule.

    one_cycle (Smith, arXiv 1803.09820, in the form of fastai 1) rises and falls by cosines; momentum stays.
    """
    warm = round(config.warm_up * steps)

    def share(step: int) -> float:
        done = (step - warm) / max(steps - warm, 1)
        if config.schedule == "one_cycle":
            return _between(1 / DIV, 1, step / warm) if step < warm else _between(1, 1 / FINAL_DIV, done)
        if step < warm:
            return (step + 1) / warm
        if config.schedule == "cosine":
            return _between(1, 0, done)
        passed = step / steps_an_epoch
        return config.drop ** _drops(passed, config.every) if config.schedule == "step" else 1.0

    return LambdaLR(optimiser, share)


def ascend(parameters: Iterable[nn.Parameter], radius: float) -> Callable[[], None]:
    """Go to where the loss near the weights is largest; what is returned goes back.

    The first half of a sharpness-aware step (Foret et al. 2021, arXiv 2010.01412): w + radius * g / |g|.
    """
    before: list[tuple[nn.Parameter, Tensor]] = []
    with torch.no_grad():
        some = [(p, p.grad) for p in parameters if p.grad is not None]
        norm = torch.stack([grad.norm() for _, grad in some]).norm()
        for p, grad in some:
            before.append((p, p.detach().clone()))
            p.add_(grad * (radius / (norm + 1e-12)))

    def back() -> None:
        with torch.no_grad():
            for p, value in before:
                p.copy_(value)

    return back


def _optimiser(groups: list[dict[str, Any]], config: OptimiserConfig) -> Optimizer:
    if config.name == "sgd":
        return SGD(groups, lr=config.rate, momentum=config.momentum)
    kind = {"adam": Adam, "adamw": AdamW, "adabelief": AdaBelief}[config.name]
    return kind(groups, lr=config.rate, betas=config.betas)


def _of_part(name: str, parts: dict[str, Told], usual: Told) -> Told:
    """What is told of the longest part that a tensor stands in."""
    found = [part for part in parts if _within(name, part)]
    return parts[max(found, key=len)] if found else usual


def _within(name: str, part: str) -> bool:
    return f"{name}.".startswith(f"{part}.")


def _between(first: float, last: float, share: float) -> float:
    """From one to the other by half a cosine."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * share))


def _drops(passed: float, every: int | list[int]) -> int:
    """How often the rate has fallen after so many epochs."""
    return bisect_right(every, passed) if isinstance(every, list) else math.floor(passed / every)

"""Networks by name, and what they cost."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from avfer.catalog import find, kind_of
from avfer.errors import ConfigError, WeightsError
from avfer.weights import Card, builtin_card, load_into, locate

PATCH = (1, 1, 96, 64)  # (N, C, time, mel bands), what a voice backbone reads


def create(name: str, num_classes: int | None = None, weights: str | Path | None = None) -> nn.Module:
    """A model of the catalog as a torch module in eval mode.

    `weights` is None (fresh), "builtin", a path, or a URL with its sha256. Raises ConfigError for an unknown
    name and WeightsError for a file that does not fit.
    """
    kind = find(kind_of(name), name)
    if weights is None:
        return _made(kind, name, _fresh_options(name), num_classes).eval()
    path, card = locate(name, str(weights))
    if num_classes is not None and card.classes and num_classes != len(card.classes):
        raise ConfigError(f"{path} tells {len(card.classes)} classes apart, not {num_classes}; leave num_classes out")
    module = _made(kind, name, card.options, num_classes)
    load_into(module, path, card)
    return module.eval()


def _made(kind: type, name: str, options: dict[str, Any], num_classes: int | None) -> nn.Module:
    more = {} if num_classes is None else {"num_classes": num_classes}
    try:
        return kind(**options | more)
    except TypeError as error:
        raise ConfigError(f"model '{name}' cannot be made so: {error}") from error


def _fresh_options(name: str) -> dict[str, Any]:
    """Options of the embedded weights' card, so that a fresh model has the same shape."""
    try:
        return builtin_card(name).options
    except WeightsError:
        return {}


def count_macs(name: str, card: Card) -> int | None:
    """Multiply-adds for one crop or one patch of sound; None where no single input tells (a detector, say)."""
    from torch.utils.flop_counter import FlopCounterMode

    kind = kind_of(name)
    if kind == "backbone" and card.size:
        example = torch.zeros(1, 3, card.size, card.size)
    elif kind == "voice backbone":
        example = torch.zeros(PATCH)
    else:
        return None
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        create(name)(example)
    return counter.get_total_flops() // 2

"""Cost of a network: parameters, and multiply-adds for one input, from shapes alone (torch's meta device)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from avfer.catalog import kind_of
from avfer.models.card import Card
from avfer.models.factory import create

PATCH = (96, 64)  # frames and mel bands that a voice backbone reads
FRAMES = 4  # of a video model's example


class Cost(NamedTuple):
    """Cost of one network."""

    parameters: int
    macs: int | None  # for one crop, one patch of sound, or one frame; None for kinds without a single input


def cost_of(name: str, card: Card) -> Cost:
    """Return parameters and multiply-adds of a network with the options of its card."""
    with torch.device("cpu" if kind_of(name) == "detector" else "meta"):  # MTCNN loads its own weights
        network = create(name, **card.options)
    return Cost(sum(p.numel() for p in network.parameters()), _macs(name, card, network))


def example(kind: str, card: Card, n: int = 1) -> tuple[Tensor, ...]:
    """Return zeros as inputs of the forward method of n rows; () for detectors, which read pictures of any size.

    -> (n, 3, S, S) for a backbone, (n, 1, 96, 64) for a voice backbone, (n, D) for a voice post-processor,
    (n, 4, 3, S, S) and with a voice (n, 4, 1, 96, 64) for a video model.
    """
    side = card.size or 0
    if kind == "backbone":
        return (torch.zeros(n, 3, side, side),)
    if kind == "voice backbone":
        return (torch.zeros(n, 1, *PATCH),)
    if kind == "voice post-processor":
        return (torch.zeros(n, card.inputs["voice"]),)
    if kind == "video model":
        crops = torch.zeros(n, FRAMES, 3, side, side)
        return (crops, torch.zeros(n, FRAMES, 1, *PATCH)) if "voice" in card.inputs else (crops,)
    return ()


def _macs(name: str, card: Card, network: nn.Module) -> int | None:
    kind = kind_of(name)
    with torch.device("meta"):
        inputs = example(kind, card)
    if not inputs:
        return None
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(*inputs)
    return counter.get_total_flops() // 2 // (FRAMES if kind == "video model" else 1)

"""What a network costs: parameters, and multiply-adds for one input. Nothing is computed, shapes alone pass."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from avfer.catalog import kind_of
from avfer.models.card import Card
from avfer.models.factory import create

PATCH = (96, 64)  # time and mel bands that a voice backbone reads
FRAMES = 4  # of a video model's example


class Cost(NamedTuple):
    """Of one network."""

    parameters: int
    macs: int | None  # for one crop, one patch of sound, or one frame; None where no single input tells


def cost_of(name: str, card: Card) -> Cost:
    """Parameters and multiply-adds of a model with the options of its card."""
    with torch.device("cpu" if kind_of(name) == "detector" else "meta"):  # MTCNN comes with its weights
        network = create(name, **card.options)
    return Cost(sum(p.numel() for p in network.parameters()), _macs(name, card, network))


def example(kind: str, card: Card, n: int = 1) -> tuple[Tensor, ...]:
    """Inputs of a network's forward, zeros; none for a detector, whose picture may have any size."""
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

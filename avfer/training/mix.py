"""Pictures of a batch mixed with one another, and their labels in the same shares."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from avfer.errors import ConfigError
from avfer.training.crops import PictureBatch
from avfer.training.training_config import Mixing, TrainConfig


def check_mix(config: TrainConfig) -> None:
    """ConfigError where something is learned that mixed pictures do not tell."""
    if not mixes(config.mix):
        return
    if "valence_arousal" in config.targets:
        raise ConfigError(
            "mix: valence and arousal are learned by the correlation of a batch, which has no shares; leave"
            " valence_arousal out of targets:, or mix: out"
        )
    if config.loss.coupling:
        raise ConfigError("mix: loss.coupling asks for faces of one expression; leave it out, or mix: out")
    if config.losses or not config.targets:
        own = ", ".join(config.losses) or "nothing"
        raise ConfigError(f"mix: labels alone can be mixed, and losses: has {own}; leave losses: out, or mix: out")


def mixes(how: Mixing) -> bool:
    """Whether anything is mixed."""
    return bool(how.mixup or how.cutmix)


def mixed(batch: PictureBatch, how: Mixing, random: np.random.Generator) -> PictureBatch:
    """Each picture with its partner (`PictureBatch.partners`), all in one share s drawn of Beta(alpha, alpha).

    mixup (Zhang et al. 2018, arXiv 1710.09412): s x + (1 - s) y.
    cutmix (Yun et al. 2019, arXiv 1905.04899): a rectangle around a uniform place, as wide to the picture as it is
    high and of 1 - s of its area, is cut off at the border and shows y; s becomes what is left of x.
    """
    cut = bool(how.cutmix) and (not how.mixup or random.random() < 0.5)
    alpha = how.cutmix if cut else how.mixup
    share = float(random.beta(alpha, alpha))
    pixels, others = batch.pixels, batch.pixels.flip(0)
    if not cut:
        return replace(batch, pixels=pixels * share + others * (1 - share), share=torch.tensor(share))
    hidden = _rectangle(pixels.shape[2], pixels.shape[3], 1 - share, random)
    return replace(batch, pixels=torch.where(hidden, others, pixels), share=1 - hidden.float().mean())


def _rectangle(height: int, width: int, area: float, random: np.random.Generator) -> Tensor:
    """(height, width) bool."""
    y, x = random.integers(height), random.integers(width)
    tall, wide = (int(side * math.sqrt(area)) // 2 for side in (height, width))
    hidden = torch.zeros(height, width, dtype=torch.bool)
    hidden[max(y - tall, 0) : y + tall, max(x - wide, 0) : x + wide] = True
    return hidden

"""1 - CCC: the loss that the challenges' score asks for."""

from typing import Literal

import torch
from torch import Tensor

Over = Literal["joined", "sequences"]
EPSILON = 1e-8  # added to the denominator, so that two equal constants give a loss of 1 and finite gradients


def pair_loss(
    valence: Tensor, arousal: Tensor, target: Tensor, valid: Tensor | None = None, over: Over = "joined"
) -> Tensor:
    """1 - (CCC_valence + CCC_arousal) / 2.   valence, arousal: (B, T); target: (B, T, 2); valid: (B, T, 2) -> ()"""
    there = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    told = zip((valence, arousal), target.unbind(-1), there.unbind(-1), strict=True)
    return torch.stack([ccc_loss(x, y, some, over) for x, y, some in told]).mean()


def ccc_loss(prediction: Tensor, target: Tensor, valid: Tensor | None = None, over: Over = "joined") -> Tensor:
    """1 - CCC, in [0, 2], with population moments:

        CCC = 2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))² + 1e-8)

    prediction, target: (B, T); valid: (B, T) bool, True where the label counts -> (). "joined" takes all valid steps
    of the batch as one series, "sequences" is the mean over the sequences that have two valid steps or more. Without
    any such step it is 0. Lin 1989, Biometrics 45(1); as a loss: Trigeorgis et al. 2016, ICASSP.
    """
    there = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    if over == "joined":
        prediction, target, there = (x.reshape(1, -1) for x in (prediction, target, there))
    # What is not valid is replaced before anything is computed, so that no NaN reaches a gradient.
    x, y = prediction.masked_fill(~there, 0.0), target.masked_fill(~there, 0.0)
    count = there.sum(1)
    some = count.clamp(min=1)
    mean_x, mean_y = x.sum(1) / some, y.sum(1) / some
    dx, dy = ((v - m[:, None]) * there for v, m in ((x, mean_x), (y, mean_y)))
    covariance, spread = (dx * dy).sum(1) / some, (dx.square() + dy.square()).sum(1) / some
    concordance = 2 * covariance / (spread + (mean_x - mean_y).square() + EPSILON)
    counted = count > 1
    return ((1 - concordance) * counted).sum() / counted.sum().clamp(min=1)

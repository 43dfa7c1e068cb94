"""Losses of action units, each of which occurs or not.

The mean of binary cross-entropies is that of Kollias and Zafeiriou, BMVC 2019, arXiv 1910.04855 (recalled); the weight
of rare units is our choice.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def action_unit_loss(
    logits: Tensor, target: Tensor, valid: Tensor | None = None, positive: Tensor | None = None
) -> Tensor:
    """Binary cross-entropy, -(w y log p + (1 - y) log(1 - p)), over the valid entries.

    logits, target: (..., A), target 0 or 1; valid: (..., A) bool; positive: (A,) weight w of an occurrence, for units
    that are rare (`balance`) -> (), the mean over valid entries; 0 without one.
    """
    there = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    if not there.any():
        return logits.sum() * 0.0
    told = target.masked_fill(~there, 0.0)
    each = F.binary_cross_entropy_with_logits(logits, told, pos_weight=positive, reduction="none")
    return (each * there).sum() / there.sum()


def balance(target: Tensor, valid: Tensor, most: float = 20.0) -> Tensor:
    """Weight of an occurrence, non-occurrences / occurrences, at most `most`; 1 for a unit that never occurs.

    target: (N, A) 0 or 1, valid: (N, A) bool -> (A,).
    """
    occurs = ((target > 0) & valid).sum(0)
    absent = valid.sum(0) - occurs
    weight = absent / occurs.clamp(min=1)
    return torch.where(occurs > 0, weight.clamp(max=most), torch.ones_like(weight))

"""Squared error of what is continuous: the usual loss for single pictures, of which no batch is a series."""

import torch
from torch import Tensor


def mean_square(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """mean((x - y)²) over the valid entries; 0 without one.   (...) each, valid (...) bool -> ()

    HMTL (arXiv 2105.06421) reports valence and arousal; that it learns them so is our choice.
    """
    there = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    # What is not valid is replaced before it is squared, so that no NaN reaches a gradient.
    apart = prediction.masked_fill(~there, 0.0) - target.masked_fill(~there, 0.0)
    return apart.square().sum() / there.sum().clamp(min=1)

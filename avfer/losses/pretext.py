"""Losses of training with pretext tasks beside the labels (HMTL, Pourmirzaei et al., arXiv 2105.06421)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def puzzle_loss(logits: Tensor, order: Tensor) -> Tensor:
    """Sum over positions of the cross-entropy between what lies there and what is said of it, mean over pictures.

    logits: (N, P, P), one row a position, one column a tile; order: (N, P) int64, tile at each position -> ()
    """
    n, positions, tiles = logits.shape
    return F.cross_entropy(logits.reshape(-1, tiles), order.reshape(-1)) * positions if n else logits.sum()


def inpainting_loss(features: Tensor, restored: Tensor, target: Tensor, pixels: float = 0.1) -> Tensor:
    """Feature loss plus `pixels` times the mean absolute difference; the weight is our choice.

    features: () as `FeatureLoss` gives it; restored, target: (N, 3, S, S) in [0, 1] -> ()
    """
    return features + pixels * (restored - target).abs().mean()


def class_weights(counts: Sequence[int]) -> Tensor:
    """Weight of each class, the largest count over its own: (K,); the most frequent has 1."""
    numbers = torch.tensor(counts, dtype=torch.float32)
    return numbers.max() / numbers


def geometric_mean(losses: Sequence[Tensor], floor: float = 1e-8) -> Tensor:
    """(product of n losses)^(1/n), each at least `floor` so that the gradient stays finite; losses: () each -> ()."""
    return torch.stack(list(losses)).clamp_min(floor).log().mean().exp()

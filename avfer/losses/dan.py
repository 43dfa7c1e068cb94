"""Losses of DAN beside the cross-entropy (Wen et al., arXiv 2109.07270, as in the authors' code); weights 1, 1, 1."""

import torch
from torch import Tensor

FLOOR, CEILING = 1e-12, 1e12  # of a distance
EPSILON = torch.finfo(torch.float64).eps


def affinity(feature_map: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
    """sum_i |f_i - c_(label of i)|² / (N V): features are drawn to the centre of their class.

    f are the means over space, V is the sum over D of the variance of the centres over the classes. Gradients reach
    the centres through the distance and through V; train them with the network. Distances that do not count are the
    floor of 1e-12 each, as in the code.

    feature_map: (N, D, H, W); labels: (N,) int64; centres: (K, D), K at least the number of classes -> (); 0 for none
    """
    f = feature_map.mean((2, 3))
    squares = f.square().sum(1, keepdim=True) + centres.square().sum(1) - 2 * f @ centres.T  # (N, K)
    own = torch.arange(len(centres), device=labels.device) == labels[:, None]
    distances = squares * own / centres.var(0).sum()
    return distances.clamp(FLOOR, CEILING).sum() / max(len(f), 1)


def partition(heads: Tensor) -> Tensor:
    """ln(1 + H / v), v the mean over batch and channels of the variance over the heads; 0 for one head.

    It falls as the heads differ.   heads: (N, H, D) after log-softmax over the heads -> ()
    """
    num_heads = heads.shape[1]
    if num_heads == 1:
        return heads.new_zeros(())
    return torch.log1p(num_heads / (heads.var(1).mean() + EPSILON))

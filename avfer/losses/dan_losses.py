"""Losses of DAN besides the cross-entropy (Wen et al., arXiv 2109.07270, after the official code); weights 1, 1, 1."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from avfer.losses.network_loss import ForwardPass, LossContext, NetworkLoss

FLOOR, CEILING = 1e-12, 1e12  # of a distance
EPSILON = torch.finfo(torch.float64).eps


def affinity(feature_map: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
    """Return sum_i |f_i - c_(label of i)|² / (N V), the distance of features from the centre of their class.

    f are the means over space; V is the sum over D of the variance of the centres over the classes. Gradients reach
    the centres through the distance and through V, so train them with the network. As in the code, each distance
    to another class counts as the floor of 1e-12.

    feature_map: (N, D, H, W) float; labels: (N,) int64; centres: (K, D) float, K at least the number of classes
    -> (); 0 if N is 0.
    """
    f = feature_map.mean((2, 3))
    squares = f.square().sum(1, keepdim=True) + centres.square().sum(1) - 2 * f @ centres.T  # (N, K)
    is_own = torch.arange(len(centres), device=labels.device) == labels[:, None]
    distances = squares * is_own / centres.var(0).sum()
    return distances.clamp(FLOOR, CEILING).sum() / max(len(f), 1)


def partition(heads: Tensor) -> Tensor:
    """Return ln(1 + H / v), v the variance over the heads, averaged over batch and channels.

    The loss falls as the attention heads differ; it is 0 for one head.

    heads: (N, H, D) float after log-softmax over the heads -> ().
    """
    num_heads = heads.shape[1]
    if num_heads == 1:
        return heads.new_zeros(())
    return torch.log1p(num_heads / (heads.var(1).mean() + EPSILON))


class AffinityLoss(NetworkLoss):
    """`affinity` of the labelled crops; the centres of the classes are its parameters.

    context: states the classes of the network.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"feature_map"})
    reads_labels: ClassVar[bool] = True

    def __init__(self, context: LossContext) -> None:
        """Draw the (K, D) centres from a standard normal distribution."""
        super().__init__(context)
        self.centres = nn.Parameter(torch.randn(len(context.card.classes), context.card.features or 0))

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the affinity loss of a batch, ()."""
        labels, feature_map = forward_pass.batch.labels, forward_pass.prediction.extras["feature_map"]
        valid = labels.expression_valid
        return affinity(feature_map[valid], labels.expression[valid], self.centres)


class PartitionLoss(NetworkLoss):
    """`partition` of the attention heads."""

    needs: ClassVar[frozenset[str]] = frozenset({"attention_heads"})

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the partition loss of a batch, ()."""
        return partition(forward_pass.prediction.extras["attention_heads"])

"""ArcFace: classes separated by angles, with a margin between them (Deng et al., CVPR 2019, arXiv 1801.07698).

Used by MT-ArcVGG (Kollias and Zafeiriou, BMVC 2019, arXiv 1910.04855).
"""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.losses.network_loss import ForwardPass, NetworkLoss
from avfer.models.backbones import mt_arcvgg

SCALE, MARGIN = 30.0, 0.3  # for seven or eight expressions, our choice; face recognition uses 64 and 0.5
LIMIT = 1 - 1e-7  # to which cosines are clamped, so that the gradient of the sine stays finite


def arcface_logits(cosines: Tensor, target: Tensor, scale: float = SCALE, margin: float = MARGIN) -> Tensor:
    """Return s cos(theta + m) for the true class and s cos(theta) for the others.

    Where theta + m exceeds pi the cosine would rise again; the value there is s (cos(theta) - m sin(m)).

    cosines: (N, K) float in [-1, 1]; target: (N,) int64; scale: s; margin: m in radians -> (N, K).
    """
    c = cosines.clamp(-LIMIT, LIMIT)
    turned = c * math.cos(margin) - (1 - c.square()).sqrt() * math.sin(margin)
    turned = torch.where(c > -math.cos(margin), turned, c - margin * math.sin(margin))
    is_true = F.one_hot(target, cosines.shape[1]).bool()
    return scale * torch.where(is_true, turned, c)


def arcface_loss(
    cosines: Tensor, target: Tensor, valid: Tensor | None = None, scale: float = SCALE, margin: float = MARGIN
) -> Tensor:
    """Return the cross-entropy of `arcface_logits`, the mean over the valid rows; 0 if there are none.

        -log(exp(s cos(theta_y + m)) / (exp(s cos(theta_y + m)) + sum over j != y of exp(s cos(theta_j))))

    cosines: (N, K) float, of embeddings and class directions of length 1; target: (N,) int64; valid: (N,) bool, None
    for all valid -> ().
    """
    if valid is not None:
        cosines, target = cosines[valid], target[valid]
    if not len(target):
        return cosines.sum()
    return F.cross_entropy(arcface_logits(cosines, target, scale, margin), target)


class ArcFaceLoss(NetworkLoss):
    """`arcface_loss` of the labelled crops. The logits of the network are its cosines times a constant."""

    needs: ClassVar[frozenset[str]] = frozenset({"cosines"})
    reads_labels: ClassVar[bool] = True

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        labels = forward_pass.batch.labels
        cosines = forward_pass.expression_logits / mt_arcvgg.SCALE
        return arcface_loss(cosines, labels.expression, labels.expression_valid)

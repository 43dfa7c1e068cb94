"""ArcFace: classes told apart by angles, with a margin between them (Deng et al., CVPR 2019, arXiv 1801.07698)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE, MARGIN = 30.0, 0.3  # for seven or eight expressions, our choice; face recognition takes 64 and 0.5
NEAREST = 1 - 1e-7  # to which cosines are held, so that the gradient of the sine stays finite


def arcface_logits(cosines: Tensor, target: Tensor, scale: float = SCALE, margin: float = MARGIN) -> Tensor:
    """s cos(theta + m) for the class that is true, s cos(theta) for the others; margin in radians.

    Where theta + m is beyond pi the cosine would rise again: c - m sin(m) stands there.
    cosines: (N, K) in [-1, 1]; target: (N,) int64 -> (N, K)
    """
    c = cosines.clamp(-NEAREST, NEAREST)
    turned = c * math.cos(margin) - (1 - c.square()).sqrt() * math.sin(margin)
    turned = torch.where(c > -math.cos(margin), turned, c - margin * math.sin(margin))
    true = F.one_hot(target, cosines.shape[1]).bool()
    return scale * torch.where(true, turned, c)


def arcface_loss(
    cosines: Tensor, target: Tensor, valid: Tensor | None = None, scale: float = SCALE, margin: float = MARGIN
) -> Tensor:
    """Cross-entropy of `arcface_logits`, the mean over valid rows; 0 without one.

    -log(exp(s cos(theta_y + m)) / (exp(s cos(theta_y + m)) + sum over j != y of exp(s cos(theta_j))))

    cosines: (N, K) of embeddings and class directions, both of length 1; target: (N,) int64; valid: (N,) bool -> ()
    """
    if valid is not None:
        cosines, target = cosines[valid], target[valid]
    if not len(target):
        return cosines.sum()
    return F.cross_entropy(arcface_logits(cosines, target, scale, margin), target)

"""Losses between the parts of PF-ViT (Li et al., arXiv 2207.11081).

Its abstract names the parts and no formula: the forms are our choice, the hinge is that of Lim and Ye 2017,
arXiv 1705.02894.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def orthogonality(emotion: Tensor, residue: Tensor) -> Tensor:
    """mean(cos(emotion, residue)²), 0 for right angles.   emotion, residue: (..., D) -> ()"""
    return F.cosine_similarity(emotion, residue, dim=-1).square().mean()


def reconstruction(rebuilt: Tensor, faces: Tensor) -> Tensor:
    """mean |rebuilt - faces| over pictures, channels and pixels.   (N, 3, S, S) each -> ()"""
    return F.l1_loss(rebuilt, faces)


def hinge_discriminator(real: Tensor, made: Tensor) -> Tensor:
    """mean(relu(1 - real)) + mean(relu(1 + made)); 2 where it knows nothing.   real, made: (N,) logits -> ()"""
    return F.relu(1 - real).mean() + F.relu(1 + made).mean()


def flatness(slopes: Tensor) -> Tensor:
    """1/2 mean over pictures of |slope|², of a discriminator at real ones: R1 with gamma 1.

    Mescheder et al. 2018, arXiv 1801.04406.   slopes: (N, 3, S, S), of its logit by the pixels -> ()
    """
    return slopes.square().sum((1, 2, 3)).mean() / 2


def hinge_generator(made: Tensor) -> Tensor:
    """-mean(made): what is made should be held real.   made: (N,) logits -> ()"""
    return -made.mean()


def neutrality(logits: Tensor, neutral: int) -> Tensor:
    """Cross-entropy of a poker face's expression and the class `neutral`.   logits: (N, K) -> ()"""
    wanted = torch.full((len(logits),), neutral, dtype=torch.int64, device=logits.device)
    return F.cross_entropy(logits, wanted)


def unchanged(made: Tensor, faces: Tensor, already: Tensor) -> Tensor:
    """mean |made - faces| over those that are neutral already; 0 without one.

    made, faces: (N, 3, S, S); already: (N,) bool -> ()
    """
    apart = (made - faces).abs().flatten(1).mean(1)
    return (apart * already).sum() / already.sum().clamp(min=1)


def identity(residue: Tensor, kept: Tensor) -> Tensor:
    """1 - cos of the residues of a face and of its poker face, mean.   residue, kept: (N, ..., D) -> ()"""
    return 1 - F.cosine_similarity(residue, kept, dim=-1).mean()

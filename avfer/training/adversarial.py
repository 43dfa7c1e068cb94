"""The losses of PF-ViT's parts, by name. Generator and discriminator learn in the same step.

The generator's losses look through the discriminator as it is and do not train it; the discriminator's see made
faces without a way back to the generator. So one optimiser serves both sides: Adam looks at each tensor by itself,
and may have other moments for those of the discriminator.
"""

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from avfer.losses import poker_face
from avfer.losses.expression import expression_loss
from avfer.models.backbones.poker_face import Judgement
from avfer.training.passes import Pass


def reconstruction(seen: Pass) -> Tensor:
    """Faces are rebuilt from both components."""
    return poker_face.reconstruction(seen.model.generator(seen.separated.residue, seen.separated.emotion), seen.pixels)


def adversarial(seen: Pass) -> Tensor:
    """Hinge loss of the discriminator on real faces and poker faces, and of the generator on the latter."""
    real = seen.model.discriminator(seen.pixels).realness
    made = seen.model.discriminator(seen.poker_faces.detach()).realness
    against = poker_face.hinge_generator(_judged(seen).realness)
    return poker_face.hinge_discriminator(real, made) + against


def flatness(seen: Pass) -> Tensor:
    """The discriminator changes little around real faces; 0 where nothing is learned, as no slope is known there."""
    if not torch.is_grad_enabled():
        return seen.pixels.new_zeros(())
    real = seen.pixels.clone().requires_grad_()
    with sdpa_kernel(SDPBackend.MATH):  # faster kernels of attention have no second derivative
        realness = seen.model.discriminator(real).realness
    (slopes,) = torch.autograd.grad(realness.sum(), real, create_graph=True)
    return poker_face.flatness(slopes)


def neutrality(seen: Pass, neutral: int) -> Tensor:
    """Poker faces are told as neutral, by a discriminator that learns expressions; neutral faces stay as they are."""
    batch = seen.batch
    learns = expression_loss(
        seen.model.discriminator(seen.pixels).expression_logits, batch.expression, batch.expression_valid
    )
    already = batch.expression_valid & (batch.expression == neutral)
    told = poker_face.neutrality(_judged(seen).expression_logits, neutral)
    return learns + told + poker_face.unchanged(seen.poker_faces, seen.pixels, already)


def identity(seen: Pass) -> Tensor:
    """Residues of a face and of its poker face point the same way."""
    return poker_face.identity(seen.separated.residue, seen.model.separate(seen.poker_faces).residue)


def orthogonality(seen: Pass) -> Tensor:
    """Emotion and residue at right angles; of use where the separation is soft."""
    return poker_face.orthogonality(seen.separated.emotion, seen.separated.residue)


def _judged(seen: Pass) -> Judgement:
    """Poker faces before a discriminator that is not trained by it."""
    judge: Any = seen.model.discriminator
    fixed = {name: value.detach() for name, value in judge.named_parameters()}
    return functional_call(judge, fixed, (seen.poker_faces,))

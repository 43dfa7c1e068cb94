"""Losses between the parts of PF-ViT: separator, generator and discriminator (Li et al., arXiv 2207.11081).

The paper's abstract names the parts and no formulas; the forms are our choice. The hinge loss is that of Lim and Ye
2017, arXiv 1705.02894.

Generator and discriminator learn in the same step: the generator's losses use the discriminator with detached weights,
and the discriminator's losses use detached images. One optimiser serves both, since Adam treats each tensor by itself;
`betas_of` gives the discriminator other moments.
"""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from avfer.losses.label_losses import expression_loss
from avfer.losses.network_loss import ForwardPass, LossContext, NetworkLoss


def reconstruction(rebuilt: Tensor, faces: Tensor) -> Tensor:
    """Return mean |rebuilt - faces|.   rebuilt, faces: (N, 3, S, S) float -> ()."""
    return F.l1_loss(rebuilt, faces)


def hinge_discriminator(real: Tensor, generated: Tensor) -> Tensor:
    """Return mean(relu(1 - real)) + mean(relu(1 + generated)); 2 for a discriminator that always outputs 0.

    real, generated: (N,) float logits -> ().
    """
    return F.relu(1 - real).mean() + F.relu(1 + generated).mean()


def r1_penalty(gradients: Tensor) -> Tensor:
    """Return gamma / 2 times the mean over images of |gradient|², gamma = 1 (Mescheder et al. 2018, arXiv 1801.04406).

    gradients: (N, 3, S, S) float, of the discriminator's logit with respect to the pixels of real images -> ().
    """
    return gradients.square().sum((1, 2, 3)).mean() / 2


def hinge_generator(generated: Tensor) -> Tensor:
    """Return -mean(generated): low if the discriminator takes generated images for real.   (N,) float logits -> ()."""
    return -generated.mean()


def neutrality(logits: Tensor, neutral: int) -> Tensor:
    """Return the cross-entropy of a poker face's expression and class `neutral`.   logits: (N, K) float -> ()."""
    target = torch.full((len(logits),), neutral, dtype=torch.int64, device=logits.device)
    return F.cross_entropy(logits, target)


def unchanged(generated: Tensor, faces: Tensor, neutral: Tensor) -> Tensor:
    """Return mean |generated - faces| over the faces that are neutral; 0 if there are none.

    generated, faces: (N, 3, S, S) float; neutral: (N,) bool -> ().
    """
    difference = (generated - faces).abs().flatten(1).mean(1)
    return (difference * neutral).sum() / neutral.sum().clamp(min=1)


def identity(residue: Tensor, poker_residue: Tensor) -> Tensor:
    """Return 1 - mean cosine of the residues of a face and of its poker face.   (N, ..., D) float each -> ()."""
    return 1 - F.cosine_similarity(residue, poker_residue, dim=-1).mean()


class PokerFaceLoss(NetworkLoss):
    """Base class of the losses that read the generator or the discriminator."""

    needs: ClassVar[frozenset[str]] = frozenset({"generator"})

    @staticmethod
    def poker_faces(forward_pass: ForwardPass) -> Tensor:
        """Return the generated faces without emotion, (N, 3, S, S) float, normalised as the crops."""
        network, extras = forward_pass.network, forward_pass.prediction.extras
        return forward_pass.shared("poker_faces", lambda: network.generator(extras["residue_tokens"]))

    @staticmethod
    def discriminator_output(forward_pass: ForwardPass) -> Any:
        """Return the discriminator's output for the poker faces, without gradients for the discriminator."""
        discriminator = forward_pass.network.discriminator
        fixed = {name: value.detach() for name, value in discriminator.named_parameters()}
        return functional_call(discriminator, fixed, (PokerFaceLoss.poker_faces(forward_pass),))


class ReconstructionLoss(PokerFaceLoss):
    """`reconstruction` of faces that are generated from both components."""

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        extras = forward_pass.prediction.extras
        rebuilt = forward_pass.network.generator(extras["residue_tokens"], extras["emotion_tokens"])
        return reconstruction(rebuilt, forward_pass.pixels)


class AdversarialLoss(PokerFaceLoss):
    """Hinge losses of the discriminator on real and poker faces, and of the generator on poker faces."""

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        discriminator = forward_pass.network.discriminator
        real = discriminator(forward_pass.pixels).realness
        generated = discriminator(self.poker_faces(forward_pass).detach()).realness
        generator_loss = hinge_generator(self.discriminator_output(forward_pass).realness)
        return hinge_discriminator(real, generated) + generator_loss


class FlatnessLoss(PokerFaceLoss):
    """`r1_penalty` of the discriminator at real faces; 0 where gradients are disabled, since it needs them."""

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        if not torch.is_grad_enabled():
            return forward_pass.pixels.new_zeros(())
        real = forward_pass.pixels.clone().requires_grad_()
        with sdpa_kernel(SDPBackend.MATH):  # the faster attention kernels have no second derivative
            realness = forward_pass.network.discriminator(real).realness
        (gradients,) = torch.autograd.grad(realness.sum(), real, create_graph=True)
        return r1_penalty(gradients)


class NeutralityLoss(PokerFaceLoss):
    """Poker faces are neutral for a discriminator that learns expressions, and neutral faces stay unchanged.

    context: states the classes of the network.
    """

    def __init__(self, context: LossContext) -> None:
        """Find the class "neutral". Raises ValueError if there is none."""
        super().__init__(context)
        if "neutral" not in context.card.classes:
            raise ValueError(f"it needs a class 'neutral'; the classes are {', '.join(context.card.classes) or 'none'}")
        self.neutral = context.card.classes.index("neutral")

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        labels = forward_pass.batch.labels
        logits = forward_pass.network.discriminator(forward_pass.pixels).expression_logits
        discriminator_loss = expression_loss(logits, labels.expression, labels.expression_valid)
        is_neutral = labels.expression_valid & (labels.expression == self.neutral)
        poker_faces = self.poker_faces(forward_pass)
        generator_loss = neutrality(self.discriminator_output(forward_pass).expression_logits, self.neutral)
        return discriminator_loss + generator_loss + unchanged(poker_faces, forward_pass.pixels, is_neutral)


class IdentityLoss(PokerFaceLoss):
    """`identity` of faces and their poker faces."""

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        poker_faces = self.poker_faces(forward_pass)
        poker_residue = forward_pass.network.predict(poker_faces).extras["residue_tokens"]
        return identity(forward_pass.prediction.extras["residue_tokens"], poker_residue)

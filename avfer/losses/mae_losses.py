"""The loss of a masked auto-encoder (He et al., CVPR 2022, arXiv 2111.06377, without normalised patches)."""

from typing import ClassVar

from torch import Tensor

from avfer.losses.network_loss import ForwardPass, NetworkLoss
from avfer.models.backbones import vit


def masked_error(patches: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """Return 1 / |M| * sum over the hidden patches M of mean((x - y)²); visible patches do not count.

    patches, target: (N, P, V) float, V values of a patch; hidden: (N, P) bool, at least one True -> ().
    """
    error = (patches - target).square().mean(2)
    return (error * hidden).sum() / hidden.sum()


class MaskedPatchesLoss(NetworkLoss):
    """`masked_error` of the patches that are hidden at random; reads no labels."""

    needs: ClassVar[frozenset[str]] = frozenset({"masked_patches"})

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        network, pixels = forward_pass.network, forward_pass.pixels
        masking = network.masking(len(pixels))
        patches = network.reconstruct(pixels, masking.visible)
        return masked_error(patches, vit.patchify(pixels, network.patch), masking.hidden)

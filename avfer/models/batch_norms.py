"""Fold the batch norms of a trained network into its convolutions, so that inference does not compute them."""

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from avfer.models.network import Network


def fold_batch_norms(network: Network) -> None:
    """Fold the batch norms of a network in evaluation mode, if it declares that this is possible (`norms_follow`).

    The outputs change by float rounding alone. The names of its tensors change, so load the weights first.
    """
    if network.norms_follow:
        for module in list(network.modules()):
            _fold_children(module)


def _fold_children(module: nn.Module) -> None:
    """Fold each batch norm among the children of a module into the convolution before it."""
    for (before, convolution), (name, norm) in pairwise(list(module.named_children())):
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, before, fuse_conv_bn_eval(convolution, norm))
            setattr(module, name, nn.Identity())

"""What a masked auto-encoder learns by (He et al., CVPR 2022, arXiv 2111.06377, without normalised patches)."""

from torch import Tensor


def masked_error(patches: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """1 / |M| * sum over the hidden patches M of mean((x - y)²); what is visible does not count.

    patches, target: (N, P, V), V values a patch; hidden: (N, P) bool, at least one True -> ()
    """
    error = (patches - target).square().mean(2)
    return (error * hidden).sum() / hidden.sum()

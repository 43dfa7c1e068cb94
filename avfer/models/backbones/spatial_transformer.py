"""A network that turns, moves and scales a picture before another one reads it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KERNELS, CHANNELS = (7, 5), (8, 10)
HIDDEN = 32


def rows(side: int) -> int:
    """Rows of the last feature map for pictures of such a side; ValueError where nothing is left."""
    left = ((side - KERNELS[0] + 1) // 2 - KERNELS[1] + 1) // 2
    if left < 1:
        raise ValueError(f"pictures of {side} px are too small for the spatial transformer; it needs 18")
    return left


def side_of(left: int) -> int:
    """The side, px, of pictures that leave so many rows: of the four that do, the multiple of 4."""
    return 4 * left + 16


class SpatialTransformer(nn.Module):
    """(N, 3, S, S) -> the same, each picture under an affine map of its own; at first the identity.

    Jaderberg et al., NeurIPS 2015, arXiv 1506.02025. Corners are aligned, and what lies outside is 0.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, kernel in zip((3, CHANNELS[0]), CHANNELS, KERNELS, strict=True):
            layers += [nn.Conv2d(inputs, outputs, kernel), nn.MaxPool2d(2), nn.ReLU()]
        self.localization = nn.Sequential(*layers)
        last = nn.Linear(HIDDEN, 6)
        self.fc_loc = nn.Sequential(nn.Linear(CHANNELS[1] * rows(side) ** 2, HIDDEN), nn.ReLU(), last)
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]))

    def theta(self, pictures: Tensor) -> Tensor:
        """pictures: (N, 3, S, S) -> (N, 2, 3), where in them each place of the result is read, in [-1, 1]."""
        return self.fc_loc(self.localization(pictures).flatten(1)).reshape(-1, 2, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        grid = F.affine_grid(self.theta(pictures), list(pictures.shape), align_corners=True)
        return F.grid_sample(pictures, grid, align_corners=True)

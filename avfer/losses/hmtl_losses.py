"""Losses of HMTL: pretext tasks in addition to the labels, and how losses are combined.

Pourmirzaei et al. 2021, arXiv 2105.06421.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import vgg16

from avfer.errors import AvferWarning
from avfer.losses.label_losses import mean_square_loss
from avfer.losses.network_loss import ForwardPass, LossContext, NetworkLoss
from avfer.models.card import IMAGENET_MEAN, IMAGENET_STD
from avfer.models.tensor_files import read_tensors
from avfer.models.weights import fill

LEVELS = (3, 8, 15)  # relu1_2, relu2_2, relu3_3 among the layers of VGG-16
HOLE = 60 / 224  # side of the square that is cut out of an image for in-painting, as a share of the image's side


def puzzle_loss(logits: Tensor, order: Tensor) -> Tensor:
    """Return the cross-entropy of the tile at each position, summed over positions and averaged over images.

    logits: (N, P, P) float, a row for each position, a column for each tile; order: (N, P) int64, the tile at each
    position -> (); 0 if N is 0.
    """
    n, positions, tiles = logits.shape
    return F.cross_entropy(logits.reshape(-1, tiles), order.reshape(-1)) * positions if n else logits.sum()


def inpainting_loss(features: Tensor, restored: Tensor, target: Tensor, pixels: float = 0.1) -> Tensor:
    """Return the feature loss plus `pixels` times the mean absolute difference; the weight is our choice.

    features: (), from `FeatureLoss`; restored, target: (N, 3, S, S) float in [0, 1] -> ().
    """
    return features + pixels * (restored - target).abs().mean()


def geometric_mean(losses: Sequence[Tensor], floor: float = 1e-8) -> Tensor:
    """Return (product of n losses)^(1/n), each clamped to at least `floor` so that the gradient stays finite.

    HMTL's companion code combines pretext and label losses by sqrt(ssl * emotion).   losses: () float each -> ().
    """
    return torch.stack(list(losses)).clamp_min(floor).log().mean().exp()


class FeatureLoss(nn.Module):
    """Sum over three levels l of VGG-16 of mean((phi_l(restored) - phi_l(target))²) (Johnson et al., ECCV 2016).

    The network is never trained.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, file: Path | None = None) -> None:
        """Load the convolutions of torchvision's VGG-16 from `file`.

        Without a file the network has random weights from a fixed seed, which measure less well, and an AvferWarning
        is given. Raises WeightsError if the file contains another network.
        """
        super().__init__()
        with torch.device("meta"):
            layers = cast(nn.Sequential, vgg16(weights=None).features)[: LEVELS[-1] + 1]
        self.phi = cast(nn.Sequential, layers).to_empty(device="cpu")
        if file is None:
            _initialise(self.phi)
            message = "inpainting loss: VGG-16 has random weights; set teacher: to a file of trained weights"
            warnings.warn(message, AvferWarning, stacklevel=2)
        else:
            fill(self.phi, _level_tensors(read_tensors(file), self.phi), f"{file} is not a VGG-16 of torchvision")
        self.phi.requires_grad_(False).eval()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, restored: Tensor, target: Tensor) -> Tensor:
        """Return the feature loss.   restored, target: (N, 3, S, S) float RGB in [0, 1] -> ()."""
        pairs = zip(self.levels(restored), self.levels(target), strict=True)
        return torch.stack([(a - b).square().mean() for a, b in pairs]).sum()

    def levels(self, images: Tensor) -> list[Tensor]:
        """Return three feature maps (N, C, S', S'), the finest first.   images: (N, 3, S, S) float RGB in [0, 1]."""
        x, found = (images - self.mean) / self.std, list[Tensor]()
        for number, layer in enumerate(self.phi):
            x = layer(x)
            if number in LEVELS:
                found.append(x)
        return found


def _initialise(phi: nn.Sequential) -> None:
    """Draw the weights from a generator of their own, so that training draws the same random numbers either way."""
    generator = torch.Generator().manual_seed(0)
    for layer in phi:
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)


def _level_tensors(tensors: dict[str, Tensor], phi: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of the layers in `phi` from a state dict of the whole VGG-16."""
    names = {name.removeprefix("features."): tensor for name, tensor in tensors.items()}
    return {name: names[name] for name in phi.state_dict() if name in names}


class PuzzleLoss(NetworkLoss):
    """`puzzle_loss` of images whose tiles are shuffled at random."""

    needs: ClassVar[frozenset[str]] = frozenset({"puzzle"})

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        network, pixels = forward_pass.network, forward_pass.pixels
        order = random_orders(len(pixels), network.grid).to(pixels.device)
        return puzzle_loss(network.puzzle_logits(puzzle(pixels, order)), order)


class InpaintingLoss(NetworkLoss):
    """`inpainting_loss` of images that are restored after a square was cut out at random; `teacher:` is a VGG-16.

    context: states the file of the teacher.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"inpainting"})

    def __init__(self, context: LossContext) -> None:
        """Load the feature network. Raises WeightsError."""
        super().__init__(context)
        self.feature = FeatureLoss(context.teacher)

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        cut = forward_pass.pixels.clone()
        side = cut.shape[2]
        hole = round(HOLE * side)
        for number, (top, left) in enumerate(torch.randint(side - hole + 1, (len(cut), 2)).tolist()):
            cut[number, :, top : top + hole, left : left + hole] = 0
        restored, target = forward_pass.network.restore(cut), forward_pass.images
        return inpainting_loss(self.feature(restored, target), restored, target)


class MeanSquareLoss(NetworkLoss):
    """Squared error of valence and arousal. HMTL reports both without its loss; the squared error is our choice."""

    reads_labels: ClassVar[bool] = True

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        labels, prediction = forward_pass.batch.labels, forward_pass.prediction.valence_arousal
        assert prediction is not None, "the targets of a recipe are compared with the heads of its network"
        return mean_square_loss(prediction, labels.valence_arousal, labels.valence_arousal_valid)


def random_orders(n: int, grid: int, random: torch.Generator | None = None) -> Tensor:
    """Draw uniform random permutations for n images of grid x grid tiles: (N, grid²) int64, N = n."""
    return torch.rand(n, grid * grid, generator=random).argsort(1)


def puzzle(pictures: Tensor, order: Tensor) -> Tensor:
    """Shuffle the tiles of each image.   pictures: (N, C, S, S), order: (N, grid²) int64 -> (N, C, S, S)

    If the grid does not divide the side S, the image is first enlarged by bilinear resizing (224 px to 225 px for a
    grid of 3 x 3), and the shuffled image is resized back to S.
    """
    side, grid = pictures.shape[-1], round(order.shape[1] ** 0.5)
    longer = -(-side // grid) * grid
    tiles = _cut(_resized(pictures, longer), grid)
    chosen = order.to(tiles.device)[..., None, None, None].expand_as(tiles)
    return _resized(_assembled(tiles.gather(1, chosen), grid), side)


def _cut(pictures: Tensor, grid: int) -> Tensor:
    """Cut images into tiles, row by row.   (N, C, S, S) -> (N, grid², C, S / grid, S / grid)"""
    n, channels, side, _ = pictures.shape
    tiles = pictures.reshape(n, channels, grid, side // grid, grid, side // grid)
    return tiles.permute(0, 2, 4, 1, 3, 5).reshape(n, grid * grid, channels, side // grid, side // grid)


def _assembled(tiles: Tensor, grid: int) -> Tensor:
    """Join the tiles of each image, the inverse of `_cut`.   (N, grid², C, T, T) -> (N, C, grid T, grid T)"""
    n, _, channels, side, _ = tiles.shape
    rows = tiles.reshape(n, grid, grid, channels, side, side).permute(0, 3, 1, 4, 2, 5)
    return rows.reshape(n, channels, grid * side, grid * side)


def _resized(pictures: Tensor, side: int) -> Tensor:
    """Resize images bilinearly, unless they have this side.   (N, C, S, S) -> (N, C, side, side)"""
    if pictures.shape[-1] == side:
        return pictures
    return F.interpolate(pictures, (side, side), mode="bilinear", align_corners=False)

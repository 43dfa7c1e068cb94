"""Parts of PSR: a spatial transformer, super-resolution (EDSR), and the convolutions of VGG-16 with batch norms."""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KERNELS, CHANNELS, HIDDEN = (7, 5), (8, 10), 32  # of the spatial transformer
EDSR_WIDTH, EDSR_BLOCKS = 64, 16
Scale = Literal[2, 4]  # of super-resolution
DOUBLINGS: dict[Scale, int] = {2: 1, 4: 2}
RGB_MEAN = (0.4488, 0.4371, 0.4040)  # of the pictures that EDSR's authors trained on, in [0, 1]
VGG_WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)  # 0: max pool
CONVOLUTIONS = 13  # of VGG-16
MIN_SIDE = 32  # px, of a picture that leaves a feature map after all five pools
# Number of layers of VGG-16 before each place where it can be cut: after convolution 1 to 11, and the pool that follows
# convolution 4, 7 or 10.
CUTS = (3, 6, 10, 14, 17, 20, 24, 27, 30, 34, 37)


class SpatialTransformer(nn.Module):
    """An affine map of each picture, computed from the picture; the identity at the start of training.

    Jaderberg et al., "Spatial Transformer Networks", NeurIPS 2015, arXiv 1506.02025. Corners are aligned, and places
    outside of the picture are 0.

    side: px, of the pictures.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, kernel in zip((3, CHANNELS[0]), CHANNELS, KERNELS, strict=True):
            layers += [nn.Conv2d(inputs, outputs, kernel), nn.MaxPool2d(2), nn.ReLU()]
        self.localization = nn.Sequential(*layers)
        last = nn.Linear(HIDDEN, 6)
        inputs = CHANNELS[1] * localization_rows(side) ** 2
        self.fc_loc = nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), last)
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]))

    def theta(self, pictures: Tensor) -> Tensor:
        """Return the affine maps from places of the result to places of the picture, both in [-1, 1].

        pictures: (N, 3, S, S) -> (N, 2, 3).
        """
        return self.fc_loc(self.localization(pictures).flatten(1)).reshape(-1, 2, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: (N, 3, S, S) -> (N, 3, S, S)."""
        grid = F.affine_grid(self.theta(pictures), list(pictures.shape), align_corners=True)
        return F.grid_sample(pictures, grid, align_corners=True)


def localization_rows(side: int) -> int:
    """Return the rows of the spatial transformer's last feature map for pictures of `side` px.

    Raises ValueError if the picture is too small.
    """
    rows = ((side - KERNELS[0] + 1) // 2 - KERNELS[1] + 1) // 2
    if rows < 1:
        raise ValueError(f"side: the spatial transformer needs pictures of at least 18 px, got {side}")
    return rows


def side_of(rows: int) -> int:
    """Return the side, px, of pictures whose last feature map in the spatial transformer has so many rows.

    Four sides have the same number of rows; the one that is a multiple of 4 is returned.
    """
    return 4 * rows + 16


class Edsr(nn.Module):
    """The EDSR baseline, which doubles or quadruples the sides of a picture, without its shift of the mean.

    Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPR workshops 2017. The authors
    trained it on pixels in [0, 255] minus 255 times RGB_MEAN. `statistics` are the mean and std by which the pictures
    were normalised from [0, 1]; with them the network runs on that range, without them on its input unchanged.

    scale: factor of the sides, 2 or 4.
    """

    def __init__(self, scale: Scale = 2, statistics: tuple[list[float], list[float]] | None = None) -> None:
        super().__init__()
        self.scale: Scale = scale
        self.head = nn.Sequential(_edsr_convolution(3, EDSR_WIDTH))
        blocks = (EdsrBlock() for _ in range(EDSR_BLOCKS))
        self.body = nn.Sequential(*blocks, _edsr_convolution(EDSR_WIDTH, EDSR_WIDTH))
        enlarge: list[nn.Module] = []
        for _ in range(DOUBLINGS[scale]):
            enlarge += [_edsr_convolution(EDSR_WIDTH, 4 * EDSR_WIDTH), nn.PixelShuffle(2)]
        self.tail = nn.Sequential(nn.Sequential(*enlarge), _edsr_convolution(EDSR_WIDTH, 3))
        self.statistics = statistics

    def start_from(self, tensors: Mapping[str, Tensor]) -> None:
        """Load weights of the EDSR authors for the same scale, without their shift of the mean.

        tensors: name -> float tensor of its layer's shape.
        """
        self.load_state_dict({n: t for n, t in tensors.items() if not n.startswith(("sub_mean.", "add_mean."))})

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: (N, 3, H, W) -> (N, 3, scale * H, scale * W), in the same range."""
        if self.statistics is None:
            return self._enlarged(pictures)
        mean, std, trained = (pictures.new_tensor(x)[:, None, None] for x in (*self.statistics, RGB_MEAN))
        pixels = 255 * (pictures * std + mean - trained)
        return (self._enlarged(pixels) / 255 + trained - mean) / std

    def _enlarged(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 3, scale * H, scale * W)."""
        x = self.head(pictures)
        return self.tail(x + self.body(x))


class EdsrBlock(nn.Module):
    """Two convolutions and a skip connection."""

    def __init__(self) -> None:
        super().__init__()
        convolutions = [_edsr_convolution(EDSR_WIDTH, EDSR_WIDTH) for _ in range(2)]
        self.body = nn.Sequential(convolutions[0], nn.ReLU(), convolutions[1])

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, 64, H, W) -> (N, 64, H, W)."""
        return x + self.body(x)


def vgg_layers() -> nn.Sequential:
    """Return the 44 layers of torchvision's `vgg16_bn().features`: (N, 3, S, S) -> (N, 512, S / 32, S / 32).

    Simonyan and Zisserman, "Very Deep Convolutional Networks", arXiv 1409.1556.
    """
    built, inputs = list[nn.Module](), 3
    for width in VGG_WIDTHS:
        built += _vgg_convolution(inputs, width) if width else [nn.MaxPool2d(2)]
        inputs = width or inputs
    return nn.Sequential(*built)


def _vgg_convolution(inputs: int, width: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, width, 3, padding=1)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return [convolution, nn.BatchNorm2d(width), nn.ReLU()]


def _edsr_convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)

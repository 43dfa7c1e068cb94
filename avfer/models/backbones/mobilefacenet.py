"""MobileFaceNet: a small network that finds 68 points of a face; POSTER and POSTER++ read its maps."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn

SIDE = 112  # px; the last kernel covers the whole map of just this input


class LandmarkMaps(NamedTuple):
    """What the network sees of N faces, ever coarser."""

    fine: Tensor  # (N, 64, 28, 28)
    middle: Tensor  # (N, 128, 14, 14)
    coarse: Tensor  # (N, 512, 7, 7)


class MobileFaceNet(nn.Module):
    """Frozen, as in POSTER and POSTER++: no gradient reaches it.

    Its batch norms follow the train mode of the network around it, so their statistics drift in training, as the
    authors' do. Chen et al., "MobileFaceNets", arXiv 1804.07573; tensors are named as in the public 68-point form
    github.com/cunjian/pytorch_face_landmark.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = convolution(3, 64, 3, stride=2)
        self.conv2_dw = convolution(64, 64, 3, groups=64)
        self.conv_23 = Unit(64, 128, 64, stride=2)
        self.conv_3 = residuals(4, 64, 128)
        self.conv_34 = Unit(64, 256, 128, stride=2)
        self.conv_4 = residuals(6, 128, 256)
        self.conv_45 = Unit(128, 512, 128, stride=2)
        self.conv_5 = residuals(2, 128, 256)
        self.conv_6_sep = convolution(128, 512, 1)
        self.output_layer = named(
            [
                ("conv_6_dw", convolution(512, 512, 7, groups=512, active=False)),
                ("flatten", nn.Flatten()),
                ("linear", nn.Linear(512, 136, bias=False)),
                ("bn", nn.BatchNorm1d(136)),
            ]
        )
        self.requires_grad_(False)

    def points(self, maps: LandmarkMaps) -> Tensor:
        """(N, 136), the 68 points that the maps tell; POSTER and POSTER++ do not read them."""
        return self.output_layer(maps.coarse)

    def forward(self, crops: Tensor) -> LandmarkMaps:
        """crops: (N, 3, 112, 112) -> maps of three sizes."""
        fine = self.conv_3(self.conv_23(self.conv2_dw(self.conv1(crops))))
        middle = self.conv_4(self.conv_34(fine))
        return LandmarkMaps(fine, middle, self.conv_6_sep(self.conv_5(self.conv_45(middle))))


class Unit(nn.Module):
    """Wider channels, each filtered on its own, then projected; `residual` adds the input."""

    def __init__(self, inside: int, wide: int, outside: int, stride: int = 1, residual: bool = False) -> None:
        super().__init__()
        self.conv = convolution(inside, wide, 1)
        self.conv_dw = convolution(wide, wide, 3, stride, groups=wide)
        self.project = convolution(wide, outside, 1, active=False)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) -> (N, D, H / stride, W / stride)."""
        y = self.project(self.conv_dw(self.conv(x)))
        return x + y if self.residual else y


def residuals(count: int, width: int, wide: int) -> nn.Sequential:
    """Residual units one after the other, (N, C, H, W) to the same."""
    return named([("model", nn.Sequential(*(Unit(width, wide, width, residual=True) for _ in range(count))))])


def convolution(
    inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True
) -> nn.Sequential:
    """A convolution without bias, batch norm, and where `active` a PReLU per channel."""
    padding = 1 if kernel == 3 else 0
    layers: list[tuple[str, nn.Module]] = [
        ("conv", nn.Conv2d(inside, outside, kernel, stride, padding, groups=groups, bias=False)),
        ("bn", nn.BatchNorm2d(outside)),
    ]
    return named([*layers, ("prelu", nn.PReLU(outside))] if active else layers)


def named(layers: Iterable[tuple[str, nn.Module]]) -> nn.Sequential:
    """Layers in sequence under these names."""
    return nn.Sequential(OrderedDict(layers))

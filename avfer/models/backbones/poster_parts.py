"""Parts that POSTER and POSTER++ share: two trunks, attention from one set of tokens to another, and a gate.

`Ir50` is the improved residual network of face recognition, `MobileFaceNet` a small network of 68 landmarks. Both are
pretrained elsewhere; their tensors are named as in the files that both authors' codes load.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.tensor_files import rename_tensors

SIDE = 112  # px, input of both trunks; the last kernel of MobileFaceNet covers the whole map at this size only
STAGES = ((3, 64), (4, 128), (14, 256))  # units and channels of IR-50
UNITS = [(stage, unit) for stage, (count, _) in enumerate(STAGES, 1) for unit in range(count)]
ROW = [  # `body` in one row, as in ir50.py of the face-recognition code and in POSTER -> ours
    (rf"(^|\.)body\.{number}\.", rf"\g<1>body{stage}.{unit}.") for number, (stage, unit) in enumerate(UNITS)
]
FOURTH = tuple(f"body.{number}." for number in range(len(UNITS), len(UNITS) + 3))  # units of the unused stage


class FaceMaps(NamedTuple):
    """Feature maps of IR-50 for N crops of 112 px."""

    fine: Tensor  # (N, 64, 56, 56)
    middle: Tensor  # (N, 128, 28, 28)
    coarse: Tensor  # (N, 256, 14, 14)


class LandmarkMaps(NamedTuple):
    """Feature maps of MobileFaceNet for N crops of 112 px."""

    fine: Tensor  # (N, 64, 28, 28)
    middle: Tensor  # (N, 128, 14, 14)
    coarse: Tensor  # (N, 512, 7, 7)


class Ir50(nn.Module):
    """IR-50 of Deng et al., "ArcFace", arXiv 1801.07698, without the fourth stage.

    `output_layer`, the embedding of the fourth stage's maps, is in every checkpoint and never run: it is frozen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
        self.body1 = ir50_stage(64, *STAGES[0])
        self.body2 = ir50_stage(64, *STAGES[1])
        self.body3 = ir50_stage(128, *STAGES[2])
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512), nn.Dropout(), nn.Flatten(), nn.Linear(512 * 7 * 7, 512), nn.BatchNorm1d(512)
        ).requires_grad_(False)

    def start_from(self, pretrained: Mapping[str, Tensor]) -> None:
        """Load `ir50.pth`, whose units are named `body.N` or `body1.N`.

        pretrained: name -> float tensor of its layer's shape. Raises RuntimeError if a tensor is missing or does not
        fit.
        """
        kept = {name: tensor for name, tensor in pretrained.items() if not name.startswith(FOURTH)}
        self.load_state_dict(rename_tensors(kept, ROW))

    def forward(self, crops: Tensor) -> FaceMaps:
        """crops: (N, 3, 112, 112) -> maps of three sizes, (N, C, S, S) each."""
        fine = self.body1(self.input_layer(crops))
        middle = self.body2(fine)
        return FaceMaps(fine, middle, self.body3(middle))


class Ir50Unit(nn.Module):
    """Two convolutions after a batch norm, and a skip connection; no activation follows the sum.

    in_channels, out_channels: channels before and after the unit; stride: 1, or 2 to halve the sides.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer = (
            nn.MaxPool2d(1, stride)  # every `stride`-th pixel
            if in_channels == out_channels
            else nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.PReLU(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) -> (N, D, H / stride, W / stride)."""
        return self.shortcut_layer(x) + self.res_layer(x)


def ir50_stage(in_channels: int, count: int, out_channels: int) -> nn.Sequential:
    """Return units of equal width, the first of which halves the sides of the map: (N, C, H, W) -> (N, D, H/2, W/2)."""
    others = (Ir50Unit(out_channels, out_channels, 1) for _ in range(count - 1))
    return nn.Sequential(Ir50Unit(in_channels, out_channels, 2), *others)


class MobileFaceNet(nn.Module):
    """MobileFaceNet (Chen et al., arXiv 1804.07573) for 68 landmarks, frozen as in POSTER and POSTER++.

    No gradient reaches it, but its batch norms follow the train mode of the network around it, so that their statistics
    drift in training, as the authors' do. Tensors are named as in github.com/cunjian/pytorch_face_landmark.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = convolution(3, 64, 3, stride=2)
        self.conv2_dw = convolution(64, 64, 3, groups=64)
        self.conv_23 = DepthwiseUnit(64, 128, 64, stride=2)
        self.conv_3 = depthwise_units(4, 64, 128)
        self.conv_34 = DepthwiseUnit(64, 256, 128, stride=2)
        self.conv_4 = depthwise_units(6, 128, 256)
        self.conv_45 = DepthwiseUnit(128, 512, 128, stride=2)
        self.conv_5 = depthwise_units(2, 128, 256)
        self.conv_6_sep = convolution(128, 512, 1)
        self.output_layer = named_sequence(
            [
                ("conv_6_dw", convolution(512, 512, 7, groups=512, active=False)),
                ("flatten", nn.Flatten()),
                ("linear", nn.Linear(512, 136, bias=False)),
                ("bn", nn.BatchNorm1d(136)),
            ]
        )
        self.requires_grad_(False)

    def points(self, maps: LandmarkMaps) -> Tensor:
        """Return the 68 landmarks (N, 136) of maps (N, 512, 7, 7); POSTER and POSTER++ do not use them."""
        return self.output_layer(maps.coarse)

    def forward(self, crops: Tensor) -> LandmarkMaps:
        """crops: (N, 3, 112, 112) -> maps of three sizes, (N, C, S, S) each."""
        fine = self.conv_3(self.conv_23(self.conv2_dw(self.conv1(crops))))
        middle = self.conv_4(self.conv_34(fine))
        return LandmarkMaps(fine, middle, self.conv_6_sep(self.conv_5(self.conv_45(middle))))


class DepthwiseUnit(nn.Module):
    """Widen the channels, filter each on its own, project; `residual` adds the input.

    in_channels, hidden_channels, out_channels: channels of the input, of the filters, of the output; stride: 1, or 2 to
    halve the sides.
    """

    def __init__(
        self, in_channels: int, hidden_channels: int, out_channels: int, stride: int = 1, residual: bool = False
    ) -> None:
        super().__init__()
        self.conv = convolution(in_channels, hidden_channels, 1)
        self.conv_dw = convolution(hidden_channels, hidden_channels, 3, stride, groups=hidden_channels)
        self.project = convolution(hidden_channels, out_channels, 1, active=False)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) -> (N, D, H / stride, W / stride)."""
        y = self.project(self.conv_dw(self.conv(x)))
        return x + y if self.residual else y


def depthwise_units(count: int, channels: int, hidden_channels: int) -> nn.Sequential:
    """Return residual units one after the other, (N, C, H, W) to the same shape."""
    units = (DepthwiseUnit(channels, hidden_channels, channels, residual=True) for _ in range(count))
    return named_sequence([("model", nn.Sequential(*units))])


def convolution(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True
) -> nn.Sequential:
    """Return a convolution without bias, a batch norm, and a PReLU per channel if `active`."""
    padding = 1 if kernel == 3 else 0
    layers: list[tuple[str, nn.Module]] = [
        ("conv", nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False)),
        ("bn", nn.BatchNorm2d(out_channels)),
    ]
    return named_sequence([*layers, ("prelu", nn.PReLU(out_channels))] if active else layers)


def named_sequence(layers: Iterable[tuple[str, nn.Module]]) -> nn.Sequential:
    """Return layers in sequence under these names."""
    return nn.Sequential(OrderedDict(layers))


class CrossAttention(nn.Module):
    """Attention whose queries are taken without a projection; keys and values are projected.

    width: features of a token, a multiple of num_heads; num_heads: heads of the attention.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, queries: Tensor, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """queries: (N, Q, C), tokens: (N, T, C), bias added to the scores: (heads, Q, T) -> (N, Q, C)."""
        keys, values = self.kv(tokens).chunk(2, dim=-1)
        mixed = F.scaled_dot_product_attention(self._heads(queries), self._heads(keys), self._heads(values), bias)
        return self.proj(mixed.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        """(N, T, C) -> (N, heads, T, C / heads)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class Gate(nn.Module):
    """Squeeze and excitation of a vector: each feature times a share in [0, 1] computed from all features.

    width: number of features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, width)
        self.linear2 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, D) -> (N, D)."""
        return x * self.linear2(self.linear1(x).relu()).sigmoid()

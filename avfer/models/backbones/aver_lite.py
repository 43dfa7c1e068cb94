"""aver_lite: the small face network whose weights come with avfer.

A residual network (He et al., CVPR 2016) with the shortcuts of ResNet-D (He et al., CVPR 2019, arXiv 1812.01187).
The layout is our own.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.network import FaceNetwork
from avfer.models.prediction import Prediction

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in the grey pictures of FER2013


def luma_statistics(crops: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the luma of crops, and its mean and standard deviation in each crop.

    crops: (N, 3, S, S); weights: (1, 3, 1, 1) of the colours -> (N, 1, S, S), (N, 1, 1, 1), (N, 1, 1, 1).
    """
    grey = F.conv2d(crops, weights)
    mean = grey.mean((2, 3), keepdim=True)
    # Tensor.std takes seven times as long.
    spread = torch.linalg.vector_norm(grey - mean, dim=(2, 3), keepdim=True) / math.sqrt(grey[0].numel() - 1)
    return grey, mean, spread


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norms; the shortcut averages and projects if the shape changes.

    width_in, width: channels before and after the block; stride: 1, or 2 to halve the sides.
    """

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or width_in != width:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(width_in, width, 1, bias=False),
                nn.BatchNorm2d(width),
            )

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) -> (N, D, H / stride, W / stride)."""
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(y))
        y += self.shortcut(x)
        return F.relu(y, inplace=True)


class AverLite(FaceNetwork):
    """A residual network for grey faces of 48 px.

    The crop is reduced to luma and standardised on its own, so that colour, exposure and contrast of the camera do not
    matter. Its side must be a multiple of 8. widths: channels of the stem and of each stage. depths: blocks of each
    stage.

    num_classes: expressions of the head; dropout: share of the features dropped before the head in training.
    """

    runs_onnx = True
    norms_follow = True
    luma: Tensor  # (1, 3, 1, 1)

    def __init__(
        self,
        num_classes: int = 8,
        widths: tuple[int, ...] = (24, 48, 96, 256),
        depths: tuple[int, ...] = (1, 2, 2),
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.register_buffer("luma", torch.tensor(LUMA).reshape(1, 3, 1, 1), persistent=False)
        self.stem = nn.Sequential(
            nn.Conv2d(1, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
        )
        blocks: list[nn.Module] = []
        for width_in, width, depth in zip(widths[:-1], widths[1:], depths, strict=True):
            blocks += [ResidualBlock(width_in, width, 2)]
            blocks += [ResidualBlock(width, width, 1) for _ in range(depth - 1)]
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.expression = nn.Linear(widths[-1], num_classes)
        self.num_features = widths[-1]

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, S, S) RGB, normalised as the card says -> features (N, D)."""
        grey, mean, spread = luma_statistics(crops, self.luma)
        return self.blocks(self.stem((grey - mean) / (spread + 1e-3))).mean((2, 3))

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, S, S) -> features (N, D) and expression logits (N, K)."""
        features = self.features(crops)
        return Prediction(features, self.expression(self.dropout(features)))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, S, S) -> expression logits (N, K)."""
        return self.expression(self.dropout(self.features(crops)))

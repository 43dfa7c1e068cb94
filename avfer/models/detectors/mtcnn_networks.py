"""The three networks of MTCNN with the layers and the weights of facenet-pytorch, and the operators that it takes from
torchvision. Neither package is imported: torchvision takes longer than torch, and nothing else of them is used here.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avfer.errors import MissingExtra
from avfer.models.tensor_files import read_tensors


class PNet(nn.Module):
    """The first network, which reads pictures of any size: a probability and four offsets for each cell of 12 px."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)
        self.load_state_dict(published_weights("pnet"))

    def cells(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: (1, 3, H, W) float32 in [-1, 1] -> offsets (1, 4, R, C), logits (1, 2, R, C)."""
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_2(x), self.conv4_1(x)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: (1, 3, H, W) float32 in [-1, 1] -> offsets (1, 4, R, C), probabilities (1, 2, R, C)."""
        offsets, logits = self.cells(x)
        return offsets, logits.softmax(1)


class RNet(nn.Module):
    """The second network, for squares of 24 px."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1, self.pool1 = nn.Conv2d(3, 28, 3), nn.PReLU(28), nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2, self.pool2 = nn.Conv2d(28, 48, 3), nn.PReLU(48), nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)
        self.load_state_dict(published_weights("rnet"))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: (N, 3, 24, 24) float32 in [-1, 1] -> offsets (N, 4), probabilities (N, 2)."""
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(_columns_first(x)))
        return self.dense5_2(x), self.dense5_1(x).softmax(1)


class ONet(nn.Module):
    """The third network, for squares of 48 px."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1, self.pool1 = nn.Conv2d(3, 32, 3), nn.PReLU(32), nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2, self.pool2 = nn.Conv2d(32, 64, 3), nn.PReLU(64), nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3, self.pool3 = nn.Conv2d(64, 64, 3), nn.PReLU(64), nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)
        self.load_state_dict(published_weights("onet"))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x: (N, 3, 48, 48) float32 in [-1, 1] -> offsets (N, 4), landmarks (N, 10): five x, five y, probabilities."""
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(_columns_first(x)))
        return self.dense6_2(x), self.dense6_3(x), self.dense6_1(x).softmax(1)


def _columns_first(x: Tensor) -> Tensor:
    """Flatten maps as the first implementation stored them: (N, C, H, W) -> (N, W * H * C)."""
    return x.permute(0, 3, 2, 1).flatten(1)


def published_weights(name: str) -> dict[str, Tensor]:
    """Return the tensors of "pnet", "rnet" or "onet" by name. Raises MissingExtra without facenet-pytorch."""
    return read_tensors(weight_path(name))


def weight_path(name: str) -> Path:
    """Return the path of the weights of "pnet", "rnet" or "onet". Raises MissingExtra without facenet-pytorch."""
    return _folder("facenet_pytorch", "facenet-pytorch") / "data" / f"{name}.pt"


def nms(boxes: Tensor, scores: Tensor, max_iou: float) -> Tensor:
    """Return the rows of the boxes that no better box overlaps by more than `max_iou`, the best first.

    boxes: (N, 4) xyxy px, scores: (N,) -> (K,) int64.
    """
    return _operators().nms(boxes, scores, max_iou)


def roi_align(picture: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Cut boxes out and average 2 x 2 bilinear samples for each pixel (He et al., Mask R-CNN, ICCV 2017).

    picture: (1, 3, H, W) float32; boxes: (N, 4) xyxy px; side: px of a crop -> (N, 3, side, side).
    """
    regions = torch.cat([boxes.new_zeros(len(boxes), 1), boxes], 1)
    return _operators().roi_align(picture, regions, 1.0, side, side, 2, True)


@cache
def _operators() -> Any:
    """Return the operators of torchvision, from its library alone."""
    library = next(path for path in _folder("torchvision").glob("_C.*") if path.suffix in {".so", ".pyd"})
    torch.ops.load_library(library)
    return torch.ops.torchvision


def _folder(package: str, distribution: str = "") -> Path:
    """Return the folder of an installed package, which is not imported. Raises MissingExtra if it is not installed."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise MissingExtra("the detector mtcnn", distribution or package)
    return Path(found.origin).parent

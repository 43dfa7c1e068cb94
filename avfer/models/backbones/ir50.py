"""IR-50: three stages of the improved residual network of face recognition, as POSTER and POSTER++ use it."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from avfer.models.tensor_names import rename_tensors

STAGES = ((3, 64), (4, 128), (14, 256))  # units and channels
UNITS = [(stage, unit) for stage, (count, _) in enumerate(STAGES, 1) for unit in range(count)]
ROW = [  # `body` in one row, as in ir50.py of the face-recognition code and in POSTER
    (rf"(^|\.)body\.{number}\.", rf"\g<1>body{stage}.{unit}.") for number, (stage, unit) in enumerate(UNITS)
]
FOURTH = tuple(f"body.{number}." for number in range(len(UNITS), len(UNITS) + 3))


class FaceMaps(NamedTuple):
    """What the trunk sees of N crops of 112 px, ever coarser."""

    fine: Tensor  # (N, 64, 56, 56)
    middle: Tensor  # (N, 128, 28, 28)
    coarse: Tensor  # (N, 256, 14, 14)


class Ir50(nn.Module):
    """Deng et al., "ArcFace", arXiv 1801.07698, without the fourth stage.

    `output_layer`, the embedding of the fourth stage's maps, is in every checkpoint and never run: it is frozen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
        self.body1 = stage(64, *STAGES[0])
        self.body2 = stage(64, *STAGES[1])
        self.body3 = stage(128, *STAGES[2])
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512), nn.Dropout(), nn.Flatten(), nn.Linear(512 * 7 * 7, 512), nn.BatchNorm1d(512)
        ).requires_grad_(False)

    def start_from(self, pretrained: Mapping[str, Tensor]) -> None:
        """Take over `ir50.pth`, whose units are named `body.N` or `body1.N`; RuntimeError where it does not fit."""
        kept = {name: tensor for name, tensor in pretrained.items() if not name.startswith(FOURTH)}
        self.load_state_dict(rename_tensors(kept, ROW))

    def forward(self, crops: Tensor) -> FaceMaps:
        """crops: (N, 3, 112, 112) -> maps of three sizes."""
        fine = self.body1(self.input_layer(crops))
        middle = self.body2(fine)
        return FaceMaps(fine, middle, self.body3(middle))


class Unit(nn.Module):
    """Two convolutions after a batch norm, and a shortcut; nothing follows the sum."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer = (
            nn.MaxPool2d(1, stride)  # every `stride`-th pixel
            if inside == outside
            else nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inside),
            nn.Conv2d(inside, outside, 3, padding=1, bias=False),
            nn.PReLU(outside),
            nn.Conv2d(outside, outside, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outside),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) -> (N, D, H / stride, W / stride)."""
        return self.shortcut_layer(x) + self.res_layer(x)


def stage(inside: int, count: int, outside: int) -> nn.Sequential:
    """Units of equal width, the first of which halves the sides of the map."""
    return nn.Sequential(Unit(inside, outside, 2), *(Unit(outside, outside, 1) for _ in range(count - 1)))

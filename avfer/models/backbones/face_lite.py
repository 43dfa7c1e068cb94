"""face_lite: a small network that measures a face: landmarks, movements, head rotation, gaze and presence.

A residual network (He et al., CVPR 2016) whose last cells are squeezed and read by one hidden layer, so that the place
of a facial feature counts. The layout is our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from avfer.models.backbones.aver_lite import LUMA, ResidualBlock
from avfer.models.network import FaceNetwork
from avfer.models.prediction import Prediction

SIDE = 96  # px of a crop
NUM_LANDMARKS = 146
# Activations of facial movements in [0, 1], under the names of Apple's ARKit where one exists.
ACTIVATIONS = (
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("eyeBlinkLeft", "eyeBlinkRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight"),
    *("eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight"),
    *("eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight"),
    *("jawLeft", "jawOpen", "jawRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight"),
    *("mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight"),
    *("mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight"),
    *("cheekRaise", "noseWrinkle", "lipsApart"),
)
# Activations whose mean is an action unit. Source: documentation of py-feat (MIT), checked against ARKit's names.
ACTION_UNITS: Mapping[str, tuple[str, ...]] = {
    "au01": ("browInnerUp",),
    "au02": ("browOuterUpLeft", "browOuterUpRight"),
    "au04": ("browDownLeft", "browDownRight"),
    "au05": ("eyeWideLeft", "eyeWideRight"),
    "au06": ("cheekRaise",),
    "au07": ("eyeSquintLeft", "eyeSquintRight"),
    "au09": ("noseWrinkle",),
    "au10": ("mouthUpperUpLeft", "mouthUpperUpRight"),
    "au12": ("mouthSmileLeft", "mouthSmileRight"),
    "au14": ("mouthDimpleLeft", "mouthDimpleRight"),
    "au15": ("mouthFrownLeft", "mouthFrownRight"),
    "au16": ("mouthLowerDownLeft", "mouthLowerDownRight"),
    "au17": ("mouthShrugLower",),
    "au18": ("mouthPucker",),
    "au20": ("mouthStretchLeft", "mouthStretchRight"),
    "au22": ("mouthFunnel",),
    "au24": ("mouthPressLeft", "mouthPressRight"),
    "au25": ("lipsApart",),
    "au26": ("jawOpen",),
    "au28": ("mouthRollUpper", "mouthRollLower"),
    "au45": ("eyeBlinkLeft", "eyeBlinkRight"),
}


@dataclass(frozen=True, eq=False)
class FaceOutputs:
    """Measures of N faces, in the crop: landmarks, rotation and gaze still have to be turned back to the picture."""

    landmarks: Tensor  # (N, 146, 2) shares of the crop's side, x and y
    activations: Tensor  # (N, 47), about [0, 1], not clipped
    rotation: Tensor  # (N, 3) yaw, pitch, roll of the head in degrees
    gaze: Tensor  # (N, 2) yaw, pitch in degrees, relative to the camera
    presence: Tensor  # (N,) logit: the crop shows a face


class FaceLite(FaceNetwork):
    """Measures faces of 96 px in colour or grey.

    Each crop is standardised by the mean and the spread of its luma, so that exposure and contrast do not matter.
    widths: channels of the stem and of each stage. squeezed: channels of the last cells. hidden: width of the features.
    """

    luma: Tensor  # (1, 3, 1, 1)

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 128, 192), squeezed: int = 64, hidden: int = 320) -> None:
        super().__init__()
        self.register_buffer("luma", torch.tensor(LUMA).reshape(1, 3, 1, 1), persistent=False)
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU())
        self.blocks = nn.ModuleList(ResidualBlock(width_in, width, 2) for width_in, width in pairwise(widths))
        last = SIDE // 2 ** len(widths)
        self.squeeze = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
            for width, channels in ((widths[-2], squeezed // 2), (widths[-1], squeezed))
        )
        cells = squeezed // 2 * (2 * last) ** 2 + squeezed * last**2
        self.hidden = nn.Sequential(nn.Linear(cells, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU())
        self.heads = nn.Linear(hidden, 2 * NUM_LANDMARKS + len(ACTIVATIONS) + 3 + 2 + 1)
        self.num_features = hidden

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) RGB, normalised as the card says -> features (N, D)."""
        grey = (crops * self.luma).sum(1, keepdim=True)
        mean = grey.mean((2, 3), keepdim=True)
        spread = grey.std((2, 3), keepdim=True)
        x = self.stem((crops - mean) / (spread + 1e-2))
        cells: list[Tensor] = []
        for block in self.blocks:
            x = block(x)
            cells.append(x)
        return self.hidden(
            torch.cat([squeeze(y).flatten(1) for squeeze, y in zip(self.squeeze, cells[-2:], strict=True)], 1)
        )

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) -> all outputs in one row (N, 345), as `outputs` splits them."""
        return self.heads(self.features(crops))

    def outputs(self, crops: Tensor) -> FaceOutputs:
        """crops: (N, 3, 96, 96) RGB, normalised as the card says -> FaceOutputs of N faces."""
        return split_outputs(self.forward(crops))

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, 96, 96) -> features (N, D), and the outputs as extras."""
        features = self.features(crops)
        return Prediction(features, extras=vars(split_outputs(self.heads(features))))


def split_outputs(rows: Tensor) -> FaceOutputs:
    """Split the outputs of the last layer: (N, 345) float -> FaceOutputs of N faces."""
    points, activations, rotation, gaze, presence = rows.split([2 * NUM_LANDMARKS, len(ACTIVATIONS), 3, 2, 1], 1)
    # The layer's units are small: landmarks lie about the crop's middle, angles count in 30 degrees.
    landmarks = 0.5 + points.reshape(-1, NUM_LANDMARKS, 2)
    return FaceOutputs(landmarks, activations, 30 * rotation, 30 * gaze, presence[:, 0])


def action_units(activations: Tensor) -> Tensor:
    """Return the action units in the order of ACTION_UNITS, not clipped: (N, 47) -> (N, 21)."""
    columns = [[ACTIVATIONS.index(name) for name in names] for names in ACTION_UNITS.values()]
    return torch.stack([activations[:, several].mean(1) for several in columns], 1)

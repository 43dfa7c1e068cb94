"""What a network that measures faces returns, and the interface that `measure_faces` uses.

A measurer reads one aligned crop per face and returns landmarks, activations of facial movements, head rotation, gaze
and presence. To add one, derive a class from FaceMeasurer and add one line to avfer.catalog under "face measurer".
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from avfer.models.card import Card

# Numbers of the landmarks in MediaPipe's face mesh of 478 points, the last ten of which are the irises.
LANDMARK_INDEX: tuple[int, ...] = (
    *(0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80),
    *(81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153),
    *(154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249),
    *(251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314),
    *(317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382),
    *(384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466),
    *range(468, 478),
)
NUM_LANDMARKS = len(LANDMARK_INDEX)
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


VISIBLE_PARTS = ("mouth", "eyes")  # parts of the face that something may cover


@dataclass(frozen=True, eq=False)
class FaceOutputs:
    """Measures of N faces, in the crop: landmarks, rotation and gaze still have to be turned back to the picture.

    `visible` of a measurer that cannot estimate it is left out; every part then counts as visible.
    """

    landmarks: Tensor  # (N, 146, 2) shares of the crop's side, x and y
    activations: Tensor  # (N, 47), about [0, 1], not clipped
    rotation: Tensor  # (N, 3) yaw, pitch, roll of the head in degrees
    gaze: Tensor  # (N, 2) yaw, pitch in degrees, relative to the camera
    presence: Tensor  # (N,) logit: the crop shows a face
    visible: Tensor = field(default_factory=lambda: torch.zeros(0, 0))  # (N, 2) logit of each part of VISIBLE_PARTS

    def __post_init__(self) -> None:
        if not self.visible.numel():
            everything = self.presence.new_full((len(self.presence), len(VISIBLE_PARTS)), torch.inf)
            object.__setattr__(self, "visible", everything)


class FaceMeasurer(ABC):
    """Measures aligned faces. The value of a face depends on its crop and its batch alone."""

    @classmethod
    @abstractmethod
    def locate(cls, weights: str) -> tuple[Path, Card]:
        """Return the path and the card of the weights; nothing is loaded.

        weights: "builtin", a path, or a URL with its sha256. The card states size and template of the crops, and in
        `measured` the action units that the network measures. Raises WeightsError if there is no such file.
        """

    @classmethod
    @abstractmethod
    def load(cls, path: Path, card: Card, device: torch.device) -> Self:
        """Return the measurer with its weights. Raises WeightsError for a wrong file, MissingExtra for a library."""

    @abstractmethod
    def outputs(self, crops: Tensor) -> FaceOutputs:
        """Return the measures of N crops. crops: (N, S, S, 3) uint8 RGB, aligned to the card's template."""


def action_units(activations: Tensor) -> Tensor:
    """Return the action units in the order of ACTION_UNITS, not clipped: (N, 47) -> (N, 21)."""
    columns = [[ACTIVATIONS.index(name) for name in names] for names in ACTION_UNITS.values()]
    return torch.stack([activations[:, several].mean(1) for several in columns], 1)

"""Pictures with a real face: scikit-image's public-domain astronaut, moved about."""

from functools import cache

import numpy as np
import torch
from skimage import data

from avfer.types import FrameBatch
from tests.laws import clock

HEIGHT, WIDTH = 200, 280


@cache
def astronaut() -> np.ndarray:
    """(512, 512, 3) uint8 RGB; the face lies about (180..270, 70..190)."""
    return data.astronaut()


def face_at(dx: float, dy: float = 0.0) -> np.ndarray:
    """(200, 280, 3): the face about the middle, the camera moved by dx, dy pixels."""
    top, left = 30 + round(dy), 85 + round(dx)
    return astronaut()[top : top + HEIGHT, left : left + WIDTH]


def no_face() -> np.ndarray:
    """(200, 280, 3): smooth colours."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([y * 255 // HEIGHT, x * 255 // WIDTH, (x + y) % 256], 2).astype(np.uint8)


def batch(pictures: list[np.ndarray], fps: float = 25.0) -> FrameBatch:
    """A whole clip of these pictures."""
    return FrameBatch(clock(len(pictures), fps), torch.from_numpy(np.stack(pictures)))


def moving(count: int, step: float = 1.5) -> list[np.ndarray]:
    """The face drifting through the picture."""
    return [face_at(step * i - 10, 4 * np.sin(i / 3)) for i in range(count)]

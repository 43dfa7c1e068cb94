"""Frames with a real face, the public-domain astronaut of scikit-image, at any position."""

from functools import cache

import numpy as np
import torch
from skimage import data

from avfer.types import FrameBatch
from tests.laws import clock

HEIGHT, WIDTH = 200, 280


@cache
def astronaut() -> np.ndarray:
    """Return the whole picture: (512, 512, 3) uint8 RGB, the face at about x 180..270, y 70..190."""
    return data.astronaut()


def face_at(dx: float, dy: float = 0.0) -> np.ndarray:
    """Return a frame with the face near the middle, the camera moved by dx, dy pixels: (200, 280, 3) uint8 RGB."""
    top, left = 30 + round(dy), 85 + round(dx)
    return astronaut()[top : top + HEIGHT, left : left + WIDTH]


def no_face() -> np.ndarray:
    """Return a frame of smooth colours: (200, 280, 3) uint8 RGB."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([y * 255 // HEIGHT, x * 255 // WIDTH, (x + y) % 256], 2).astype(np.uint8)


def batch(pictures: list[np.ndarray], fps: float = 25.0) -> FrameBatch:
    """Return a whole clip of frames.   pictures: T arrays (H, W, 3) uint8 RGB"""
    return FrameBatch(clock(len(pictures), fps), torch.from_numpy(np.stack(pictures)))


def moving(count: int, step: float = 1.5) -> list[np.ndarray]:
    """Return frames on which the face drifts: `count` arrays (200, 280, 3) uint8 RGB."""
    return [face_at(step * i - 10, 4 * np.sin(i / 3)) for i in range(count)]

"""A decoded picture that has not become RGB yet, so that a chunk is written once, into one array."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Picture(Protocol):
    """One decoded frame."""

    @property
    def time(self) -> float:
        """Seconds after the first frame."""
        ...

    @property
    def corrupt(self) -> bool:
        """The decoder flagged the frame, or lost the ones before it."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) px, as displayed."""
        ...

    def draw(self, into: np.ndarray) -> None:
        """Write the picture as RGB, scaled to the place.   into: (H, W, 3) uint8"""
        ...


def draw_all(pictures: Sequence[Picture], size: tuple[int, int]) -> Tensor:
    """All pictures at one size.   -> (T, H, W, 3) uint8 RGB"""
    pixels = np.empty((len(pictures), *size, 3), np.uint8)
    for place, picture in zip(pixels, pictures, strict=True):
        picture.draw(place)
    return torch.from_numpy(pixels)

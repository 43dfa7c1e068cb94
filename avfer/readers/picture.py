"""A decoded picture that has not become RGB yet, so that a chunk is written once, into one array."""

import math
import mmap
import weakref
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


class Buffers:
    """Memory for the pixels of chunks, used again once a chunk is let go.

    It is mapped apart from the common heap, where large arrays made and freed by different threads leave holes
    and a long clip would grow for minutes; fresh memory for every chunk would cost a fifth of the speed.
    """

    def __init__(self) -> None:
        self._spare: list[mmap.mmap] = []

    def take(self, size: int) -> np.ndarray:
        """(size,) uint8; the memory comes back by itself when nothing refers to the array any more."""
        while self._spare:
            memory = self._spare.pop()
            if len(memory) >= size:
                break
        else:
            memory = mmap.mmap(-1, max(1, size))
        pixels = np.frombuffer(memory, np.uint8, size)
        weakref.finalize(pixels, self._spare.append, memory)
        return pixels


def draw_all(pictures: Sequence[Picture], size: tuple[int, int], buffers: Buffers) -> Tensor:
    """All pictures at one size.   -> (T, H, W, 3) uint8 RGB"""
    shape = (len(pictures), *size, 3)
    pixels = buffers.take(math.prod(shape)).reshape(shape)
    for place, picture in zip(pixels, pictures, strict=True):
        picture.draw(place)
    return torch.from_numpy(pixels)

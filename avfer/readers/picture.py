"""A decoded frame as all readers return it, and the conversion of consecutive frames to one tensor."""

import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Picture(Protocol):
    """A decoded frame, which is converted to RGB when `rgb` is called, so that few frames exist in both forms."""

    @property
    def number(self) -> int:
        """Index of the frame in the file, from 0."""
        ...

    @property
    def time(self) -> float:
        """Seconds after the first frame."""
        ...

    @property
    def corrupt(self) -> bool:
        """Whether the decoder flagged the frame or lost frames before it."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) px, as displayed."""
        ...

    def rgb(self, size: tuple[int, int]) -> np.ndarray:
        """Return the frame scaled to (height, width) px: (H, W, 3) uint8 RGB, which may share the frame's memory."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayPicture:
    """A frame that is RGB already, from an array in memory or a library that returns arrays."""

    pixels: np.ndarray  # (H, W, 3) uint8
    time: float  # seconds after the first frame
    corrupt: bool = False  # always False: arrays do not state damage
    number: int = 0  # index of the frame in the file

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) px, as displayed."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def rgb(self, size: tuple[int, int]) -> np.ndarray:
        """Return the pixels, (H, W, 3) uint8 RGB; `size` must be that of the frame."""
        if size != self.size:
            raise ValueError(f"size: must be that of the frame, {self.size}, got {size}")
        return self.pixels


class FrameMemory:
    """Memory of decoded frames, which is used again once no tensor needs it: to map it again costs more than a copy."""

    def __init__(self) -> None:
        self._free: list[np.ndarray] = []  # blocks, flat uint8

    def allocate(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return an array (uint8) with any content. Its memory is used again once nothing refers to the array."""
        size = math.prod(shape)
        if not size:  # no frame: leave the memory to others
            return np.empty(shape, np.uint8)
        block = self._free.pop() if self._free else np.empty(0, np.uint8)
        if len(block) < size:
            block = np.empty(size, np.uint8)
        pixels = block[:size].reshape(shape)
        weakref.finalize(pixels, self._free.append, block).atexit = False
        return pixels


def stack_rgb(pictures: Sequence[Picture], size: tuple[int, int], memory: FrameMemory) -> Tensor:
    """Return all frames at one size (height, width): (T, H, W, 3) uint8 RGB.

    A single frame, as large ones come, is not copied if its rows lie in memory without gaps.
    """
    if len(pictures) == 1:
        return torch.from_numpy(np.require(pictures[0].rgb(size)[None], requirements=["C", "W"]))
    pixels = memory.allocate((len(pictures), *size, 3))
    for place, picture in zip(pixels, pictures, strict=True):
        place[...] = picture.rgb(size)
    return torch.from_numpy(pixels)

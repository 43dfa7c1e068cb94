"""Shot cuts: where one camera view gives way to another."""

import numpy as np
from torch import Tensor

ROWS, COLUMNS, BINS = 36, 64, 16
MIN_CHANGE = 18.0  # grey levels: mean change of the thumbnail
MIN_SHIFT = 0.25  # share of pixels that change their bin of brightness or colour


def thumbnail(picture: Tensor) -> np.ndarray:
    """A sparse sample of a picture: (H, W, 3) uint8 -> (36, 64, 3) int16, fewer where the picture is smaller."""
    height, width = picture.shape[:2]
    sample = picture[:: max(1, height // ROWS), :: max(1, width // COLUMNS)]
    return sample[:ROWS, :COLUMNS].numpy().astype(np.int16)


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two neighbouring thumbnails come from different shots.

    Both the pixels in place and the histograms must differ: motion changes the first alone, a flash mostly
    the second.
    """
    change = np.abs(after - before).mean()
    return bool(change > MIN_CHANGE and _shift(before, after) > MIN_SHIFT)


def _shift(before: np.ndarray, after: np.ndarray) -> float:
    counts = [
        np.stack([np.bincount(picture[..., c].ravel() * BINS // 256, minlength=BINS) for c in range(3)])
        for picture in (before, after)
    ]
    return float(np.abs(counts[0] - counts[1]).sum() / (2 * counts[0].sum()))

"""Shot cuts: whether two neighbouring frames come from different shots."""

import numpy as np
from torch import Tensor

ROWS, COLUMNS = 36, 64
MIN_CHANGE = 12.0  # grey levels, mean absolute change of the thumbnail
MAX_CORRELATION = 0.75  # of brightness


def thumbnail(picture: Tensor) -> np.ndarray:
    """Return a sparse sample of a frame's pixels.

    picture: (H, W, 3) uint8 RGB -> (36, 64, 3) int16, fewer rows and columns if the frame is smaller.
    """
    height, width = picture.shape[:2]
    sample = picture[:: max(1, height // ROWS), :: max(1, width // COLUMNS)]
    return sample[:ROWS, :COLUMNS].numpy().astype(np.int16)


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
    """Return whether two thumbnails of neighbouring frames come from different shots.

    The pixels must change by more than MIN_CHANGE, and not in brightness alone: if a lamp is switched on, the pixels
    still correlate. The threshold was chosen on real footage: neighbouring frames of one shot correlated by 0.83 and
    more, cuts between speakers before the same background by 0.45 to 0.72.

    before, after: (R, C, 3) int16; thumbnails of different shapes always count as a cut.
    """
    if before.shape != after.shape:
        return True
    return bool(np.abs(after - before).mean() > MIN_CHANGE and _correlation(before, after) < MAX_CORRELATION)


def _correlation(before: np.ndarray, after: np.ndarray) -> float:
    """Return the Pearson correlation of brightness, 0 if one thumbnail is of a single tone.   both: (R, C, 3)"""
    first, second = (picture.mean(2) - picture.mean() for picture in (before, after))
    power = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / power if power > 1 else 0.0

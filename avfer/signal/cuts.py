"""Shot cuts: whether two consecutive frames come from different shots, for any time between them."""

from enum import IntEnum

import numpy as np
from torch import Tensor

from avfer.signal.appearance import colour_histogram, colour_overlap

ROWS, COLUMNS = 36, 64  # cells of a thumbnail
POINTS = 2  # pixels along each side of a cell
MIN_CHANGE = 12.0  # grey levels, mean absolute change of the thumbnail
MAX_CORRELATION = 0.75  # of brightness
RECOLOURED_CHANGE = 9.0  # grey levels, as MIN_CHANGE, of a picture that keeps its places but not its colours
SAME_PLACES = 0.95  # correlation of brightness from which on nothing but the light changes
SAME_COLOURS = 0.98  # overlap of colours; motion before one background leaves 0.99, another speaker at most 0.97
MAX_LIKENESS = 1.75  # of two pictures across a cut, in [0, 2]; motion alone leaves 1.8 and more
LIKENESS_LOSS = 0.25  # per second beyond SHORT_GAP, because more moves in a longer time
SHORT_GAP = 0.25  # s
BLOCK_ROWS, BLOCK_COLUMNS = 9, 8  # cells of the blocks that are followed from picture to picture
SPEED = 50.0  # cells per second that a block may move
MIN_REACH, MAX_REACH = 3, 14  # cells that a block may move at least and at most, whatever the time
MAX_ROW_REACH = 8  # cells that it may move up or down at most
MAX_WEIGHT = 20.0  # grey levels, contrast above which the weight of a block does not grow
FLAT = 4.0  # grey levels squared, lower bound of the product of two contrasts: flat blocks correlate little


class Change(IntEnum):
    """How much a picture differs from the one before."""

    MOTION = 0  # the same shot
    SUSPECT = 1  # large change, which motion could explain, or another face before the same background
    CUT = 2  # another scene


def thumbnail(picture: Tensor) -> np.ndarray:
    """Return a sparse sample of a frame's pixels.

    picture: (H, W, 3) uint8 RGB -> (72, 128, 3) uint8; pixels are repeated if the frame is smaller.
    """
    height, width = picture.shape[:2]
    rows = (np.arange(ROWS * POINTS) * 2 + 1) * height // (2 * ROWS * POINTS)
    columns = (np.arange(COLUMNS * POINTS) * 2 + 1) * width // (2 * COLUMNS * POINTS)
    return picture.numpy().reshape(-1, 3).take(np.add.outer(rows * width, columns), 0)


def change(before: np.ndarray, after: np.ndarray, seconds: float) -> Change:
    """Return how much a frame differs from the frame `seconds` before it.

    A picture that keeps its places (a lamp is switched on: the pixels still correlate) or that changes by less than
    RECOLOURED_CHANGE belongs to the same shot. One that keeps its places only roughly, and not its colours, is suspect:
    another speaker may have taken the place of the first before the same background. On 39 real clips at their own
    rate, 10 and 5 frames per second, no frame with a face is suspect for this reason.

    Otherwise two signs are added: the overlap of the colour histograms, which motion and pans hardly change, and the
    correlation of blocks with the best place within reach in the picture before; the reach grows with the time between
    the frames. On the same clips the sum was at least 1.81 within a shot, and below 1.75 at 99 % of the cuts between
    scenes. A change of at most MIN_CHANGE is never a cut.

    before, after: (72, 128, 3) uint8 thumbnails.
    """
    difference = float((np.maximum(before, after) - np.minimum(before, after)).sum(dtype=np.int64)) / before.size
    if difference <= RECOLOURED_CHANGE:
        return Change.MOTION
    first, second = _cells(before), _cells(after)
    correlation = _correlation(first, second)
    if correlation >= SAME_PLACES:
        return Change.MOTION
    overlap = colour_overlap(colour_histogram(before), colour_histogram(after))
    if correlation >= MAX_CORRELATION or difference <= MIN_CHANGE:
        return Change.MOTION if overlap >= SAME_COLOURS else Change.SUSPECT
    limit = MAX_LIKENESS - LIKENESS_LOSS * min(max(seconds - SHORT_GAP, 0.0), 1.0)
    if overlap + _block_correlation(first, second, seconds) >= limit:
        return Change.SUSPECT
    return Change.CUT


def _cells(picture: np.ndarray) -> np.ndarray:
    """Return the mean brightness of each cell: (72, 128, 3) uint8 -> (36, 64) float64."""
    return picture.reshape(ROWS, POINTS, COLUMNS, POINTS * 3).mean((1, 3))


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Pearson correlation of two arrays of one shape, 0 if one of them is constant."""
    first, second = first - first.mean(), second - second.mean()
    power = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / power if power > 1 else 0.0


def _block_correlation(before: np.ndarray, after: np.ndarray, seconds: float) -> float:
    """Return the mean correlation of each block of `after` with its best place in `before`, weighted by contrast.

    before, after: (36, 64) brightness of cells -> at most 1. A block moves at most SPEED cells per second.
    """
    reach = int(np.clip(MIN_REACH + SPEED * seconds, MIN_REACH, MAX_REACH))
    row_reach = min(reach, MAX_ROW_REACH)
    padded = np.pad(before.astype(np.float32), ((row_reach, row_reach), (reach, reach)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (BLOCK_ROWS, BLOCK_COLUMNS))
    total, weights = 0.0, 1e-6
    for top in range(0, ROWS, BLOCK_ROWS):
        for left in range(0, COLUMNS, BLOCK_COLUMNS):
            block = after[top : top + BLOCK_ROWS, left : left + BLOCK_COLUMNS].astype(np.float32)
            places = windows[top : top + 2 * row_reach + 1, left : left + 2 * reach + 1].reshape(-1, block.size)
            contrast = float(block.std())
            products = places @ (block - block.mean()).ravel() / block.size
            correlations = products / np.maximum(places.std(1) * contrast, FLAT)
            weight = min(contrast, MAX_WEIGHT)
            total, weights = total + weight * float(correlations.max()), weights + weight
    return total / weights

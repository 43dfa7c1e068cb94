"""The appearance of a face on one frame, to recognise it on the next one; cheap enough for every frame."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from avfer.signal.geometry import ARCFACE, inverse, similarity

SIDE = 32  # px of the sample that is taken from a face
BINS = 8  # of a colour histogram, per channel
FLAT = 3.0  # grey levels, contrast below which a face has hardly any pattern
# (x, y, 1) of the centre of each pixel of the sample: (3, SIDE^2)
CENTRES = np.stack([*(np.mgrid[:SIDE, :SIDE].reshape(2, -1)[::-1] + 0.5), np.ones(SIDE**2)])


@dataclass(frozen=True, eq=False)
class Appearance:
    """An aligned face in two forms: a small grey picture, and its colours wherever they lie."""

    grey: np.ndarray  # (16, 16) float32
    colours: np.ndarray  # (512,) float32 histogram that sums to 1


def colour_histogram(pixels: np.ndarray) -> np.ndarray:
    """Return the share of pixels in each of 8 x 8 x 8 colours: (..., 3) uint8 -> (512,) float32 that sums to 1."""
    levels = (pixels.reshape(-1, 3) // (256 // BINS)).astype(np.int64)
    counts = np.bincount(levels @ np.array([BINS * BINS, BINS, 1]), minlength=BINS**3)
    return (counts / max(len(levels), 1)).astype(np.float32)


def colour_overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Bhattacharyya coefficient of two histograms, sum of sqrt(p q), in [0, 1].   both: (512,)"""
    return float(np.sqrt(first * second).sum())


def appearance(picture: Tensor, landmarks: np.ndarray) -> Appearance:
    """Sample a face through its landmarks, so that motion, size and tilt of the head do not matter.

    picture: (H, W, 3) uint8 RGB; landmarks: (5, 2) px in the order of the ArcFace template. Pixels are not
    interpolated; beyond the border the nearest one is repeated.
    """
    sample = _sample(picture, landmarks)
    grey = sample.reshape(SIDE // 2, 2, SIDE // 2, 6).mean((1, 3)).astype(np.float32)
    return Appearance(grey, colour_histogram(sample))


def face_colours(picture: Tensor, landmarks: np.ndarray) -> np.ndarray:
    """Return the colours of a face alone, those of `appearance`: (512,) float32 that sums to 1.

    picture: (H, W, 3) uint8 RGB; landmarks: (5, 2) px in the order of the ArcFace template.
    """
    return colour_histogram(_sample(picture, landmarks))


def _sample(picture: Tensor, landmarks: np.ndarray) -> np.ndarray:
    """Return SIDE^2 pixels of a face, row by row: (SIDE^2, 3) uint8 RGB."""
    height, width = picture.shape[:2]
    to_picture = inverse(similarity(landmarks[None], np.array(ARCFACE) * SIDE))[0]
    points = np.floor(to_picture @ CENTRES).astype(np.int64)
    return picture.numpy()[points[1].clip(0, height - 1), points[0].clip(0, width - 1)]


def likeness(first: Appearance, second: Appearance) -> float:
    """Return how alike two faces look, at most 2: the overlap of their colours plus the correlation of their pixels.

    The correlation is the best one over shifts by a pixel of the 16 x 16 picture. On real clips neighbouring frames of
    one face had 1.49 and more at 5 to 30 frames per second, faces of two persons less than 1.45 in 97 % of the pairs.
    """
    return _pattern_correlation(first.grey, second.grey) + colour_overlap(first.colours, second.colours)


def _pattern_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return the best correlation over shifts by one pixel, both (16, 16); near 1 if both are almost of one tone.

    (covariance + FLAT^2) / (product of the standard deviations + FLAT^2), so that noise on flat faces counts little.
    """
    inner = second[1:-1, 1:-1]
    side = len(inner)
    windows = np.lib.stride_tricks.sliding_window_view(first, (side, side)).reshape(9, side * side)
    windows = windows - windows.mean(1, keepdims=True)
    centred = (inner - inner.mean()).ravel()
    covariance = windows @ centred / centred.size
    spread = np.sqrt((windows**2).mean(1) * (centred**2).mean())
    return float(((covariance + FLAT**2) / (spread + FLAT**2)).max())

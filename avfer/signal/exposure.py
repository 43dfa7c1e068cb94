"""Dark pictures: the factor that brings them to the brightness that face detectors were trained on."""

import numpy as np
import torch
from torch import Tensor

SAMPLES = 48  # pixels of the sample along the shorter side of the picture
BRIGHT_SHARE = 0.01  # share of the sampled pixels; the darkest of the brightest 1 % is the brightness of the picture
DARK = 96.0  # grey levels, brightness below which a picture is dark
GOAL = 230.0  # grey levels, brightness that a dark picture is raised to
BLACK = 4.0  # grey levels, brightness below which a picture shows nothing and is left as it is


def gain(picture: Tensor) -> float:
    """Return the factor for the pixels of a dark picture, exactly 1 for any other.

    A picture is dark if 99 % of its pixels are darker than DARK. So pictures of normal brightness, and dark ones with a
    lamp or a bright face in them, are left as they are.

    picture: (H, W, 3) uint8 RGB -> 1, or GOAL / (the brightness that 1 % of the pixels reach).
    """
    step = max(1, min(picture.shape[:2]) // SAMPLES)
    sample = picture.numpy()[step // 2 :: step, step // 2 :: step].astype(np.uint16)
    sums = sample[..., 0] + sample[..., 1] + sample[..., 2]
    if np.count_nonzero(sums >= 3 * DARK) >= BRIGHT_SHARE * sums.size:
        return 1.0
    bright = float(np.quantile(sums / 3, 1 - BRIGHT_SHARE))
    return GOAL / bright if BLACK <= bright < DARK else 1.0


def brightened(pixels: Tensor, factor: float) -> Tensor:
    """Return pixels times a factor, limited to 255; the same tensor for the factor 1.

    pixels: (H, W, 3) uint8, or any other shape -> the same shape, uint8.
    """
    return pixels if factor == 1.0 else (pixels.float() * factor).round().clamp(max=255).to(torch.uint8)

"""Pictures changed at random before they are learned from; each by a generator of its own, so in any thread."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as change

from avfer.training.training_config import Augmentation

RATIOS = (3 / 4, 4 / 3)  # of width to height, of random crops
ERASED = (0.3, 3.3)  # of height to width, of what is erased
TRIES = 10  # for a rectangle that fits


def resized(pixels: Tensor, side: int) -> Tensor:
    """(3, H, W) uint8 -> (3, side, side) float32 in [0, 255]; bilinear with antialiasing, aspect ignored."""
    if pixels.shape[1:] == (side, side):
        return pixels.float()
    return F.interpolate(pixels[None].float(), (side, side), mode="bilinear", antialias=True)[0].round().clamp(0, 255)


def augmented(pixels: Tensor, side: int, how: Augmentation, random: np.random.Generator) -> Tensor:
    """(3, H, W) uint8 RGB -> (3, side, side) float32 in [0, 255]."""
    if how.crop < 1:
        pixels = _cropped(pixels, how.crop, random)
    if how.noise and random.random() < how.noised:
        pixels = _noised(pixels, how.noise, random)
    x = resized(pixels, side) / 255
    if random.random() < how.flip:
        x = x.flip(2)
    if _moves(how) and random.random() < how.moved:
        x = _moved(x, how, random)
    if (how.jitter or how.hue) and random.random() < how.jittered:
        x = _jittered(x, how, random)
    if random.random() < how.grey:
        x = change.rgb_to_grayscale(x, 3)
    if random.random() < how.blur:
        x = change.gaussian_blur(x, [2 * max(1, side // 40) + 1] * 2, [random.uniform(0.1, 2.0)] * 2)
    return x.clamp(0, 1) * 255


def erased(crop: Tensor, how: Augmentation, random: np.random.Generator) -> Tensor:
    """A normalised crop (3, S, S) with a rectangle of zeros, if chance wills."""
    if random.random() >= how.erase:
        return crop
    place = _rectangle(crop.shape[1], crop.shape[2], how.erase_area, ERASED, random)
    if place is None:
        return crop
    top, left, height, width = place
    crop = crop.clone()
    crop[:, top : top + height, left : left + width] = 0
    return crop


def _cropped(pixels: Tensor, least: float, random: np.random.Generator) -> Tensor:
    height, width = pixels.shape[1:]
    place = _rectangle(height, width, (least, 1.0), (1 / RATIOS[1], 1 / RATIOS[0]), random)
    if place is None:
        return pixels
    top, left, height, width = place
    return pixels[:, top : top + height, left : left + width]


def _rectangle(
    height: int, width: int, area: tuple[float, float], ratio: tuple[float, float], random: np.random.Generator
) -> tuple[int, int, int, int] | None:
    """top, left, height, width; the share of the area uniform, height to width uniform in its logarithm."""
    for _ in range(TRIES):
        size = random.uniform(*area) * height * width
        tall = math.exp(random.uniform(math.log(ratio[0]), math.log(ratio[1])))
        h, w = round(math.sqrt(size * tall)), round(math.sqrt(size / tall))
        if 0 < h <= height and 0 < w <= width:
            return int(random.integers(height - h + 1)), int(random.integers(width - w + 1)), h, w
    return None


def _noised(pixels: Tensor, deviation: float, random: np.random.Generator) -> Tensor:
    noise = torch.from_numpy(random.normal(0, 255 * deviation, tuple(pixels.shape)))
    return (pixels + noise).round().clamp(0, 255).to(pixels.dtype)


def _moves(how: Augmentation) -> bool:
    return bool(how.turn or how.shift) or how.zoom != (1.0, 1.0)


def _moved(x: Tensor, how: Augmentation, random: np.random.Generator) -> Tensor:
    shift = (random.uniform(-how.shift, how.shift, 2) * x.shape[2]).round().tolist()
    turn, zoom = random.uniform(-how.turn, how.turn), random.uniform(*how.zoom)
    return change.affine(x, turn, shift, zoom, [0.0, 0.0], interpolation=InterpolationMode.BILINEAR)


def _jittered(x: Tensor, how: Augmentation, random: np.random.Generator) -> Tensor:
    brightness, contrast, saturation = random.uniform(max(0.0, 1 - how.jitter), 1 + how.jitter, 3)
    x = change.adjust_brightness(x, brightness)
    x = change.adjust_contrast(x, contrast)
    x = change.adjust_saturation(x, saturation)
    return change.adjust_hue(x, random.uniform(-how.hue, how.hue)) if how.hue else x

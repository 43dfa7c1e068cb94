"""Random changes of images before training: single images, all crops of a sequence alike, and mixed batches.

Every image is changed by a random generator of its own, so that the result does not depend on the number of threads.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from avfer.models.card import Card
from avfer.models.network import resized
from avfer.training.training_config import Augmentation, Mixing

CROP_RATIOS = (3 / 4, 4 / 3)  # height to width of random crops
ERASED_RATIOS = (0.3, 3.3)  # height to width of erased rectangles
ATTEMPTS = 10  # to draw a rectangle that fits


def augmented(pixels: Tensor, side: int, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    """Return a randomly changed image.   pixels: (3, H, W) uint8 RGB -> (3, side, side) float32 in [0, 255]."""
    if augmentation.crop < 1:
        pixels = _cropped(pixels, augmentation.crop, random)
    if augmentation.noise and random.random() < augmentation.noised:
        pixels = _noised(pixels, augmentation.noise, random)
    x = resized(pixels, side) / 255
    if random.random() < augmentation.flip:
        x = x.flip(2)
    if _moves(augmentation) and random.random() < augmentation.moved:
        x = _moved(x, augmentation, random)
    if (augmentation.jitter or augmentation.hue) and random.random() < augmentation.jittered:
        x = _jittered(x, augmentation, random)
    if random.random() < augmentation.grey:
        x = transforms.rgb_to_grayscale(x, 3)
    if random.random() < augmentation.blur:
        x = transforms.gaussian_blur(x, [2 * max(1, side // 40) + 1] * 2, [random.uniform(0.1, 2.0)] * 2)
    return x.clamp(0, 1) * 255


def erased(crop: Tensor, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    """Return a normalised crop with a rectangle of zeros, with the probability `augmentation.erase`.

    crop: (3, S, S) float32 -> the same shape and type.
    """
    if random.random() >= augmentation.erase:
        return crop
    place = _rectangle(crop.shape[1], crop.shape[2], augmentation.erase_area, ERASED_RATIOS, random)
    if place is None:
        return crop
    top, left, height, width = place
    crop = crop.clone()
    crop[:, top : top + height, left : left + width] = 0
    return crop


def augmented_alike(
    crops: Tensor, has_face: Tensor, augmentation: Augmentation, card: Card, seed: int, threads: int
) -> Tensor:
    """Change all crops of a sequence in the same random way, so that the motion of the face is preserved.

    crops: (B, T, S, S, 3) uint8 RGB; has_face: (B, T) bool, only these are changed; card: mean and channel order of the
    network, for erased rectangles; seed: of the batch. Returns a changed copy of `crops`.
    """
    places = has_face.nonzero().tolist()
    mean = 255 * torch.tensor(card.mean[::-1] if card.colour == "bgr" else card.mean)[:, None, None]

    def change(place: list[int]) -> Tensor:
        sequence, step = place
        random = np.random.default_rng([seed, sequence])  # the same for every step
        crop = crops[sequence, step].permute(2, 0, 1)
        x = augmented(crop, crop.shape[1], augmentation, random)
        x = erased(x - mean, augmentation, random) + mean  # normalisation turns the mean into 0
        return x.round().to(torch.uint8).permute(1, 2, 0)

    changed = crops.clone()
    with ThreadPoolExecutor(threads) as pool:
        for (sequence, step), crop in zip(places, pool.map(change, places), strict=True):
            changed[sequence, step] = crop
    return changed


def mixed(pixels: Tensor, mixing: Mixing, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Mix each image with its partner, the first with the last and so on; return the images and the own share s.

    The share is one number for the whole batch, drawn from Beta(alpha, alpha).

    - mixup (Zhang et al. 2018, arXiv 1710.09412): s x + (1 - s) y.
    - cutmix (Yun et al. 2019, arXiv 1905.04899): a rectangle with the aspect ratio of the image and 1 - s of its area,
      around a uniform point and clipped at the border, shows y; s becomes the remaining share of x.

    pixels: (N, 3, S, S) float32 -> (N, 3, S, S) float32, share () float32 in [0, 1].
    """
    use_cutmix = bool(mixing.cutmix) and (not mixing.mixup or random.random() < 0.5)
    alpha = mixing.cutmix if use_cutmix else mixing.mixup
    share = float(random.beta(alpha, alpha))
    partners = pixels.flip(0)
    if not use_cutmix:
        return pixels * share + partners * (1 - share), torch.tensor(share)
    hidden = _hidden_area(pixels.shape[2], pixels.shape[3], 1 - share, random)
    return torch.where(hidden, partners, pixels), 1 - hidden.float().mean()


def _hidden_area(height: int, width: int, area: float, random: np.random.Generator) -> Tensor:
    """Return the rectangle of cutmix as a mask, (height, width) bool."""
    y, x = random.integers(height), random.integers(width)
    half_height, half_width = (int(side * math.sqrt(area)) // 2 for side in (height, width))
    hidden = torch.zeros(height, width, dtype=torch.bool)
    hidden[max(y - half_height, 0) : y + half_height, max(x - half_width, 0) : x + half_width] = True
    return hidden


def _cropped(pixels: Tensor, least: float, random: np.random.Generator) -> Tensor:
    """Return a random part of an image with at least the share `least` of its area.   (3, H, W) -> (3, H', W')."""
    height, width = pixels.shape[1:]
    place = _rectangle(height, width, (least, 1.0), CROP_RATIOS, random)
    if place is None:
        return pixels
    top, left, height, width = place
    return pixels[:, top : top + height, left : left + width]


def _rectangle(
    height: int, width: int, area: tuple[float, float], ratios: tuple[float, float], random: np.random.Generator
) -> tuple[int, int, int, int] | None:
    """Draw top, left, height, width; the share of the area is uniform, height to width uniform in its logarithm."""
    for _ in range(ATTEMPTS):
        size = random.uniform(*area) * height * width
        ratio = math.exp(random.uniform(math.log(ratios[0]), math.log(ratios[1])))
        h, w = round(math.sqrt(size * ratio)), round(math.sqrt(size / ratio))
        if 0 < h <= height and 0 < w <= width:
            return int(random.integers(height - h + 1)), int(random.integers(width - w + 1)), h, w
    return None


def _noised(pixels: Tensor, deviation: float, random: np.random.Generator) -> Tensor:
    """Add normal noise.   pixels: (3, H, W) uint8; deviation: share of 255 -> (3, H, W) uint8."""
    noise = torch.from_numpy(random.normal(0, 255 * deviation, tuple(pixels.shape)))
    return (pixels + noise).round().clamp(0, 255).to(pixels.dtype)


def _moves(augmentation: Augmentation) -> bool:
    """Return whether a rotation, shift or zoom is configured."""
    return bool(augmentation.turn or augmentation.shift) or augmentation.zoom != (1.0, 1.0)


def _moved(x: Tensor, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    """Rotate, shift and scale by random amounts; the border becomes 0.   (3, S, S) float32 -> (3, S, S)."""
    shift = (random.uniform(-augmentation.shift, augmentation.shift, 2) * x.shape[2]).round().tolist()
    turn, zoom = random.uniform(-augmentation.turn, augmentation.turn), random.uniform(*augmentation.zoom)
    return transforms.affine(x, turn, shift, zoom, [0.0, 0.0], interpolation=InterpolationMode.BILINEAR)


def _jittered(x: Tensor, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue by random amounts.   (3, S, S) float32 in [0, 1] -> (3, S, S)."""
    brightness, contrast, saturation = random.uniform(max(0.0, 1 - augmentation.jitter), 1 + augmentation.jitter, 3)
    x = transforms.adjust_brightness(x, brightness)
    x = transforms.adjust_contrast(x, contrast)
    x = transforms.adjust_saturation(x, saturation)
    return transforms.adjust_hue(x, random.uniform(-augmentation.hue, augmentation.hue)) if augmentation.hue else x

"""A face detector for tests whose faces are red squares: `detector: tests.toy_detector:Squares` in a YAML."""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from avfer.signal.geometry import ARCFACE

SIDE = 48  # px of the squares that `squares_clip` draws
BACKGROUND, SQUARE = (20, 60, 60), (230, 20, 20)  # RGB


class Squares(nn.Module):
    """Finds red squares; their landmarks lie where the ArcFace template puts those of a face in its crop."""

    crop_size = 40
    side_margin = 0.0
    landmark_shift = 0.0

    def search(self, picture: Tensor, min_size: float) -> tuple[Tensor, Tensor]:
        """picture: (H, W, 3) uint8 RGB -> boxes (N, 4) float32 xyxy px, scores (N,) float32."""
        labels, _ = ndimage.label(_is_red(picture.numpy()))
        found = [(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(labels)]
        boxes = torch.tensor([box for box in found if box[2] - box[0] >= min_size], dtype=torch.float32).reshape(-1, 4)
        return boxes, torch.ones(len(boxes))

    def refine(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """crops: (N, 3, 40, 40) uint8 RGB -> scores (N,), offsets (N, 4), landmarks (N, 5, 2) as shares of 40 px."""
        scores, offsets, landmarks = [], [], []
        for crop in crops.permute(0, 2, 3, 1).numpy():
            rows, columns = np.nonzero(_is_red(crop))
            scores.append(len(rows) / self.crop_size**2)
            left, top = (columns.min(initial=40), rows.min(initial=40))
            right, bottom = (columns.max(initial=-1) + 1, rows.max(initial=-1) + 1)
            offsets.append(np.array([left, top, right - self.crop_size, bottom - self.crop_size]) / self.crop_size)
            landmarks.append((np.array(ARCFACE) * [right - left, bottom - top] + [left, top]) / self.crop_size)
        return tuple(torch.tensor(np.array(values), dtype=torch.float32) for values in (scores, offsets, landmarks))  # pyright: ignore


def _is_red(pixels: np.ndarray) -> np.ndarray:
    """pixels: (H, W, 3) uint8 -> (H, W) bool."""
    return (pixels[..., 0] > 130) & (pixels[..., 1] < 90)


def corners(frame: int) -> list[tuple[int, int]]:
    """The top left corners (x, y) of the squares on a frame: one moves right, another one comes and goes."""
    first = [(20 + 3 * frame, 30 + frame)]
    return [*first, (200, 96)] if 8 <= frame < 24 else first


def squares_clip(count: int) -> np.ndarray:
    """Frames with the squares of `corners`: (T, 160, 288, 3) uint8 RGB."""
    frames = np.empty((count, 160, 288, 3), np.uint8)
    frames[:] = BACKGROUND
    for number, frame in enumerate(frames):
        for x, y in corners(number):
            frame[y : y + SIDE, x : x + SIDE] = SQUARE
    return frames

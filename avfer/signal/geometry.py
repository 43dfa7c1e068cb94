"""Geometry of faces: overlap and assignment of boxes, and the similarity transform that turns a face upright."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union of every pair of boxes, in [0, 1].

    first: (N, 4), second: (M, 4) xyxy px -> (N, M) float64; 0 where both boxes are empty.
    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    corner = np.minimum(first[:, None, 2:], second[None, :, 2:]) - np.maximum(first[:, None, :2], second[None, :, :2])
    shared = corner.clip(0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clip(0).prod(1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def match_boxes(first: np.ndarray, second: np.ndarray, min_iou: float) -> list[tuple[int, int]]:
    """Return the pairs (i, j) of boxes that belong together.

    This is the assignment of the largest total IoU (Hungarian algorithm), without its pairs below `min_iou`.
    first: (N, 4), second: (M, 4) xyxy px -> at most min(N, M) pairs of row numbers.
    """
    overlap = iou(first, second)
    return [(i, j) for i, j in best_pairs(overlap) if overlap[i, j] >= min_iou]


def best_pairs(values: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of the assignment with the largest sum of values (Hungarian algorithm).

    values: (N, M) finite -> min(N, M) pairs, ordered by row; of equal sums, the first.
    """
    if not values.size:
        return []
    if 1 in values.shape:
        row, column = divmod(int(values.argmax()), values.shape[1])
        return [(row, column)]
    from scipy.optimize import linear_sum_assignment  # takes 0.5 s and 40 MB, and clips of one face do not need it

    return [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(-values), strict=True)]


def drop_duplicates(boxes: Tensor, scores: Tensor, max_cover: float) -> Tensor:
    """Return the rows to keep, the best score first, where several boxes may show the same face.

    A box is dropped if its intersection with a better one exceeds `max_cover` of the smaller area of the two, so a
    box inside another counts as a duplicate, which IoU would miss. boxes: (N, 4) xyxy px, scores: (N,) -> (K,) int64.
    """
    order = scores.argsort(descending=True, stable=True)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    corner = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - torch.maximum(
        boxes[:, None, :2], boxes[None, :, :2]
    )
    overlap = corner.clamp(min=0).prod(2) / torch.minimum(area[:, None], area[None]).clamp(min=1e-6)
    kept: list[int] = []
    for i in order.tolist():
        if all(overlap[i, j] <= max_cover for j in kept):
            kept.append(i)
    return torch.tensor(kept, dtype=torch.long)


# Eyes, nose, mouth corners as (x, y) shares of the crop's side: the 112 px template of ArcFace (Deng et al. 2019).
ARCFACE = tuple(
    (x / 112, y / 112)
    for x, y in ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
)


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the rotation, scale and shift that map `source` to `target` with the least squared error.

    This is the solution of Umeyama, TPAMI 1991, in closed form for two dimensions, without reflections.
    source: (N, P, 2) points of N faces, target: (P, 2) -> (N, 2, 3) float64 matrices to multiply with (x, y, 1).
    """
    source, target = source.astype(np.float64), target.astype(np.float64)
    centre, goal = source.mean(1, keepdims=True), target.mean(0)
    flat, want = source - centre, target - goal
    spread = (flat**2).sum((1, 2)).clip(1e-9)
    along = (flat * want).sum((1, 2)) / spread
    across = (flat[..., 0] * want[:, 1] - flat[..., 1] * want[:, 0]).sum(1) / spread
    turn = np.stack([np.stack([along, -across], 1), np.stack([across, along], 1)], 1)
    shift = goal[None] - (turn @ centre.transpose(0, 2, 1))[..., 0]
    return np.concatenate([turn, shift[..., None]], 2)


def inverse(transforms: np.ndarray) -> np.ndarray:
    """Return the inverse of each affine transform.   (N, 2, 3) -> (N, 2, 3)"""
    turn = np.linalg.inv(transforms[:, :, :2])
    return np.concatenate([turn, -turn @ transforms[:, :, 2:]], 2)


def warp(picture: Tensor, to_picture: np.ndarray, side: int) -> Tensor:
    """Resample a square crop from a frame; beyond the border the nearest pixel is repeated.

    If the crop has fewer pixels than the region it shows, the frame is first scaled down with antialiasing. Pixels
    are interpolated bilinearly. picture: (H, W, 3) uint8; to_picture: (2, 3) maps crop pixels to frame pixels; side:
    px of the crop -> (side, side, 3) uint8.
    """
    height, width = picture.shape[:2]
    corners = to_picture @ np.array([[0, side, 0, side], [0, 0, side, side], [1, 1, 1, 1]], np.float64)
    left, top = (
        max(0, min(limit - 2, math.floor(v) - 1)) for v, limit in zip(corners.min(1), (width, height), strict=True)
    )
    right, bottom = (
        max(low + 2, min(limit, math.ceil(v) + 1))
        for v, limit, low in zip(corners.max(1), (width, height), (left, top), strict=True)
    )
    part = picture[top:bottom, left:right].permute(2, 0, 1)[None]
    scale = float(np.hypot(*to_picture[:, 0]))  # frame pixels per crop pixel
    if scale > 1:
        size = (math.ceil((bottom - top) / scale), math.ceil((right - left) / scale))
        part = F.interpolate(part, size, mode="bilinear", antialias=True)
    # pixel centres of the crop in [-1, 1] across the part, as affine_grid expects them
    theta = np.zeros((2, 3))
    for axis, (low, high) in enumerate(((left, right), (top, bottom))):
        theta[axis, :2] = to_picture[axis, :2] * side / (high - low)
        middle = to_picture[axis, :2].sum() * side / 2 + to_picture[axis, 2]
        theta[axis, 2] = 2 * (middle - low) / (high - low) - 1
    grid = F.affine_grid(torch.from_numpy(theta.astype(np.float32))[None], [1, 3, side, side], align_corners=False)
    crop = F.grid_sample(part.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return crop[0].permute(1, 2, 0).round().to(torch.uint8)

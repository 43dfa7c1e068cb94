"""Geometry of faces: overlap and assignment of boxes, and the similarity transform that turns a face upright."""

import math
from functools import cache
from itertools import permutations

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


MAX_TRIED = 24  # assignments that `best_pairs` compares one by one


def best_pairs(values: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of the assignment with the largest sum of values (Hungarian algorithm).

    values: (N, M) finite -> min(N, M) pairs, ordered by row; of equal sums, the first.
    """
    if not values.size:
        return []
    n, m = values.shape
    if n > m:
        return sorted((i, j) for j, i in best_pairs(values.T))
    if math.perm(m, n) <= MAX_TRIED:
        tried = np.array(list(permutations(range(m), n)))
        sums = values[np.arange(n), tried].sum(1)
        best = np.flatnonzero(sums == sums.max())
        if len(best) == 1:
            return list(enumerate(tried[best[0]].tolist()))
    from scipy.optimize import linear_sum_assignment  # takes 0.5 s and 55 MB, and clips of few faces do not need it

    return [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(-values), strict=True)]


def intersection_over_smaller(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the intersection of every pair of boxes over the smaller of their two areas.

    boxes: (N, 4), others: (M, 4) xyxy px -> (N, M) float32 in [0, 1]; 1 for a box inside another.
    """
    areas = [(b[:, 2:] - b[:, :2]).clamp(min=0).prod(1) for b in (boxes, others)]
    corner = torch.minimum(boxes[:, None, 2:], others[None, :, 2:]) - torch.maximum(
        boxes[:, None, :2], others[None, :, :2]
    )
    return corner.clamp(min=0).prod(2) / torch.minimum(areas[0][:, None], areas[1][None]).clamp(min=1e-6)


def drop_duplicates(boxes: Tensor, scores: Tensor, max_cover: float) -> Tensor:
    """Return the rows to keep, the best score first, where several boxes may show the same face.

    A box is dropped if its intersection with a kept one of a higher score exceeds `max_cover` of the smaller area of
    the two, so a box inside another counts as a duplicate, which IoU would miss. boxes: (N, 4) xyxy px, scores: (N,)
    -> (K,) int64.
    """
    if len(boxes) < 2:
        return torch.arange(len(boxes))
    order, overlap = scores.argsort(descending=True, stable=True), intersection_over_smaller(boxes, boxes)
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
    source_mean, target_mean = source.mean(1, keepdims=True), target.mean(0)
    source, target = source - source_mean, target - target_mean
    spread = (source**2).sum((1, 2)).clip(1e-9)
    cosine = (source * target).sum((1, 2)) / spread  # of the rotation, times the scale, as is the sine
    sine = (source[..., 0] * target[:, 1] - source[..., 1] * target[:, 0]).sum(1) / spread
    rotation = np.stack([np.stack([cosine, -sine], 1), np.stack([sine, cosine], 1)], 1)
    shift = target_mean[None] - (rotation @ source_mean.transpose(0, 2, 1))[..., 0]
    return np.concatenate([rotation, shift[..., None]], 2)


def inverse(transforms: np.ndarray) -> np.ndarray:
    """Return the inverse of each affine transform.   (N, 2, 3) -> (N, 2, 3)"""
    linear = np.linalg.inv(transforms[:, :, :2])
    return np.concatenate([linear, -linear @ transforms[:, :, 2:]], 2)


def warp(picture: Tensor, to_picture: np.ndarray, side: int) -> Tensor:
    """Resample a square crop from a frame; beyond the border the nearest pixel is repeated.

    If the crop has fewer pixels than the region it shows, the frame is first scaled down with antialiasing. Pixels
    are interpolated bilinearly. picture: (H, W, 3) uint8; to_picture: (2, 3) maps crop pixels to frame pixels; side:
    px of the crop -> (side, side, 3) uint8.
    """
    (a, b, c), (d, e, f) = to_picture.tolist()
    left, right = _shown_pixels(a * side, b * side, c, picture.shape[1])
    top, bottom = _shown_pixels(d * side, e * side, f, picture.shape[0])
    width, height = right - left, bottom - top
    part = picture[top:bottom, left:right].permute(2, 0, 1)[None]
    scale = math.hypot(a, d)  # frame pixels per crop pixel
    if scale > 1:
        part = F.interpolate(
            part, (math.ceil(height / scale), math.ceil(width / scale)), mode="bilinear", antialias=True
        )
    # from pixel centres in [-1, 1] across the crop to those across the part
    across = [a * side / width, b * side / width, 2 * ((a + b) * side / 2 + c - left) / width - 1]
    down = [d * side / height, e * side / height, 2 * ((d + e) * side / 2 + f - top) / height - 1]
    grid = (torch.tensor([across, down]) @ _pixel_centres(side)).view(1, 2, side, side).permute(0, 2, 3, 1)
    crop = F.grid_sample(part.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return crop[0].permute(1, 2, 0).round().to(torch.uint8)


def _shown_pixels(across: float, down: float, start: float, limit: int) -> tuple[int, int]:
    """Return the first pixel of a frame that a crop shows along one axis of the frame, and the one after the last.

    start: px, position of the crop's top left corner on this axis; across, down: px on this axis from there to the
    crop's top right and bottom left corners; limit: px, side of the frame.
    """
    corners = start, start + across, start + down, start + across + down
    low = max(0, min(limit - 2, math.floor(min(corners)) - 1))
    return low, max(low + 2, min(limit, math.ceil(max(corners)) + 1))


@cache
def _pixel_centres(side: int) -> Tensor:
    """Return (x, y, 1) of the centres of a crop's pixels, -1 to 1 across the crop: (3, side * side) float32."""
    centres = F.affine_grid(torch.eye(2, 3)[None], [1, 1, side, side], align_corners=False).view(-1, 2)
    return torch.cat([centres.T, torch.ones(1, len(centres))])

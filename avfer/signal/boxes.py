"""Overlap of boxes: IoU, the best assignment of two sets, and the removal of duplicate detections."""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
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
    pairs = zip(*linear_sum_assignment(-overlap), strict=True)
    return [(int(i), int(j)) for i, j in pairs if overlap[i, j] >= min_iou]


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

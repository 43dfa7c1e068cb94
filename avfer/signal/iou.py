"""Overlap of boxes."""

import numpy as np
from scipy.optimize import linear_sum_assignment


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union, in [0, 1].   first: (N, 4), second: (M, 4) xyxy -> (N, M) float64"""
    first, second = first.astype(np.float64), second.astype(np.float64)
    corner = np.minimum(first[:, None, 2:], second[None, :, 2:]) - np.maximum(first[:, None, :2], second[None, :, :2])
    shared = corner.clip(0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clip(0).prod(1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def match(first: np.ndarray, second: np.ndarray, min_iou: float) -> list[tuple[int, int]]:
    """Pairs (i, j) that belong together: the assignment of largest total IoU, without pairs below `min_iou`."""
    overlap = iou(first, second)
    pairs = zip(*linear_sum_assignment(-overlap), strict=True)
    return [(int(i), int(j)) for i, j in pairs if overlap[i, j] >= min_iou]

"""Triplets of faces of which two look more alike: the Google facial expression comparison data."""

import torch
import torch.nn.functional as F
from torch import Tensor

MARGINS = {"ONE_CLASS_TRIPLET": 0.1, "TWO_CLASS_TRIPLET": 0.2, "THREE_CLASS_TRIPLET": 0.2}


def triplet_loss(first: Tensor, second: Tensor, odd: Tensor, margin: Tensor | float) -> Tensor:
    """max(0, |a - b|² - |a - c|² + m) + max(0, |a - b|² - |b - c|² + m), for a, b alike and c odd.

    first, second, odd: (N, D), of unit length; margin: (N,) or a number -> (), the mean. Vemulapalli and Agarwala
    2019 (CVPR), arXiv 1811.11283; margins by the kind of triplet: `MARGINS`.
    """
    alike = (first - second).square().sum(1)
    apart = torch.stack([(first - odd).square().sum(1), (second - odd).square().sum(1)])
    return F.relu(alike - apart + margin).sum(0).mean()


def triplet_accuracy(first: Tensor, second: Tensor, odd: Tensor) -> Tensor:
    """Share of triplets whose alike pair is nearest.   (N, D) each -> () in [0, 1]"""
    alike = (first - second).norm(dim=1)
    nearest = (alike < (first - odd).norm(dim=1)) & (alike < (second - odd).norm(dim=1))
    return nearest.float().mean()

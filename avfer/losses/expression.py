"""Losses of expressions: classes, or the votes of several people."""

import torch
import torch.nn.functional as F
from torch import Tensor


def expression_loss(logits: Tensor, target: Tensor, valid: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy, -sum_k q_k log p_k with q = (1 - s) onehot + s / K (Szegedy et al. 2016, arXiv 1512.00567).

    logits: (..., K); target: (...) int64; valid: (...) bool -> (), the mean over valid rows; 0 without one.
    """
    there = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    if not there.any():
        return logits.sum() * 0.0
    return F.cross_entropy(logits[there], target[there], label_smoothing=smoothing)


def votes_loss(logits: Tensor, votes: Tensor, valid: Tensor | None = None) -> Tensor:
    """KL(q || p) = sum_k q_k (log q_k - log p_k) with q the share of each class among the votes.

    logits, votes: (..., K), votes from 0 up; valid: (...) bool -> (), the mean over valid rows that have votes; 0
    without one. FER+: Barsoum et al. 2016, arXiv 1608.01041 (its cross-entropy differs by a constant).
    """
    total = votes.sum(-1)
    there = (total > 0) if valid is None else valid & (total > 0)
    if not there.any():
        return logits.sum() * 0.0
    shares = votes[there] / total[there][:, None]
    return F.kl_div(logits[there].log_softmax(-1), shares, reduction="batchmean")

"""Expressions and action units held together: each teaches the other where a face has labels of one alone.

Kollias, Sharmanska and Zafeiriou 2019, arXiv 1910.11111 (FaceBehaviorNet), recalled.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# Share of people who show a unit with an expression: Du, Tao and Martinez 2014, "Compound facial expressions of
# emotion", PNAS 111(15) E1454, table 1, recalled. What its table calls prototypical counts as always shown.
SHARES: dict[str, Mapping[str, float]] = {
    "neutral": {},
    "happiness": {"AU12": 1.0, "AU25": 1.0, "AU06": 0.51},
    "sadness": {"AU04": 1.0, "AU15": 1.0, "AU01": 0.60, "AU06": 0.50, "AU11": 0.26, "AU17": 0.67},
    "fear": {"AU01": 1.0, "AU04": 1.0, "AU20": 1.0, "AU25": 1.0, "AU02": 0.57, "AU05": 0.63, "AU26": 0.33},
    "anger": {"AU04": 1.0, "AU07": 1.0, "AU24": 1.0, "AU10": 0.26, "AU17": 0.52, "AU23": 0.29},
    "surprise": {"AU01": 1.0, "AU02": 1.0, "AU25": 1.0, "AU26": 1.0, "AU05": 0.66},
    "disgust": {"AU09": 1.0, "AU10": 1.0, "AU17": 1.0, "AU04": 0.31, "AU24": 0.26},
}
CERTAIN = 1e-4  # probabilities are held this far from 0 and 1


def shares(classes: Sequence[str], action_units: Sequence[str]) -> Tensor:
    """Share of each unit in each class: (K, A) in [0, 1], in the order of the names.

    A unit that no class shows has a column of zeros. ValueError for a class whose units are not known.
    """
    if strangers := set(classes) - set(SHARES):
        known = ", ".join(SHARES)
        raise ValueError(f"no action units are known of {', '.join(sorted(strangers))}; only of {known}")
    return torch.tensor([[SHARES[name].get(unit, 0.0) for unit in action_units] for name in classes])


def co_annotation(logits: Tensor, expression: Tensor, shares: Tensor, valid: Tensor | None = None) -> Tensor:
    """-sum of w log p over sum of w: units that go with the labelled expression should occur.

    w is the share of the unit in the class. It teaches of presence alone, and nothing of a face without expression.
    logits: (N, A) of units; expression: (N,) int64; shares: (K, A); valid: (N,) bool -> (); 0 without such a unit.
    """
    there = torch.ones_like(expression, dtype=torch.bool) if valid is None else valid
    weight = shares[expression.masked_fill(~there, 0)] * there[:, None]
    return -(weight * F.logsigmoid(logits)).sum() / weight.sum().clamp(min=1e-6)


def distribution_matching(expression_logits: Tensor, unit_logits: Tensor, shares: Tensor) -> Tensor:
    """KL(p || q), p a unit's probability, q = sum over classes of p(class) share(unit, class); mean over both axes.

    No label enters, and gradients reach both heads. Units that no class shows are left out. The paper's loss is the
    cross-entropy -p log q; the divergence in its place, which is 0 where both agree, is our choice.
    expression_logits: (N, K); unit_logits: (N, A); shares: (K, A) -> ()
    """
    coupled = shares.sum(0) > 0
    p = unit_logits[:, coupled].sigmoid().clamp(CERTAIN, 1 - CERTAIN)
    q = (expression_logits.softmax(1) @ shares[:, coupled]).clamp(CERTAIN, 1 - CERTAIN)
    divergence = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    return divergence.mean() if divergence.numel() else unit_logits.sum() * 0.0

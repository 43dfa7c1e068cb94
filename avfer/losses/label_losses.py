"""Losses of predictions against labels: valence and arousal, expressions, action units, and all of them at once.

Rows and entries whose label is not valid are replaced or left out before anything is computed, so that neither their
value nor a NaN reaches a gradient.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.losses.affect_labels import AffectLabels
from avfer.models.prediction import Prediction

Over = Literal["joined", "sequences"]
EPSILON = 1e-8  # added to the denominator of the CCC, so that two equal constants give a loss of 1


def ccc_loss(prediction: Tensor, target: Tensor, valid: Tensor | None = None, over: Over = "joined") -> Tensor:
    """Return 1 - CCC, in [0, 2], with population moments:

        CCC = 2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))² + 1e-8)

    Lin 1989, Biometrics 45(1); as a loss: Trigeorgis et al. 2016, ICASSP.

    prediction, target: (B, T) float; valid: (B, T) bool, None for all valid -> (). "joined" takes all valid steps of
    the batch as one series; "sequences" is the mean over the sequences with at least two valid steps. The loss is 0
    if there are none.
    """
    mask = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    if over == "joined":
        prediction, target, mask = (x.reshape(1, -1) for x in (prediction, target, mask))
    x, y = prediction.masked_fill(~mask, 0.0), target.masked_fill(~mask, 0.0)
    count = mask.sum(1)
    divisor = count.clamp(min=1)
    mean_x, mean_y = x.sum(1) / divisor, y.sum(1) / divisor
    dx, dy = ((v - m[:, None]) * mask for v, m in ((x, mean_x), (y, mean_y)))
    covariance, variances = (dx * dy).sum(1) / divisor, (dx.square() + dy.square()).sum(1) / divisor
    concordance = 2 * covariance / (variances + (mean_x - mean_y).square() + EPSILON)
    counted = count > 1
    return ((1 - concordance) * counted).sum() / counted.sum().clamp(min=1)


def valence_arousal_loss(
    valence: Tensor, arousal: Tensor, target: Tensor, valid: Tensor | None = None, over: Over = "joined"
) -> Tensor:
    """Return 1 - (CCC of valence + CCC of arousal) / 2.

    valence, arousal: (B, T) float; target: (B, T, 2) float; valid: (B, T, 2) bool, None for all valid; over: see
    `ccc_loss` -> ().
    """
    mask = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    dimensions = zip((valence, arousal), target.unbind(-1), mask.unbind(-1), strict=True)
    return torch.stack([ccc_loss(x, y, valid_steps, over) for x, y, valid_steps in dimensions]).mean()


def mean_square_loss(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return mean((x - y)²) over the valid entries; 0 if there are none.

    prediction, target: (...) float; valid: (...) bool, None for all valid -> ().
    """
    mask = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    difference = prediction.masked_fill(~mask, 0.0) - target.masked_fill(~mask, 0.0)
    return difference.square().sum() / mask.sum().clamp(min=1)


def expression_loss(logits: Tensor, target: Tensor, valid: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy -sum_k q_k log p_k with q = (1 - s) onehot + s / K.

    Label smoothing s: Szegedy et al. 2016, arXiv 1512.00567.

    logits: (..., K) float; target: (...) int64; valid: (...) bool, None for all valid -> (), the mean over the valid
    rows; 0 if there are none.
    """
    mask = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    if not mask.any():
        return logits.sum() * 0.0
    return F.cross_entropy(logits[mask], target[mask], label_smoothing=smoothing)


def votes_loss(logits: Tensor, votes: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return KL(q || p) = sum_k q_k (log q_k - log p_k), q the share of each class in the votes of annotators.

    FER+: Barsoum et al. 2016, arXiv 1608.01041, whose cross-entropy differs by a constant.

    logits: (..., K) float; votes: (..., K) float >= 0; valid: (...) bool, None for all valid -> (), the mean over the
    valid rows that have votes; 0 if there are none.
    """
    total = votes.sum(-1)
    mask = (total > 0) if valid is None else valid & (total > 0)
    if not mask.any():
        return logits.sum() * 0.0
    shares = votes[mask] / total[mask][:, None]
    return F.kl_div(logits[mask].log_softmax(-1), shares, reduction="batchmean")


def class_weights(counts: Sequence[int]) -> Tensor:
    """Return the weight of each class in the loss, the largest count over its own; the most frequent class has 1.

    HMTL (Pourmirzaei et al. 2021, arXiv 2105.06421, official code). counts: K integers >= 1 -> (K,) float32.
    """
    numbers = torch.tensor(counts, dtype=torch.float32)
    return numbers.max() / numbers


def action_unit_loss(
    logits: Tensor, target: Tensor, valid: Tensor | None = None, pos_weight: Tensor | None = None
) -> Tensor:
    """Return the binary cross-entropy -(w y log p + (1 - y) log(1 - p)), the mean over the valid entries.

    The mean over action units: Kollias and Zafeiriou, BMVC 2019, arXiv 1910.04855 (recalled). The weight is our choice.

    logits, target: (..., A) float, target 0 or 1; valid: (..., A) bool, None for all valid; pos_weight: (A,) float,
    weight w of an occurrence (`occurrence_weights`), None for 1 -> (); 0 if no entry is valid.
    """
    mask = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    if not mask.any():
        return logits.sum() * 0.0
    targets = target.masked_fill(~mask, 0.0)
    losses = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=pos_weight, reduction="none")
    return (losses * mask).sum() / mask.sum()


def occurrence_weights(target: Tensor, valid: Tensor, limit: float = 20.0) -> Tensor:
    """Return the weight of an occurrence of each action unit: non-occurrences / occurrences, at most `limit`.

    target: (N, A) float, 0 or 1; valid: (N, A) bool -> (A,) float; 1 for an action unit that never occurs.
    """
    occurrences = ((target > 0) & valid).sum(0)
    absences = valid.sum(0) - occurrences
    weight = absences / occurrences.clamp(min=1)
    return torch.where(occurrences > 0, weight.clamp(max=limit), torch.ones_like(weight))


class TaskLosses(NamedTuple):
    """The loss of each task, () each; None if the model has no head for it."""

    valence_arousal: Tensor | None
    expression: Tensor | None
    action_units: Tensor | None


def multi_task_losses(
    prediction: Prediction,
    labels: AffectLabels,
    over: Over = "joined",
    smoothing: float = 0.0,
    pos_weight: Tensor | None = None,
) -> TaskLosses:
    """Return the losses of all tasks, each over the steps that have its label.

    Kollias and Zafeiriou, BMVC 2019, arXiv 1910.04855: 1 - (CCC_valence + CCC_arousal) / 2, cross-entropy, and mean
    binary cross-entropy; the paper minimises their plain sum (recalled). A step without a label of a task contributes
    no gradient to its head.

    prediction, labels: (B, T, ...); over: see `ccc_loss`; smoothing: see `expression_loss`; pos_weight: (A,), see
    `action_unit_loss` -> () each.
    """
    valence_arousal, expression, action_units = None, None, None
    if prediction.valence_arousal is not None:
        valence, arousal = prediction.valence_arousal.unbind(-1)
        target, valid = labels.valence_arousal, labels.valence_arousal_valid
        valence_arousal = valence_arousal_loss(valence, arousal, target, valid, over)
    if (logits := prediction.expression_logits) is not None:
        expression = expression_loss(logits, labels.expression, labels.expression_valid, smoothing)
    if (logits := prediction.action_unit_logits) is not None:
        action_units = action_unit_loss(logits, labels.action_units, labels.action_units_valid, pos_weight)
    return TaskLosses(valence_arousal, expression, action_units)

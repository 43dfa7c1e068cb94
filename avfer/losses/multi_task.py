"""Three tasks at once, where a frame has labels of some (Kollias and Zafeiriou, BMVC 2019, arXiv 1910.04855)."""

from typing import NamedTuple

from torch import Tensor

from avfer.losses.action_units import action_unit_loss
from avfer.losses.ccc import Over, pair_loss
from avfer.losses.expression import expression_loss
from avfer.models.affect.heads import AffectOutputs


class AffectLabels(NamedTuple):
    """Of B sequences of T frames; what stands where a mask is False is never read."""

    valence_arousal: Tensor  # (B, T, 2) in [-1, 1]
    has_valence_arousal: Tensor  # (B, T, 2) bool
    expression: Tensor  # (B, T) int64
    has_expression: Tensor  # (B, T) bool
    action_units: Tensor  # (B, T, A), 0 or 1
    has_action_units: Tensor  # (B, T, A) bool


class TaskLosses(NamedTuple):
    """() each; 0 for a task of which the batch has no label."""

    valence_arousal: Tensor
    expression: Tensor
    action_units: Tensor

    @property
    def total(self) -> Tensor:
        """The plain sum, ()."""
        return self.valence_arousal + self.expression + self.action_units


def multi_task_loss(
    outputs: AffectOutputs,
    labels: AffectLabels,
    over: Over = "joined",
    smoothing: float = 0.0,
    positive: Tensor | None = None,
) -> TaskLosses:
    """1 - (CCC_valence + CCC_arousal) / 2, cross-entropy, and mean binary cross-entropy.

    Each is taken over the frames that have its label: `total` is their plain sum, as recalled from the paper. A frame
    without a label of a task gives no gradient to its head, and a model without a head has no labels of it here.
    outputs, labels: (B, T, ...); over, smoothing, positive: as of `ccc_loss`, `expression_loss` and
    `action_unit_loss` -> () each.
    """
    return TaskLosses(
        pair_loss(outputs.valence, outputs.arousal, labels.valence_arousal, labels.has_valence_arousal, over),
        expression_loss(outputs.expression_logits, labels.expression, labels.has_expression, smoothing),
        action_unit_loss(outputs.action_unit_logits, labels.action_units, labels.has_action_units, positive),
    )

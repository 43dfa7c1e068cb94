"""What is made small: losses of the outputs against the labels that are there."""

import torch
from torch import Tensor, nn

from avfer.losses.multi_task import AffectLabels, multi_task_loss
from avfer.models.affect.heads import AffectOutputs
from avfer.training.coupled import Coupling
from avfer.training.sequences import Batch
from avfer.training.training_config import LossConfig, Target


class Objective(nn.Module):
    """An affect model with its loss: a batch in, a loss out, so that all of training is one forward."""

    positive: Tensor

    def __init__(
        self,
        model: nn.Module,
        targets: list[Target],
        loss: LossConfig,
        positive: Tensor,
        coupling: Coupling | None = None,
    ) -> None:
        super().__init__()
        self.model, self.coupling = model, coupling
        self.targets, self.loss = targets, loss
        self.register_buffer("positive", positive, persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """The weighted sum of the losses of all targets, ()."""
        told, b = self.read(batch), batch
        positive = self.positive if self.loss.balanced else None
        losses = multi_task_loss(told, self._labels(b), self.loss.over, self.loss.smoothing, positive)
        parts = [getattr(self.loss, target) * getattr(losses, target) for target in self.targets]
        if self.coupling is not None:
            logits = told.expression_logits[b.valid], told.action_unit_logits[b.valid]
            held = self.coupling(*logits, b.expression[b.valid], b.expression_valid[b.valid])
            parts.append(self.loss.coupling * held)
        return torch.stack(parts).sum()

    def _labels(self, b: Batch) -> AffectLabels:
        """Of the targets alone: the model may have no head for the others."""
        pair, expression, units = (name in self.targets for name in ("valence_arousal", "expression", "action_units"))
        return AffectLabels(
            b.pair,
            b.pair_valid & pair,
            b.expression,
            b.expression_valid & expression,
            b.units,
            b.units_valid & units,
        )

    def read(self, batch: Batch) -> AffectOutputs:
        """What the model tells of every step."""
        return self.model.sequence(  # pyright: ignore[reportCallIssue]
            batch.face, batch.voice, batch.has_face, batch.has_voice, batch.valid, batch.times
        )

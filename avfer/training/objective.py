"""What is made small: losses of the outputs against the labels that are there."""

import torch
from torch import Tensor, nn

from avfer.losses.action_units import action_unit_loss
from avfer.losses.ccc import ccc_loss
from avfer.losses.expression import expression_loss
from avfer.models.affect.heads import AffectOutputs
from avfer.training.config import LossConfig, Target
from avfer.training.sequences import Batch


class Objective(nn.Module):
    """An affect model with its loss: a batch in, a loss out, so that all of training is one forward."""

    positive: Tensor

    def __init__(self, model: nn.Module, targets: list[Target], loss: LossConfig, positive: Tensor) -> None:
        super().__init__()
        self.model = model
        self.targets, self.loss = targets, loss
        self.register_buffer("positive", positive, persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """The weighted sum of the losses of all targets, ()."""
        told = self.read(batch)
        parts: list[Tensor] = []
        if "valence_arousal" in self.targets:
            pair = zip((told.valence, told.arousal), batch.pair.unbind(2), batch.pair_valid.unbind(2), strict=True)
            losses = [ccc_loss(x, y, valid, self.loss.over) for x, y, valid in pair]
            parts.append(self.loss.valence_arousal * torch.stack(losses).mean())
        if "expression" in self.targets:
            logits, valid = told.expression_logits, batch.expression_valid
            parts.append(self.loss.expression * expression_loss(logits, batch.expression, valid, self.loss.smoothing))
        if "action_units" in self.targets:
            positive = self.positive if self.loss.balanced else None
            units = action_unit_loss(told.action_unit_logits, batch.units, batch.units_valid, positive)
            parts.append(self.loss.action_units * units)
        return torch.stack(parts).sum()

    def read(self, batch: Batch) -> AffectOutputs:
        """What the model tells of every step."""
        return self.model.sequence(  # pyright: ignore[reportCallIssue]
            batch.face, batch.voice, batch.has_face, batch.has_voice, batch.valid, batch.times
        )

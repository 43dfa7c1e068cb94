"""The heads of affect models and of networks of several tasks."""

from typing import Literal

from torch import Tensor, nn

from avfer.models.prediction import Prediction

Scale = Literal["tanh", "linear", "none"]


class AffectHeads(nn.Module):
    """Valence and arousal by tanh or as they are, expressions and action units as logits; any subset of them.

    A linear scale is held to [-1, 1] where the model is not in training.
    """

    def __init__(self, width: int, num_classes: int, num_action_units: int, scale: Scale = "tanh") -> None:
        super().__init__()
        self.scale: Scale = scale
        self.valence_arousal = nn.Linear(width, 2) if scale != "none" else None
        self.expression = nn.Linear(width, num_classes) if num_classes else None
        self.action_units = nn.Linear(width, num_action_units) if num_action_units else None

    def forward(self, x: Tensor) -> Prediction:
        """x: (..., D) -> valence and arousal (..., 2), expression logits (..., K), action unit logits (..., A)."""
        return Prediction(
            valence_arousal=self._valence_arousal(x),
            expression_logits=None if self.expression is None else self.expression(x),
            action_unit_logits=None if self.action_units is None else self.action_units(x),
        )

    def _valence_arousal(self, x: Tensor) -> Tensor | None:
        """(..., D) -> (..., 2)."""
        if self.valence_arousal is None:
            return None
        values = self.valence_arousal(x)
        if self.scale == "tanh":
            return values.tanh()
        return values if self.training else values.clamp(-1, 1)

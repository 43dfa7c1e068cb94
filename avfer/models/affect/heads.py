"""First and last layers of affect models: the projection of features, and the heads."""

from typing import Literal

import torch
from torch import Tensor, nn

from avfer.models.prediction import Prediction

Modality = Literal["face", "voice"]
Scale = Literal["tanh", "linear", "none"]  # of the head of valence and arousal; "none": no such head


class Projection(nn.Linear):
    """A linear layer on features that it first brings to mean 0 and spread 1.

    Networks give features of very unequal spread (that of `aver_lite` is about 0.03); without the scaling, optimiser
    steps of one size would hardly move the weights that read small features. Training sets `centre` and `gain` from
    its data; they are saved with the weights and receive no gradient.

    modality: whose features it reads; inputs, outputs: number of features before and after it.
    """

    centre: Tensor  # (D,), mean of the features
    gain: Tensor  # (D,), 1 / spread of the features

    def __init__(self, modality: Modality, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.modality: Modality = modality
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("gain", torch.ones(inputs))

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """x: (..., D) -> (..., W)."""
        return super().forward((x - self.centre) * self.gain)


class AffectHeads(nn.Module):
    """Linear heads for valence and arousal, expressions and action units; any of them may be absent.

    scale: "tanh" bounds valence and arousal by tanh, "linear" clamps them to [-1, 1] outside of training. num_classes,
    num_action_units: 0 for no head.
    width: number of input features.
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

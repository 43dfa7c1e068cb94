"""What every affect model gives, and the heads that give it."""

from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

Scale = Literal["tanh", "linear", "none"]


class AffectOutputs(NamedTuple):
    """Affect of N rows, or of (B, T) rows of sequences."""

    valence: Tensor  # (N,) in [-1, 1]; NaN where the model has no head for it
    arousal: Tensor  # (N,) in [-1, 1]; NaN where the model has no head for it
    expression_logits: Tensor  # (N, K)
    action_unit_logits: Tensor  # (N, A)


class AffectModel(Protocol):
    """Reads one instant at a time; a model without memory has a hidden state of width 0."""

    def start(self, n: int) -> Tensor:
        """The hidden state (n, H) of people not seen before."""
        ...

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[AffectOutputs, Tensor]:
        """face (N, Df), voice (N, Dv), has_face (N,), has_voice (N,), hidden (N, H) -> outputs and hidden (N, H)."""
        ...


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

    def forward(self, x: Tensor) -> AffectOutputs:
        """x: (..., D)."""
        nothing = x[..., :0]
        valence, arousal = self._pair(x).unbind(-1)
        expression = nothing if self.expression is None else self.expression(x)
        units = nothing if self.action_units is None else self.action_units(x)
        return AffectOutputs(valence, arousal, expression, units)

    def _pair(self, x: Tensor) -> Tensor:
        if self.valence_arousal is None:
            return torch.full((*x.shape[:-1], 2), float("nan"), dtype=x.dtype, device=x.device)
        pair = self.valence_arousal(x)
        if self.scale == "tanh":
            return pair.tanh()
        return pair if self.training else pair.clamp(-1, 1)

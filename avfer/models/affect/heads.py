"""What every affect model gives, and the heads that give it."""

from typing import NamedTuple, Protocol

from torch import Tensor, nn


class AffectOutputs(NamedTuple):
    """Affect of N rows, or of (B, T) rows of sequences."""

    valence: Tensor  # (N,) in [-1, 1]
    arousal: Tensor  # (N,) in [-1, 1]
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
    """Valence and arousal by tanh, expressions and action units as logits."""

    def __init__(self, width: int, num_classes: int, num_action_units: int) -> None:
        super().__init__()
        self.valence_arousal = nn.Linear(width, 2)
        self.expression = nn.Linear(width, num_classes)
        self.action_units = nn.Linear(width, num_action_units)

    def forward(self, x: Tensor) -> AffectOutputs:
        """x: (..., D)."""
        pair = self.valence_arousal(x).tanh()
        return AffectOutputs(pair[..., 0], pair[..., 1], self.expression(x), self.action_units(x))

"""The one struct that every network and every affect model returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Prediction:
    """Outputs for N inputs, or for (B, T) steps of sequences; an output that a network has no head for is None.

    `extras` holds the outputs that only some networks have and that their own losses read, by the names that the
    network declares in `offers`: "attention_heads", "branch_logits", "embedding", ...
    """

    features: Tensor | None = None  # (N, D)
    expression_logits: Tensor | None = None  # (..., K)
    valence_arousal: Tensor | None = None  # (..., 2), in [-1, 1] for models with a bounded head
    action_unit_logits: Tensor | None = None  # (..., A)
    extras: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])

    def map(self, function: Callable[[Tensor], Tensor]) -> "Prediction":
        """Return a prediction with `function` applied to every tensor, such as a slice, a cast or a device move."""
        return Prediction(
            features=_apply(function, self.features),
            expression_logits=_apply(function, self.expression_logits),
            valence_arousal=_apply(function, self.valence_arousal),
            action_unit_logits=_apply(function, self.action_unit_logits),
            extras={name: function(value) for name, value in self.extras.items()},
        )


def _apply(function: Callable[[Tensor], Tensor], value: Tensor | None) -> Tensor | None:
    return None if value is None else function(value)

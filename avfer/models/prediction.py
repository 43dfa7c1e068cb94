"""The one struct that every face network and every affect model returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

HEADS = ("features", "expression_logits", "valence_arousal", "action_unit_logits")


@dataclass(frozen=True, eq=False)
class Prediction:
    """Outputs for N inputs, or for (B, T) steps of sequences; an output that a network has no head for is None.

    `extras` holds the outputs that only some networks have and that their own losses read, by the names that the
    network declares in `offers`: "attention_heads", "branch_logits", "embedding", ...
    """

    features: Tensor | None = None  # (N, D); None from affect models, which read features
    expression_logits: Tensor | None = None  # (..., K)
    valence_arousal: Tensor | None = None  # (..., 2), in [-1, 1] for models with a bounded head
    action_unit_logits: Tensor | None = None  # (..., A)
    extras: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])

    def tensors(self) -> dict[str, Tensor]:
        """Return the outputs that are not None by name, `extras` last: name -> (N, ...) or (B, T, ...)."""
        heads = {name: vars(self)[name] for name in HEADS}
        return {name: value for name, value in heads.items() if value is not None} | dict(self.extras)

    def map(self, function: Callable[[Tensor], Tensor]) -> "Prediction":
        """Return a prediction with `function` applied to every tensor, such as a slice, a cast or a device move.

        function: (N, ...) or (B, T, ...) -> tensor of any shape.
        """
        return Prediction.of({name: function(value) for name, value in self.tensors().items()})

    @staticmethod
    def merge(parts: Sequence["Prediction"], function: Callable[[list[Tensor]], Tensor]) -> "Prediction":
        """Return one prediction made of several with the same outputs: `function` of the tensors of each output.

        `Prediction.merge(blocks, lambda several: torch.cat(several, 1))` joins blocks of (B, T, ...) over time.
        """
        tensors = [part.tensors() for part in parts]
        return Prediction.of({name: function([named[name] for named in tensors]) for name in tensors[0]})

    @staticmethod
    def of(tensors: Mapping[str, Tensor]) -> "Prediction":
        """Return the prediction whose `tensors()` these are.   name -> (N, ...) or (B, T, ...)"""
        heads = {name: tensors.get(name) for name in HEADS}
        return Prediction(**heads, extras={name: value for name, value in tensors.items() if name not in HEADS})

"""Labels of valence and arousal, expressions and action units, in one container for images and for sequences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class AffectLabels:
    """Labels of N images, or of (B, T) steps of sequences; `valid` is True where a label may be used.

    Whatever is stored where a label is not valid (0, or the sentinel of a corpus) must never influence a loss.
    """

    valence_arousal: Tensor  # (..., 2) float32 in [-1, 1]
    valence_arousal_valid: Tensor  # (..., 2) bool
    expression: Tensor  # (...) int64, index of the class
    expression_valid: Tensor  # (...) bool
    votes: Tensor  # (..., K) float32, votes of annotators for each class; a row of zeros has no votes
    action_units: Tensor  # (..., A) float32, 0 or 1
    action_units_valid: Tensor  # (..., A) bool

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return labels with `function` applied to every tensor, such as an index: (..., K) -> (..., K)."""
        return type(self)(**{f.name: function(getattr(self, f.name)) for f in fields(self)})

    def to(self, device: torch.device) -> Self:
        """Return the labels on a device."""
        return self.map(lambda x: x.to(device))

    @classmethod
    def merge(cls, parts: Sequence["AffectLabels"], function: Callable[[list[Tensor]], Tensor]) -> Self:
        """Return the labels of several containers as one: `function` of the list of each field's tensors.

        parts: with fields (..., K) each -> the field's shape as `function` makes it.

        Example: `AffectLabels.merge(parts, torch.cat)`.
        """
        return cls(**{f.name: function([getattr(part, f.name) for part in parts]) for f in fields(cls)})

    def is_labelled(self) -> Tensor:
        """Return whether each image or step has any valid label or vote: (N,) or (B, T) bool."""
        found = self.expression_valid | (self.votes > 0).any(-1)
        return found | self.valence_arousal_valid.any(-1) | self.action_units_valid.any(-1)

    def padded(self, count: int) -> Self:
        """Return labels with `count` further rows at the end that have no valid label; of images (N, ...) alone."""
        return self.map(lambda x: torch.cat([x, x.new_zeros(count, *x.shape[1:])]))

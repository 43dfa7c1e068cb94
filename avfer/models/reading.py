"""What a face network says of its crops."""

from typing import NamedTuple

from torch import Tensor


class Reading(NamedTuple):
    """One pass over N crops; what the network does not tell is None."""

    features: Tensor  # (N, D)
    expression_logits: Tensor | None = None  # (N, K)
    valence_arousal: Tensor | None = None  # (N, 2)
    action_unit_logits: Tensor | None = None  # (N, A)

"""Expressions and action units that hold each other, for the names of a corpus."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avfer.errors import ConfigError
from avfer.losses.coupling import SHARES, co_annotation, distribution_matching, shares
from avfer.training.training_config import TrainConfig


class Coupling(nn.Module):
    """Co-annotation and distribution matching; classes whose units nobody has told ("other") take no part."""

    known: Tensor
    shares: Tensor

    def __init__(self, classes: Sequence[str], action_units: Sequence[str]) -> None:
        super().__init__()
        known = [number for number, name in enumerate(classes) if name in SHARES]
        table = torch.zeros(len(classes), len(action_units))
        table[known] = shares([classes[number] for number in known], action_units).reshape(
            len(known), len(action_units)
        )
        self.register_buffer("known", torch.tensor(known, dtype=torch.int64), persistent=False)  # (Kk,)
        self.register_buffer("shares", table, persistent=False)  # (K, A)

    def forward(self, expression_logits: Tensor, unit_logits: Tensor, expression: Tensor, valid: Tensor) -> Tensor:
        """expression_logits: (N, K); unit_logits: (N, A); expression: (N,) int64; valid: (N,) bool -> ()"""
        taught = co_annotation(unit_logits, expression, self.shares, valid)
        return taught + distribution_matching(expression_logits[:, self.known], unit_logits, self.shares[self.known])


def coupling(config: TrainConfig, classes: Sequence[str], action_units: Sequence[str]) -> Coupling | None:
    """That of an experiment, if it weighs anything. ConfigError where there is nothing that could hold each other."""
    if not config.loss.coupling:
        return None
    made = Coupling(classes, action_units)
    if not made.shares.any():
        told = f"expressions ({', '.join(classes) or 'none'}) and action units ({', '.join(action_units) or 'none'})"
        raise ConfigError(f"loss.coupling: nothing is known that holds these {told} together; leave it out")
    return made

"""Missing labels: whatever sentinel a corpus has in their place changes neither a loss nor a gradient."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from avfer.losses.arcface import arcface_loss
from avfer.losses.label_losses import action_unit_loss, ccc_loss, expression_loss, mean_square_loss, votes_loss

NAN = float("nan")


class Case(NamedTuple):
    """A loss of six predictions; the last three have no label."""

    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    target: Tensor  # (6, ...) if all labels are valid
    width: int  # values of one prediction; 0 for a series
    sentinels: tuple[float, ...]  # of corpora for a missing label


SERIES = torch.tensor([0.1, -0.4, 0.9, 0.2, 0.0, -0.7])
CLASSES = torch.tensor([2, 0, 1, 1, 2, 0])
UNITS = torch.tensor([[1.0, 0], [0, 0], [1, 1], [0, 1], [1, 0], [0, 0]])
CASES = {
    "ccc, joined": Case(lambda x, y, v: ccc_loss(x[None], y[None], v[None]), SERIES, 0, (-5.0, NAN)),
    "ccc of sequences": Case(lambda x, y, v: ccc_loss(x[None], y[None], v[None], "sequences"), SERIES, 0, (-5.0, NAN)),
    "mean square": Case(mean_square_loss, SERIES, 0, (-5.0, -2.0, NAN)),
    "expression": Case(expression_loss, CLASSES, 3, (-1, 7, 255)),
    "expression, smoothed": Case(lambda x, y, v: expression_loss(x, y, v, 0.1), CLASSES, 3, (-1,)),
    "arcface": Case(lambda x, y, v: arcface_loss(x.tanh(), y, v), CLASSES, 3, (-1,)),
    "votes": Case(votes_loss, 1.0 + torch.eye(3).repeat(2, 1), 3, (0.0, -1.0, NAN)),
    "units": Case(lambda x, y, v: action_unit_loss(x, y, v[:, None].expand_as(y)), UNITS, 2, (-1.0, NAN)),
    "units, balanced": Case(
        lambda x, y, v: action_unit_loss(x, y, v[:, None].expand_as(y), torch.tensor([3.0, 0.5])), UNITS, 2, (-1.0,)
    ),
}
WITH_SENTINEL = [(name, sentinel) for name, case in CASES.items() for sentinel in case.sentinels]


def gradient(case: Case, target: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss and its gradient by the predictions."""
    shape = (6, case.width) if case.width else (6,)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = case.loss(x, target, valid)
    loss.backward()
    assert x.grad is not None
    return loss.detach(), x.grad


@pytest.mark.parametrize(("name", "sentinel"), WITH_SENTINEL)
def test_a_sentinel_changes_neither_the_loss_nor_its_gradient(name, sentinel):
    case, valid = CASES[name], torch.arange(6) < 3
    target = case.target.clone()
    target[3:] = sentinel
    loss, grad = gradient(case, target, valid)
    expected_loss, expected_grad = gradient(case, case.target, valid)
    assert torch.equal(loss, expected_loss) and torch.equal(grad, expected_grad)
    assert not grad[3:].any()
    assert grad[:3].any(), "valid labels are learned"


@pytest.mark.parametrize("name", CASES)
def test_labels_of_the_last_three_would_change_the_gradient(name):
    """Otherwise the test above could not fail."""
    case = CASES[name]
    half, whole = (gradient(case, case.target, torch.arange(6) < count)[1] for count in (3, 6))
    assert whole[3:].any() and not torch.equal(half, whole)


@pytest.mark.parametrize(("name", "sentinel"), WITH_SENTINEL)
def test_the_loss_is_0_without_any_valid_label(name, sentinel):
    case = CASES[name]
    loss, grad = gradient(case, torch.full_like(case.target, sentinel), torch.zeros(6, dtype=torch.bool))
    assert loss == 0 and not grad.any()

"""Labels that are missing: whatever mark stands in their place, it changes neither a loss nor a gradient."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from avfer.losses.label_losses import action_unit_loss
from avfer.losses.arcface import arcface_loss
from avfer.losses.label_losses import ccc_loss
from avfer.losses.coupling import co_annotation
from avfer.losses.label_losses import votes_loss
from avfer.losses.label_losses import expression_loss
from avfer.losses.label_losses import mean_square_loss

NAN = float("nan")


class Case(NamedTuple):
    """A loss of six predictions, of which the last three have no label."""

    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    target: Tensor  # (6, ...) where all is known
    width: int  # values of one prediction; 0 for a series
    marks: tuple[float, ...]  # that corpora set where nothing is known


SERIES = torch.tensor([0.1, -0.4, 0.9, 0.2, 0.0, -0.7])
CLASSES = torch.tensor([2, 0, 1, 1, 2, 0])
UNITS = torch.tensor([[1.0, 0], [0, 0], [1, 1], [0, 1], [1, 0], [0, 0]])
SHARES = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.0, 0.4], [1.0, 0.3, 0.6]])
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
    "units of an expression": Case(lambda x, y, v: co_annotation(x, y, SHARES, v), CLASSES, 3, (-1,)),
}
MARKED = [(name, mark) for name, case in CASES.items() for mark in case.marks]


def gradient(case: Case, target: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The loss, and what it asks of the predictions."""
    shape = (6, case.width) if case.width else (6,)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = case.loss(x, target, valid)
    loss.backward()
    assert x.grad is not None
    return loss.detach(), x.grad


@pytest.mark.parametrize(("name", "mark"), MARKED)
def test_a_mark_changes_nothing_and_asks_nothing(name, mark):
    case, valid = CASES[name], torch.arange(6) < 3
    marked = case.target.clone()
    marked[3:] = mark
    loss, asked = gradient(case, marked, valid)
    known, wanted = gradient(case, case.target, valid)
    assert torch.equal(loss, known) and torch.equal(asked, wanted)
    assert not asked[3:].any()
    assert asked[:3].any(), "what is known is learned"


@pytest.mark.parametrize("name", CASES)
def test_the_hidden_half_would_have_counted(name):
    """Otherwise the test above could not fail."""
    case = CASES[name]
    half, whole = (gradient(case, case.target, torch.arange(6) < count)[1] for count in (3, 6))
    assert whole[3:].any() and not torch.equal(half, whole)


@pytest.mark.parametrize(("name", "mark"), MARKED)
def test_without_any_label_nothing_is_learned(name, mark):
    case = CASES[name]
    loss, asked = gradient(case, torch.full_like(case.target, mark), torch.zeros(6, dtype=torch.bool))
    assert loss == 0 and not asked.any()

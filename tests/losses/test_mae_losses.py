"""Masked patches: what is hidden counts, and nothing else."""

import pytest
import torch

from avfer.losses.mae_losses import masked_error

HIDDEN = torch.tensor([[True, False, True], [False, False, True]])


def test_the_loss_is_the_mean_over_hidden_patches_of_their_mean_square():
    told, wanted = torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)
    wanted[0, 0], wanted[1, 2, 0] = 3.0, 2.0
    assert masked_error(told, wanted, HIDDEN).item() == pytest.approx((9 + 0 + 1) / 3)


@pytest.mark.parametrize("hidden", [True, False])
def test_the_loss_counts_hidden_patches_alone(hidden):
    told, wanted = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    changed = torch.where((hidden == HIDDEN)[..., None], wanted + 1, wanted)
    same = torch.equal(masked_error(told, changed, HIDDEN), masked_error(told, wanted, HIDDEN))
    assert same != hidden


def test_no_gradient_reaches_what_is_visible():
    told = torch.ones(2, 3, 4, requires_grad=True)
    masked_error(told, torch.zeros(2, 3, 4), HIDDEN).backward()
    assert torch.equal((told.grad != 0).all(2), HIDDEN)

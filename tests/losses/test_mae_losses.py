"""The loss of masked patches counts hidden patches only."""

import pytest
import torch

from avfer.losses.mae_losses import masked_error

HIDDEN = torch.tensor([[True, False, True], [False, False, True]])


def test_the_loss_is_the_mean_over_hidden_patches_of_their_mean_square():
    patches, target = torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)
    target[0, 0], target[1, 2, 0] = 3.0, 2.0
    assert masked_error(patches, target, HIDDEN).item() == pytest.approx((9 + 0 + 1) / 3)


@pytest.mark.parametrize("hidden", [True, False])
def test_only_hidden_patches_count(hidden):
    patches, target = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    changed = torch.where((hidden == HIDDEN)[..., None], target + 1, target)
    same = torch.equal(masked_error(patches, changed, HIDDEN), masked_error(patches, target, HIDDEN))
    assert same != hidden


def test_visible_patches_have_no_gradient():
    patches = torch.ones(2, 3, 4, requires_grad=True)
    masked_error(patches, torch.zeros(2, 3, 4), HIDDEN).backward()
    assert torch.equal((patches.grad != 0).all(2), HIDDEN)

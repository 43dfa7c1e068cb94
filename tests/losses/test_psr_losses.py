"""Labels smoothed by the votes of annotators, and the loss over branches."""

import math

import pytest
import torch
import torch.nn.functional as F

from avfer.losses.psr_losses import branches_loss, prior, smoothed
from avfer.models.class_orders import AFFECTNET, FERPLUS, RAF_DB


def test_shares_of_all_classes_sum_to_1():
    assert torch.allclose(prior(FERPLUS).sum(1), torch.ones(8), atol=5e-4)
    assert (prior(FERPLUS).argmax(1) == torch.arange(8)).all()


def test_rows_and_columns_follow_the_order_of_the_classes():
    table = prior(AFFECTNET)
    sadness, surprise, fear = (AFFECTNET.index(name) for name in ("sadness", "surprise", "fear"))
    assert table[sadness, 0].item() == pytest.approx(0.1701)
    assert table[fear, surprise].item() == pytest.approx(0.1695)
    assert table[surprise, fear].item() == pytest.approx(0.0885)


def test_votes_for_contempt_are_dropped_without_renormalising():
    table = prior(RAF_DB)
    assert table.shape == (7, 7)
    assert table[RAF_DB.index("disgust")].sum().item() == pytest.approx(1 - 0.0337, abs=5e-4)


def test_a_class_without_votes_is_refused():
    with pytest.raises(ValueError, match="no votes are known for boredom"):
        prior(["neutral", "boredom"])


@pytest.mark.parametrize("alpha", [0.5, 0.8, 1.0])
def test_labels_keep_their_share_alpha(alpha):
    table = prior(sorted(RAF_DB))
    targets = smoothed(torch.tensor([3, 0]), table, alpha)
    assert targets[0, 3].item() == pytest.approx(alpha + (1 - alpha) * 0.9176)
    assert targets[1, 1].item() == pytest.approx((1 - alpha) * 0.0349)


def test_the_loss_is_the_mean_over_images_and_branches():
    logits, labels = torch.randn(5, 7, 3), torch.arange(5)
    hard = F.one_hot(labels, 7).float()
    expected = torch.stack([F.cross_entropy(logits[:, :, branch], labels) for branch in range(3)]).mean()
    assert branches_loss(logits, hard).item() == pytest.approx(expected.item(), rel=1e-5)


def test_uniform_predictions_cost_log_k_times_the_sum_of_the_target():
    targets = smoothed(torch.tensor([0, 4]), prior(RAF_DB))
    expected = math.log(7) * targets.sum(1).mean().item()
    assert targets.sum(1).max() < 1
    assert branches_loss(torch.zeros(2, 7, 3), targets).item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_with_alpha_1_is_the_cross_entropy():
    logits, labels = torch.randn(6, 8, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 7, 3, 3, 5, 1])
    expected = torch.stack([F.cross_entropy(branch, labels) for branch in logits.unbind(2)]).mean()
    assert branches_loss(logits, smoothed(labels, prior(FERPLUS), 1.0)).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_the_loss_is_lowest_at_the_target():
    """With all eight classes the targets are distributions."""
    targets = smoothed(torch.arange(8), prior(FERPLUS))
    assert torch.allclose(targets.sum(1), torch.ones(8), atol=1e-3)
    at_target = targets.log()[:, :, None].repeat(1, 1, 3).requires_grad_()
    least = branches_loss(at_target, targets)
    (grad,) = torch.autograd.grad(least, at_target)
    assert grad.abs().max() < 1e-4
    random = torch.Generator().manual_seed(0)
    for size in (0.1, 1.0, 10.0):
        assert branches_loss(at_target + size * torch.randn(at_target.shape, generator=random), targets) > least


def test_the_loss_of_no_images_is_0():
    logits = torch.randn(0, 7, 3, requires_grad=True)
    loss = branches_loss(logits, smoothed(torch.zeros(0, dtype=torch.int64), prior(RAF_DB)))
    loss.backward()
    assert loss == 0

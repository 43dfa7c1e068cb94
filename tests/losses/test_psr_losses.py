"""Labels smoothed by what people see, and the loss over branches."""

import math

import pytest
import torch
import torch.nn.functional as F

from avfer.losses.psr_losses import smoothed
from avfer.losses.psr_losses import prior
from avfer.losses.psr_losses import branches_loss
from avfer.losses.psr_losses import CLASSES
from avfer.models.backbones.psr import AFFECTNET, RAF_DB


def test_votes_of_all_classes_sum_to_one():
    assert torch.allclose(prior(CLASSES).sum(1), torch.ones(8), atol=5e-4)
    assert (prior(CLASSES).argmax(1) == torch.arange(8)).all()


def test_rows_and_columns_follow_the_order_of_the_classes():
    table = prior(AFFECTNET)
    sadness, surprise, fear = (AFFECTNET.index(name) for name in ("sadness", "surprise", "fear"))
    assert table[sadness, 0].item() == pytest.approx(0.1701)
    assert table[fear, surprise].item() == pytest.approx(0.1695)
    assert table[surprise, fear].item() == pytest.approx(0.0885)


def test_what_fell_on_contempt_is_left_out():
    table = prior(RAF_DB)
    assert table.shape == (7, 7)
    assert table[RAF_DB.index("disgust")].sum().item() == pytest.approx(1 - 0.0337, abs=5e-4)


def test_a_class_without_votes_is_told():
    with pytest.raises(ValueError, match="no votes are known for boredom"):
        prior(["neutral", "boredom"])


@pytest.mark.parametrize("alpha", [0.5, 0.8, 1.0])
def test_labels_keep_their_share(alpha):
    table = prior(RAF_DB)
    targets = smoothed(torch.tensor([3, 0]), table, alpha)
    assert targets[0, 3].item() == pytest.approx(alpha + (1 - alpha) * 0.9176)
    assert targets[1, 1].item() == pytest.approx((1 - alpha) * 0.0349)


def test_the_loss_is_the_mean_over_pictures_and_branches():
    logits, labels = torch.randn(5, 7, 3), torch.arange(5)
    hard = F.one_hot(labels, 7).float()
    wanted = torch.stack([F.cross_entropy(logits[:, :, branch], labels) for branch in range(3)]).mean()
    assert branches_loss(logits, hard).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_guessing_costs_the_sum_of_the_target():
    targets = smoothed(torch.tensor([0, 4]), prior(RAF_DB))
    wanted = math.log(7) * targets.sum(1).mean().item()
    assert targets.sum(1).max() < 1
    assert branches_loss(torch.zeros(2, 7, 3), targets).item() == pytest.approx(wanted, rel=1e-5)


def test_all_of_the_label_is_a_cross_entropy():
    logits, labels = torch.randn(6, 8, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 7, 3, 3, 5, 1])
    wanted = torch.stack([F.cross_entropy(branch, labels) for branch in logits.unbind(2)]).mean()
    assert branches_loss(logits, smoothed(labels, prior(CLASSES), 1.0)).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_nothing_costs_less_than_what_people_see():
    """Of all eight classes the targets are distributions: what equals them is the minimum."""
    targets = smoothed(torch.arange(8), prior(CLASSES))
    assert torch.allclose(targets.sum(1), torch.ones(8), atol=1e-3)
    met = targets.log()[:, :, None].repeat(1, 1, 3).requires_grad_()
    least = branches_loss(met, targets)
    (asked,) = torch.autograd.grad(least, met)
    assert asked.abs().max() < 1e-4
    random = torch.Generator().manual_seed(0)
    for size in (0.1, 1.0, 10.0):
        assert branches_loss(met + size * torch.randn(met.shape, generator=random), targets) > least


def test_no_picture_costs_nothing():
    logits = torch.randn(0, 7, 3, requires_grad=True)
    loss = branches_loss(logits, smoothed(torch.zeros(0, dtype=torch.int64), prior(RAF_DB)))
    loss.backward()
    assert loss == 0

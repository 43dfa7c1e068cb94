"""ArcFace: a margin between angles."""

import math

import pytest
import torch
import torch.nn.functional as F

from avfer.losses.arcface import arcface_logits, arcface_loss
from avfer.models.backbones.mt_arcvgg import CosineHead

COSINES = torch.tensor([[0.9, -0.2, 0.1], [0.3, 0.4, -0.99], [-0.999, 0.0, 0.5]])
TARGET = torch.tensor([0, 2, 0])


@pytest.mark.parametrize("scale", [1.0, 30.0, 64.0])
def test_without_a_margin_the_loss_is_the_cross_entropy_of_scaled_cosines(scale):
    found = arcface_loss(COSINES, TARGET, scale=scale, margin=0.0)
    assert found.item() == pytest.approx(F.cross_entropy(scale * COSINES, TARGET).item(), rel=1e-4)


@pytest.mark.parametrize("degrees", [1, 45, 90, 160])
def test_the_margin_is_added_to_the_angle_of_the_true_class(degrees):
    cosines = torch.tensor([[math.cos(math.radians(degrees)), 0.3]])
    found = arcface_logits(cosines, torch.tensor([0]), scale=10.0, margin=0.3)
    assert found[0, 0].item() == pytest.approx(10 * math.cos(math.radians(degrees) + 0.3), abs=1e-4)
    assert found[0, 1].item() == pytest.approx(3.0, abs=1e-5)


def test_the_logit_keeps_falling_beyond_half_a_turn():
    angles = torch.linspace(0, math.pi, 200)
    logits = arcface_logits(torch.stack([angles.cos(), angles * 0], 1), torch.zeros(200, dtype=torch.int64))[:, 0]
    assert (logits.diff() < 0).all()


def test_the_loss_grows_with_the_margin():
    losses = [arcface_loss(COSINES, TARGET, margin=margin).item() for margin in (0.0, 0.1, 0.3, 0.5)]
    assert losses == sorted(losses) and len(set(losses)) == 4


@pytest.mark.parametrize("cosine", [1.0, -1.0])
def test_loss_and_gradient_are_finite_at_the_ends(cosine):
    cosines = torch.tensor([[cosine, -cosine]], requires_grad=True)
    loss = arcface_loss(cosines, torch.tensor([0]))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(cosines.grad).all()


def test_rows_without_a_label_have_no_gradient():
    cosines = COSINES.clone().requires_grad_()
    valid = torch.tensor([True, False, True])
    loss = arcface_loss(cosines, torch.tensor([0, -1, 0]), valid)
    loss.backward()
    assert loss.item() == pytest.approx(arcface_loss(COSINES[valid], TARGET[valid]).item())
    assert cosines.grad[1].tolist() == [0.0] * 3
    assert arcface_loss(cosines, TARGET, torch.zeros(3, dtype=torch.bool)) == 0


def spread(margin: float, seed: int) -> float:
    """Return the mean angle (radians) of embeddings and the direction of their class, after training.

    Three noisy classes in a plane with fixed directions. The margin is 0 at first: with a margin from the start a class
    on the wrong side may stay there, because its gradient is too weak.
    """
    target = torch.arange(3).repeat(40)
    points = F.one_hot(target, 3) + 0.2 * torch.randn(120, 3, generator=torch.Generator().manual_seed(seed))
    turns, head = torch.arange(3) * 2 * math.pi / 3, CosineHead(2, 3)
    head.weight.data = torch.stack([turns.cos(), turns.sin()], 1)
    torch.manual_seed(seed)
    embed = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(embed.parameters(), lr=0.02)
    for step in range(400):
        optimiser.zero_grad()
        arcface_loss(head(embed(points)), target, scale=10.0, margin=0.0 if step < 200 else margin).backward()
        optimiser.step()
    cosines = head(embed(points))
    assert (cosines.argmax(1) == target).float().mean() > 0.95
    return cosines[torch.arange(120), target].clamp(-1, 1).acos().mean().item()


@pytest.mark.parametrize("seed", range(4))
def test_a_margin_reduces_the_angles_within_a_class(seed):
    assert spread(0.5, seed) < spread(0.0, seed) - 0.02

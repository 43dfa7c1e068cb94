"""Losses between the parts of PF-ViT, worked out by hand."""

import math
from collections.abc import Callable

import pytest
import torch

from avfer.losses.pf_vit_losses import unchanged
from avfer.losses.pf_vit_losses import reconstruction
from avfer.losses.pf_vit_losses import orthogonality
from avfer.losses.pf_vit_losses import neutrality
from avfer.losses.pf_vit_losses import identity
from avfer.losses.pf_vit_losses import hinge_generator
from avfer.losses.pf_vit_losses import hinge_discriminator

FACES = torch.tensor([0.2, 0.4, 0.9, -1.0])[:, None, None, None].expand(4, 3, 2, 2)


@pytest.mark.parametrize(("degrees", "cost"), [(0, 1.0), (45, 0.5), (60, 0.25), (90, 0.0), (180, 1.0)])
def test_a_component_costs_the_squared_cosine_of_its_angle(degrees, cost):
    angle = math.radians(degrees)
    emotion, residue = torch.tensor([[3.0, 0.0]]), torch.tensor([[math.cos(angle), math.sin(angle)]])
    assert orthogonality(emotion, 7 * residue).item() == pytest.approx(cost, abs=1e-6)


def test_an_identity_costs_by_its_direction_alone():
    a = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert identity(a, 2 * a).item() == pytest.approx(0)
    assert identity(a, a.flip(1)).item() == pytest.approx(1)
    assert identity(a, -a).item() == pytest.approx(2)


def test_a_discriminator_that_knows_nothing_costs_two():
    assert hinge_discriminator(torch.zeros(3), torch.zeros(3)) == 2
    assert hinge_discriminator(torch.ones(3), -2 * torch.ones(3)) == 0
    assert hinge_discriminator(torch.tensor([3.0, -1.0]), torch.tensor([-3.0, 0.5])).item() == 1 + 0.75


def test_a_generator_is_paid_for_what_is_held_real():
    assert hinge_generator(torch.tensor([1.0, 3.0])) == -2


def test_a_neutral_poker_face_costs_little():
    logits = torch.tensor([[0.0, 0.0, 20.0]])
    assert neutrality(logits, 2) < 1e-6
    assert neutrality(logits, 0).item() == pytest.approx(20)


def test_a_rebuilt_face_costs_the_mean_difference_of_its_pixels():
    rebuilt = FACES + torch.tensor([0.1, -0.3, 0.0, 0.0])[:, None, None, None]
    assert reconstruction(rebuilt, FACES).item() == pytest.approx(0.4 / 4)
    assert reconstruction(FACES, FACES) == 0


def test_faces_that_were_neutral_should_stay_and_others_may_change():
    made = (FACES + torch.tensor([0.2, 0.4, 5.0, 5.0])[:, None, None, None]).requires_grad_()
    loss = unchanged(made, FACES, torch.tensor([True, True, False, False]))
    loss.backward()
    assert loss.item() == pytest.approx(0.3)
    assert made.grad[:2].all() and not made.grad[2:].any()
    assert unchanged(made, FACES, torch.zeros(4, dtype=torch.bool)) == 0


def learned(network: torch.nn.Linear, cost: Callable[[], torch.Tensor]) -> list[float]:
    """The loss of each of forty steps."""
    optimiser, losses = torch.optim.Adam(network.parameters(), 0.1), list[float]()
    for _ in range(40):
        loss = cost()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("seed", range(3))
def test_a_judge_tells_real_from_made_until_the_maker_has_learned(seed):
    torch.manual_seed(seed)
    judge, make = torch.nn.Linear(2, 1), torch.nn.Linear(2, 2)
    real, noise = torch.randn(64, 2) + 3, torch.randn(64, 2)
    torch.nn.init.zeros_(judge.weight)
    torch.nn.init.zeros_(judge.bias)
    judging = learned(judge, lambda: hinge_discriminator(judge(real)[:, 0], judge(make(noise).detach())[:, 0]))
    assert judging[0] == 2 and judging[-1] < 1
    making = learned(make, lambda: hinge_generator(judge(make(noise))[:, 0]))
    assert making[-1] < making[0] - 2
    assert hinge_discriminator(judge(real)[:, 0], judge(make(noise))[:, 0]) > 2

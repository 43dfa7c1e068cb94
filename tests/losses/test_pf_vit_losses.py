"""Losses between the parts of PF-ViT, worked out by hand."""

from collections.abc import Callable

import pytest
import torch

from avfer.losses.pf_vit_losses import (
    hinge_discriminator,
    hinge_generator,
    identity,
    neutrality,
    reconstruction,
    unchanged,
)

FACES = torch.tensor([0.2, 0.4, 0.9, -1.0])[:, None, None, None].expand(4, 3, 2, 2)


def test_the_identity_loss_depends_on_the_direction_only():
    a = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert identity(a, 2 * a).item() == pytest.approx(0)
    assert identity(a, a.flip(1)).item() == pytest.approx(1)
    assert identity(a, -a).item() == pytest.approx(2)


def test_a_discriminator_that_always_outputs_0_costs_2():
    assert hinge_discriminator(torch.zeros(3), torch.zeros(3)) == 2
    assert hinge_discriminator(torch.ones(3), -2 * torch.ones(3)) == 0
    assert hinge_discriminator(torch.tensor([3.0, -1.0]), torch.tensor([-3.0, 0.5])).item() == 1 + 0.75


def test_the_generator_loss_is_low_for_high_logits():
    assert hinge_generator(torch.tensor([1.0, 3.0])) == -2


def test_a_neutral_poker_face_costs_almost_nothing():
    logits = torch.tensor([[0.0, 0.0, 20.0]])
    assert neutrality(logits, 2) < 1e-6
    assert neutrality(logits, 0).item() == pytest.approx(20)


def test_the_reconstruction_loss_is_the_mean_difference_of_pixels():
    rebuilt = FACES + torch.tensor([0.1, -0.3, 0.0, 0.0])[:, None, None, None]
    assert reconstruction(rebuilt, FACES).item() == pytest.approx(0.4 / 4)
    assert reconstruction(FACES, FACES) == 0


def test_only_changes_of_neutral_faces_cost():
    generated = (FACES + torch.tensor([0.2, 0.4, 5.0, 5.0])[:, None, None, None]).requires_grad_()
    loss = unchanged(generated, FACES, torch.tensor([True, True, False, False]))
    loss.backward()
    assert loss.item() == pytest.approx(0.3)
    assert generated.grad[:2].all() and not generated.grad[2:].any()
    assert unchanged(generated, FACES, torch.zeros(4, dtype=torch.bool)) == 0


def learned(network: torch.nn.Linear, cost: Callable[[], torch.Tensor]) -> list[float]:
    """Train for forty steps; return the loss of each."""
    optimiser, losses = torch.optim.Adam(network.parameters(), 0.1), list[float]()
    for _ in range(40):
        loss = cost()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("seed", range(3))
def test_a_discriminator_learns_until_the_generator_does(seed):
    torch.manual_seed(seed)
    discriminator, generator = torch.nn.Linear(2, 1), torch.nn.Linear(2, 2)
    real, noise = torch.randn(64, 2) + 3, torch.randn(64, 2)
    torch.nn.init.zeros_(discriminator.weight)
    torch.nn.init.zeros_(discriminator.bias)
    discriminator_losses = learned(
        discriminator,
        lambda: hinge_discriminator(discriminator(real)[:, 0], discriminator(generator(noise).detach())[:, 0]),
    )
    assert discriminator_losses[0] == 2 and discriminator_losses[-1] < 1
    generator_losses = learned(generator, lambda: hinge_generator(discriminator(generator(noise))[:, 0]))
    assert generator_losses[-1] < generator_losses[0] - 2
    assert hinge_discriminator(discriminator(real)[:, 0], discriminator(generator(noise))[:, 0]) > 2

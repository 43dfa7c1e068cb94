"""Losses of AVER: triplets of faces, and a student that imitates its teacher."""

import math

import pytest
import torch

from avfer.losses.aver_losses import MARGINS, embedding_loss, softened_loss, triplet_loss
from tests.training.loss_steps import triplet_accuracy


@pytest.fixture
def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def unit(*angles: float) -> torch.Tensor:
    return torch.tensor([[math.cos(a), math.sin(a)] for a in angles])


def test_a_triplet_costs_by_its_distances_and_its_margin():
    a, b, c = unit(0.0), unit(0.1), unit(3.0)
    assert triplet_loss(a, b, c, 0.2).item() == 0
    alike = 2 - 2 * math.cos(3.0)
    expected = (alike - (2 - 2 * math.cos(0.1)) + 0.2) + (alike - (2 - 2 * math.cos(2.9)) + 0.2)
    assert triplet_loss(a, c, b, 0.2).item() == pytest.approx(expected, rel=1e-4)
    assert triplet_loss(a, c, b, 0.2) == triplet_loss(c, a, b, 0.2)
    same = triplet_loss(a, a, a, torch.tensor([MARGINS["ONE_CLASS_TRIPLET"]]))
    assert same.item() == pytest.approx(0.2)


def test_embeddings_learn_synthetic_triplets():
    random = torch.Generator().manual_seed(1)
    kinds = torch.randint(4, (32, 2), generator=random)
    kinds[:, 1] = (kinds[:, 0] + 1 + kinds[:, 1] % 3) % 4
    centres = torch.randn(4, 20, generator=random)
    nested = 3 * torch.randn(32, 3, 20, generator=random)  # the largest differences are of no use
    nested[..., 10:] = 0
    centres[:, :10] = 0
    x = nested + torch.stack([centres[kinds[:, 0]], centres[kinds[:, 0]], centres[kinds[:, 1]]], 1)
    torch.manual_seed(0)
    network = torch.nn.Linear(20, 8)
    optimiser = torch.optim.Adam(network.parameters(), 0.02)
    history = []
    for _ in range(150):
        e = torch.nn.functional.normalize(network(x), dim=2)
        loss = triplet_loss(*e.unbind(1), 0.2)
        history.append((loss.item(), triplet_accuracy(*e.unbind(1)).item()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert history[0][1] < 0.6 and history[-1][1] > 0.9
    assert history[-1][0] < 0.3 * history[0][0]


def test_a_student_learns_without_labels_and_its_teacher_stays_unchanged(random):
    teacher, student = torch.nn.Linear(6, 4), torch.nn.Linear(6, 4)
    before = teacher.weight.clone()
    optimiser = torch.optim.Adam([*student.parameters(), *teacher.parameters()], 0.02)
    x, losses = torch.randn(64, 6, generator=random), []
    for _ in range(100):
        z, target = student(x), teacher(x)
        losses.append(embedding_loss(z, target).item())
        optimiser.zero_grad()
        (embedding_loss(z, target) + softened_loss(z, target)).backward()
        optimiser.step()
    assert losses[-1] < 0.1 * losses[0]
    assert torch.equal(teacher.weight, before)


def test_the_embedding_loss_is_the_mean_square():
    student, teacher = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, -1.0]])
    assert embedding_loss(student, teacher).item() == (1 + 4 + 0 + 1) / 4


def test_the_softened_loss_follows_its_formula():
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 0.0]])
    p = torch.tensor([1.0, 0.0]).softmax(0)
    expected = 4 * sum(float(x) * (math.log(float(x)) + math.log(2)) for x in p)
    assert softened_loss(student, teacher).item() == pytest.approx(expected, rel=1e-5)
    assert softened_loss(teacher, teacher).item() == pytest.approx(0, abs=1e-6)

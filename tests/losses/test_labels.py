"""Losses of labels: right values, sentinels and gaps never reach a gradient, and what is better costs less."""

import math

import numpy as np
import pytest
import torch

from avfer.losses.label_losses import occurrence_weights
from avfer.losses.label_losses import action_unit_loss
from avfer.losses.label_losses import ccc_loss
from avfer.losses.aver_losses import softened_loss
from avfer.losses.aver_losses import embedding_loss
from avfer.losses.label_losses import votes_loss
from avfer.losses.label_losses import expression_loss
from avfer.losses.label_losses import mean_square_loss
from avfer.losses.aver_losses import triplet_accuracy
from avfer.losses.aver_losses import triplet_loss
from avfer.losses.aver_losses import MARGINS
from avfer.metrics import ccc


@pytest.fixture
def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_loss_is_what_the_metric_leaves_to_one(random):
    x, y = (torch.randn(3, 50, generator=random).clamp(-1, 1) for _ in range(2))
    joined = 1 - ccc(x.reshape(-1).numpy(), y.reshape(-1).numpy())
    apart = np.mean([1 - ccc(a.numpy(), b.numpy()) for a, b in zip(x, y, strict=True)])
    assert ccc_loss(x, y).item() == pytest.approx(joined, abs=1e-5)
    assert ccc_loss(x, y, over="sequences").item() == pytest.approx(apart, abs=1e-5)


@pytest.mark.parametrize(("y", "loss"), [(lambda x: x, 0.0), (lambda x: -x, 2.0), (lambda x: torch.zeros_like(x), 1.0)])
def test_equal_opposite_and_constant_predictions(random, y, loss):
    x = torch.randn(1, 400, generator=random)
    x -= x.mean()
    assert ccc_loss(y(x), x).item() == pytest.approx(loss, abs=1e-4)


@pytest.mark.parametrize("shift", [0.01, 0.5, 3.0])
def test_a_prediction_that_lies_beside_its_truth_costs_by_the_shift(random, shift):
    x = torch.randn(1, 400, generator=random)
    spread = x.var(correction=0).item()
    wanted = 1 - 2 * spread / (2 * spread + shift**2)
    assert ccc_loss(x + shift, x).item() == pytest.approx(wanted, abs=1e-5)


def test_the_loss_of_two_sequences_falls():
    """One by one they need their own levels; joined, the loss asks for both at once."""
    torch.manual_seed(0)
    target = torch.stack([torch.linspace(-0.8, 0.2, 40).sin(), torch.linspace(3, 0, 40).cos()])
    for over in ("joined", "sequences"):
        gru, out, losses = torch.nn.GRU(3, 8, batch_first=True), torch.nn.Linear(8, 1), list[float]()
        x = torch.stack([target, target.roll(3, 1), torch.rand(2, 40)], 2)
        optimiser = torch.optim.Adam([*gru.parameters(), *out.parameters()], 0.02)
        for _ in range(60):
            loss = ccc_loss(out(gru(x)[0])[..., 0], target, over=over)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert losses[0] > 0.7 and losses[-1] < 0.1


@pytest.mark.parametrize("over", ["joined", "sequences"])
@pytest.mark.parametrize("sentinel", [-5.0, float("nan")])
def test_a_sentinel_changes_neither_the_loss_nor_a_gradient(random, over, sentinel):
    given, target = (torch.randn(2, 30, generator=random) for _ in range(2))
    valid = torch.rand(2, 30, generator=random) < 0.6
    told = []
    for hidden in (0.0, sentinel):
        x = given.clone().requires_grad_()
        loss = ccc_loss(x, torch.where(valid, target, hidden), valid, over)
        loss.backward()
        told.append((loss.detach(), x.grad))
    assert torch.equal(told[0][0], told[1][0]) and torch.equal(told[0][1], told[1][1])
    assert (told[1][1][~valid] == 0).all() and (told[1][1][valid] != 0).any()


@pytest.mark.parametrize("over", ["joined", "sequences"])
def test_constants_and_nothing_give_finite_gradients(over):
    for valid in (torch.ones(2, 5, dtype=torch.bool), torch.zeros(2, 5, dtype=torch.bool)):
        x = torch.full((2, 5), 0.3, requires_grad=True)
        ccc_loss(x, torch.full((2, 5), 0.3), valid, over).backward()
        assert torch.isfinite(x.grad).all()


def test_expressions_are_smoothed_by_the_formula(random):
    logits, target = torch.randn(4, 5, generator=random), torch.tensor([0, 3, 1, 4])
    q = torch.full((4, 5), 0.1 / 5)
    q[torch.arange(4), target] += 0.9
    wanted = -(q * logits.log_softmax(1)).sum(1)
    assert expression_loss(logits, target, smoothing=0.1).item() == pytest.approx(wanted.mean().item(), rel=1e-5)
    valid = torch.tensor([True, False, True, False])
    masked = expression_loss(logits, torch.where(valid, target, -1), valid, 0.1)
    assert masked.item() == pytest.approx(wanted[valid].mean().item(), rel=1e-5)
    assert expression_loss(logits, target, torch.zeros(4, dtype=torch.bool)).item() == 0


def test_votes_cost_nothing_where_they_are_met():
    votes = torch.tensor([[8.0, 2.0, 0.0], [1.0, 0.0, 9.0], [0.0, 0.0, 0.0]])
    logits = (votes / votes.sum(1, keepdim=True).clamp(min=1)).clamp(min=1e-30).log()
    assert votes_loss(logits, votes).item() == pytest.approx(0, abs=1e-6)
    even = votes_loss(torch.zeros(3, 3), votes).item()
    entropy = [-sum(p * math.log(p) for p in row if p) for row in ([0.8, 0.2], [0.1, 0.9])]
    assert even == pytest.approx(math.log(3) - np.mean(entropy), rel=1e-5)


def test_squares_are_the_mean_over_what_is_there():
    x, y = torch.tensor([[0.5, 0.0], [-1.0, 0.2]]), torch.tensor([[0.0, 0.0], [1.0, -5.0]])
    assert mean_square_loss(x, y, y > -5).item() == pytest.approx((0.25 + 0 + 4) / 3)
    assert mean_square_loss(x, x) == 0


def test_units_that_are_not_valid_are_not_read(random):
    logits = torch.randn(5, 3, generator=random).requires_grad_()
    target = torch.tensor([[1.0, 0, -1], [0, -1, 1], [0, 0, 0], [1, 1, 0], [-1, -1, -1]])
    valid = target >= 0
    action_unit_loss(logits, target, valid).backward()
    assert (logits.grad[~valid] == 0).all() and (logits.grad[valid] != 0).all()
    p = logits.detach().sigmoid()
    wanted = -(target * p.log() + (1 - target) * (1 - p).log())[valid].mean()
    assert action_unit_loss(logits, target, valid).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_rare_units_weigh_more():
    target = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, -1]])
    assert occurrence_weights(target, target >= 0).tolist() == pytest.approx([3.0, 1.0, 0.5])
    assert occurrence_weights(torch.eye(100)[:, :1], torch.ones(100, 1, dtype=torch.bool)).item() == 20
    few = action_unit_loss(torch.zeros(4, 3), target, target >= 0, occurrence_weights(target, target >= 0))
    assert few.item() == pytest.approx(math.log(2) * (3 + 3 + 4 + 0.5 * 2 + 1) / 11, rel=1e-5)


def unit(*angles: float) -> torch.Tensor:
    return torch.tensor([[math.cos(a), math.sin(a)] for a in angles])


def test_a_triplet_costs_by_its_distances_and_its_margin():
    a, b, c = unit(0.0), unit(0.1), unit(3.0)
    assert triplet_loss(a, b, c, 0.2).item() == 0 and triplet_accuracy(a, b, c).item() == 1
    alike = 2 - 2 * math.cos(3.0)
    wanted = (alike - (2 - 2 * math.cos(0.1)) + 0.2) + (alike - (2 - 2 * math.cos(2.9)) + 0.2)
    assert triplet_loss(a, c, b, 0.2).item() == pytest.approx(wanted, rel=1e-4)
    assert triplet_loss(a, c, b, 0.2) == triplet_loss(c, a, b, 0.2)
    assert triplet_accuracy(a, c, b).item() == 0
    same = triplet_loss(a, a, a, torch.tensor([MARGINS["ONE_CLASS_TRIPLET"]]))
    assert same.item() == pytest.approx(0.2)


def test_embeddings_learn_synthetic_triplets():
    random = torch.Generator().manual_seed(1)
    kinds = torch.randint(4, (32, 2), generator=random)
    kinds[:, 1] = (kinds[:, 0] + 1 + kinds[:, 1] % 3) % 4
    centres = torch.randn(4, 20, generator=random)
    nested = 3 * torch.randn(32, 3, 20, generator=random)  # what differs most says nothing
    nested[..., 10:] = 0
    centres[:, :10] = 0
    x = nested + torch.stack([centres[kinds[:, 0]], centres[kinds[:, 0]], centres[kinds[:, 1]]], 1)
    torch.manual_seed(0)
    network = torch.nn.Linear(20, 8)
    optimiser = torch.optim.Adam(network.parameters(), 0.02)
    told = []
    for _ in range(150):
        e = torch.nn.functional.normalize(network(x), dim=2)
        loss = triplet_loss(*e.unbind(1), 0.2)
        told.append((loss.item(), triplet_accuracy(*e.unbind(1)).item()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert told[0][1] < 0.6 and told[-1][1] > 0.9
    assert told[-1][0] < 0.3 * told[0][0]


def test_a_student_learns_of_unlabelled_faces_and_the_teacher_stays(random):
    teacher, student = torch.nn.Linear(6, 4), torch.nn.Linear(6, 4)
    before = teacher.weight.clone()
    optimiser = torch.optim.Adam([*student.parameters(), *teacher.parameters()], 0.02)
    x, told = torch.randn(64, 6, generator=random), []
    for _ in range(100):
        z, wanted = student(x), teacher(x)
        told.append(embedding_loss(z, wanted).item())
        optimiser.zero_grad()
        (embedding_loss(z, wanted) + softened_loss(z, wanted)).backward()
        optimiser.step()
    assert told[-1] < 0.1 * told[0]
    assert torch.equal(teacher.weight, before)


def test_embeddings_cost_the_mean_of_squares():
    student, teacher = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, -1.0]])
    assert embedding_loss(student, teacher).item() == (1 + 4 + 0 + 1) / 4


def test_softened_classes_cost_by_the_formula():
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 0.0]])
    p = torch.tensor([1.0, 0.0]).softmax(0)
    wanted = 4 * sum(float(x) * (math.log(float(x)) + math.log(2)) for x in p)
    assert softened_loss(student, teacher).item() == pytest.approx(wanted, rel=1e-5)
    assert softened_loss(teacher, teacher).item() == pytest.approx(0, abs=1e-6)

"""Label distributions: the value of the authors' code, its scale, and where gradients go."""

import math
from pathlib import Path

import pytest
import torch

from avfer.goldens.read import read
from avfer.losses.efficientface_losses import label_distribution

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("name", ["efficientface", "efficientface-scaled"])
def test_the_loss_is_that_of_the_authors(name):
    case = read(GOLDEN / name).cases[1]
    student, generator = (torch.from_numpy(case.inputs[f"{who}_logits"]) for who in ("student", "generator"))
    (wanted,) = case.wanted
    found = label_distribution(student, generator).item()
    assert found == pytest.approx(float(wanted.values.item()), abs=wanted.allowed)


@pytest.mark.parametrize("num_classes", [7, 8])
def test_it_is_a_cross_entropy_over_the_number_of_classes(num_classes):
    sure = 100 * torch.eye(num_classes)
    found = label_distribution(torch.zeros(num_classes, num_classes), sure)
    assert found.item() == pytest.approx(math.log(num_classes) / num_classes)


def test_gradients_reach_the_student_alone():
    student, generator = (torch.randn(4, 7, requires_grad=True) for _ in range(2))
    label_distribution(student, generator).backward()
    assert student.grad is not None and generator.grad is None


def test_logits_far_apart_keep_the_loss_finite():
    student = torch.tensor([[1000.0, 0.0, -1000.0]])
    assert torch.isfinite(label_distribution(student, -student))

"""Label distributions: the value of the official code, its scale, and its gradients."""

import math
from pathlib import Path

import pytest
import torch

from avfer.goldens.golden_files import read_golden
from avfer.losses.efficientface_losses import label_distribution

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("name", ["efficientface", "efficientface-scaled"])
def test_the_loss_equals_the_official_code(name):
    case = read_golden(GOLDEN / name).cases[1]
    student, generator = (torch.from_numpy(case.inputs[f"{who}_logits"]) for who in ("student", "generator"))
    (wanted,) = case.expected
    found = label_distribution(student, generator).item()
    assert found == pytest.approx(float(wanted.values.item()), abs=wanted.allowed)


@pytest.mark.parametrize("num_classes", [7, 8])
def test_the_loss_is_a_cross_entropy_over_the_number_of_classes(num_classes):
    certain = 100 * torch.eye(num_classes)
    found = label_distribution(torch.zeros(num_classes, num_classes), certain)
    assert found.item() == pytest.approx(math.log(num_classes) / num_classes)


def test_gradients_reach_only_the_student():
    student, generator = (torch.randn(4, 7, requires_grad=True) for _ in range(2))
    label_distribution(student, generator).backward()
    assert student.grad is not None and generator.grad is None


def test_the_loss_of_distant_logits_is_finite():
    student = torch.tensor([[1000.0, 0.0, -1000.0]])
    assert torch.isfinite(label_distribution(student, -student))

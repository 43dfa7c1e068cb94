"""Affinity and partition: the values of the official code, and their effect on features and heads."""

import math
from pathlib import Path

import pytest
import torch

from avfer.goldens.golden_files import read_golden
from avfer.losses.dan_losses import affinity, partition

GOLDEN = Path(__file__).parents[1] / "golden"


def stored(name: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, tuple[float, float]]]:
    """Return outputs of the official network, inputs of the losses, and values with their tolerance."""
    whole, losses = read_golden(GOLDEN / name).cases
    outputs = {wanted.name: torch.from_numpy(wanted.values) for wanted in whole.expected}
    inputs = {key: torch.from_numpy(value) for key, value in losses.inputs.items()}
    return outputs, inputs, {wanted.name: (float(wanted.values.item()), wanted.allowed) for wanted in losses.expected}


def test_affinity_equals_the_official_code():
    outputs, inputs, wanted = stored("dan7")  # the one golden that holds whole feature maps
    value, allowed = wanted["affinity"]
    found = affinity(outputs["features"], inputs["labels"], inputs["centers"])
    assert found.item() == pytest.approx(value, abs=allowed)


@pytest.mark.parametrize("name", ["dan7", "dan8", "dan7-scaled", "dan8-scaled"])
def test_partition_equals_the_official_code(name):
    outputs, _, wanted = stored(name)
    value, allowed = wanted["partition"]
    assert partition(outputs["heads"]).item() == pytest.approx(value, abs=allowed)


def test_affinity_is_the_squared_distance_over_the_variance_of_the_centres():
    features = torch.tensor([[3.0, 4.0], [1.0, 1.0]])[:, :, None, None].expand(-1, -1, 7, 7)
    centres = torch.tensor([[0.0, 0.0], [2.0, 0.0], [1.0, 3.0]])
    variance = 1 + 3
    found = affinity(features, torch.tensor([0, 1]), centres)
    assert found.item() == pytest.approx((25 + 2) / variance / 2)


def test_features_at_their_centre_cost_only_the_floor():
    centres = torch.eye(3)
    found = affinity(centres[:, :, None, None], torch.arange(3), centres)
    assert 0 < found.item() < 1e-10


def test_a_centre_without_a_sample_has_a_gradient_through_the_variance():
    features, labels = torch.randn(4, 5, 2, 2), torch.tensor([0, 1, 1, 0])
    centres = torch.randn(3, 5, requires_grad=True)
    affinity(features, labels, centres).backward()
    assert (centres.grad[2] != 0).any()


def test_affinity_falls_as_features_and_centres_are_trained():
    torch.manual_seed(0)
    features, centres = torch.randn(8, 6, 1, 1, requires_grad=True), torch.randn(2, 6, requires_grad=True)
    labels, losses = torch.arange(8) % 2, []
    optimiser = torch.optim.Adam([features, centres], lr=0.05)
    for _ in range(20):
        losses.append(affinity(features, labels, centres))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]


def test_affinity_of_no_faces_is_0():
    features, centres = torch.randn(0, 6, 1, 1, requires_grad=True), torch.randn(2, 6, requires_grad=True)
    loss = affinity(features, torch.zeros(0, dtype=torch.int64), centres)
    loss.backward()
    assert loss == 0 and not centres.grad.any()


def test_partition_takes_one_logarithm_of_the_mean_variance():
    heads = torch.tensor([[[0.0, 0.0], [2.0, 4.0]]])  # variances 2 and 8
    assert partition(heads).item() == pytest.approx(math.log(1 + 2 / 5))


def test_partition_is_lower_for_heads_that_differ_more():
    heads = torch.randn(3, 4, 6)
    assert partition(2 * heads) < partition(heads) < partition(torch.zeros(3, 4, 6))
    assert torch.isfinite(partition(torch.zeros(3, 4, 6)))


def test_partition_of_one_head_is_0():
    assert partition(torch.randn(3, 1, 6)) == 0


def test_partition_falls_as_heads_are_trained():
    torch.manual_seed(0)
    heads = (0.01 * torch.randn(6, 4, 8)).requires_grad_()
    optimiser = torch.optim.Adam([heads], lr=0.1)
    losses = []
    for _ in range(30):
        losses.append(partition(heads.log_softmax(1)))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.3 * losses[0]

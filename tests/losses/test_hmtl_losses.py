"""Pretext losses of HMTL: puzzles, in-painting with a feature network, and the geometric mean of losses."""

import math

import pytest
import torch

from avfer.errors import AvferWarning, WeightsError
from avfer.losses.hmtl_losses import FeatureLoss, geometric_mean, inpainting_loss, puzzle_loss


@pytest.fixture(scope="module")
def loss() -> FeatureLoss:
    with pytest.warns(AvferWarning, match="random weights"):
        return FeatureLoss()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_the_feature_loss_of_equal_images_is_0(loss, images):
    assert loss(images, images) == 0
    assert loss(images, images.flip(3)) > 0.01


def test_the_feature_loss_is_the_sum_of_mean_squares_over_levels(loss, images):
    pairs = zip(loss.levels(images), loss.levels(images.flip(3)), strict=True)
    wanted = sum(float(((a - b) ** 2).sum()) / a.numel() for a, b in pairs)
    assert loss(images, images.flip(3)).item() == pytest.approx(wanted, rel=1e-4)


def test_inpainting_adds_a_tenth_of_the_difference_of_pixels():
    restored = torch.tensor([0.1, 0.5, 0.9]).reshape(1, 3, 1, 1)
    target = torch.tensor([0.4, 0.5, 0.0]).reshape(1, 3, 1, 1)
    assert inpainting_loss(torch.tensor(2.0), restored, target).item() == pytest.approx(2 + 0.1 * 1.2 / 3)
    assert inpainting_loss(torch.tensor(2.0), restored, target, pixels=1.0).item() == pytest.approx(2.4)


def test_levels_are_those_of_the_paper(loss, images):
    assert [tuple(x.shape[1:]) for x in loss.levels(images)] == [(64, 32, 32), (128, 16, 16), (256, 8, 8)]
    assert all(x.min() == 0 for x in loss.levels(images))


def test_an_image_moves_towards_its_target_and_the_network_stays_unchanged(loss, images):
    before = {name: value.clone() for name, value in loss.state_dict().items()}
    image = torch.full_like(images, 0.5).requires_grad_()
    optimiser = torch.optim.Adam([image], lr=0.02)
    losses = []
    for _ in range(10):
        value = inpainting_loss(loss(image, images), image, images)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        losses.append(value.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(torch.equal(value, before[name]) for name, value in loss.state_dict().items())
    assert not any(p.requires_grad for p in loss.parameters())


def test_weights_of_a_file_are_used(loss, images, tmp_path):
    tensors = {f"features.{name}": 2 * value for name, value in loss.phi.state_dict().items()}
    torch.save(tensors | {"classifier.6.bias": torch.zeros(1000)}, tmp_path / "vgg16.pth")
    with torch.inference_mode():
        first = FeatureLoss(tmp_path / "vgg16.pth").levels(images)[0]
        assert torch.allclose(first, 4 * loss.levels(images)[0], rtol=1e-4)


def test_a_file_of_another_network_is_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="not a VGG-16"):
        FeatureLoss(tmp_path / "other.pth")


def test_the_puzzle_loss_is_the_sum_over_positions():
    """Two positions: one predicted with even odds, the other with three to one for the right tile."""
    logits = torch.tensor([[[0.0, 0.0], [math.log(3), 0.0]]])
    found = puzzle_loss(logits, torch.tensor([[1, 0]]))
    assert found.item() == pytest.approx(math.log(2) - math.log(0.75), rel=1e-5)


@pytest.mark.parametrize("positions", [4, 9])
def test_uniform_predictions_of_a_puzzle_cost_the_log_of_its_positions(positions):
    order = torch.stack([torch.randperm(positions) for _ in range(5)])
    uniform = puzzle_loss(torch.zeros(5, positions, positions), order)
    assert uniform.item() == pytest.approx(positions * math.log(positions), rel=1e-5)
    solved = torch.nn.functional.one_hot(order, positions) * 50.0
    assert puzzle_loss(solved, order) < 1e-6


@pytest.mark.parametrize("value", [0.3, 2.0])
def test_the_geometric_mean_of_equal_losses_is_their_value(value):
    assert geometric_mean([torch.tensor(value)] * 4).item() == pytest.approx(value)


def test_the_geometric_mean_is_a_root_of_the_product():
    assert geometric_mean([torch.tensor(2.0), torch.tensor(8.0)]).item() == pytest.approx(4)
    assert geometric_mean([torch.tensor(x) for x in (1.0, 3.0, 9.0)]).item() == pytest.approx(3)


def test_the_gradient_of_the_geometric_mean_is_finite_for_a_tiny_loss():
    losses = torch.tensor([0.0, 1e-12, 2.0], requires_grad=True)
    geometric_mean(list(losses)).backward()
    assert torch.isfinite(losses.grad).all()
    assert losses.grad[2] > 0

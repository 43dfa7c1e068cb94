"""Mixed images: pixels and labels have one share, as soft targets would; losses without shares are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from timm.data.mixup import mixup_target

from avfer.errors import ConfigError
from avfer.progress import no_progress
from avfer.training.data.augmentation import mixed
from avfer.training.images.image_task import ImageTask, image_task
from avfer.training.train_model import train
from avfer.training.training_config import Mixing
from tests.training.toy_images import settings

MIXES = [{"mixup": 0.8}, {"cutmix": 1.0}, {"mixup": 0.8, "cutmix": 1.0}]
KINDS = {"kinds": ("expression", "votes", "valence", "arousal", "action_units")}


def mixing_task(folder: Path, **changes: Any) -> ImageTask:
    return image_task(settings(folder, mix={"mixup": 1.0}, **changes), False, no_progress)


def shares(mixing: dict[str, float], task: ImageTask, count: int) -> list[float]:
    batch, random = task.train.batch([0, 1]), np.random.default_rng(0)
    return [float(batch.mixed(Mixing(**mixing), random).share) for _ in range(count)]


def test_mixup_blends_images_by_the_share(tmp_path):
    plain = mixing_task(tmp_path).train.batch([0, 3, 7])
    batch = plain.mixed(Mixing(mixup=1.0), np.random.default_rng(1))
    assert 0.05 < batch.share < 0.95
    assert torch.allclose(batch.pixels, batch.share * plain.pixels + (1 - batch.share) * plain.pixels[[2, 1, 0]])
    assert batch.partners().expression.tolist() == plain.labels.expression[[2, 1, 0]].tolist()


@pytest.mark.parametrize("seed", range(6))
def test_cutmix_shows_a_rectangle_of_another_image_with_the_area_of_the_share(tmp_path, seed):
    plain = mixing_task(tmp_path).train.batch([0, 1])
    batch = plain.mixed(Mixing(cutmix=1.0), np.random.default_rng(seed))
    own, other = ((batch.pixels == x).all(1) for x in (plain.pixels, plain.pixels.flip(0)))
    assert (own | other).all()
    rows, columns = ((~own[0]).any(axis).nonzero() for axis in (1, 0))
    area = 0 if not len(rows) else int((rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1))
    assert 1 - float(batch.share) == pytest.approx(area / 32**2, abs=0.01)


def test_the_rectangle_of_cutmix_has_the_shape_of_the_image_around_a_uniform_point():
    images = torch.stack([torch.zeros(3, 20, 40), torch.ones(3, 20, 40)])
    found = [mixed(images, Mixing(cutmix=1.0), np.random.default_rng(seed)) for seed in range(400)]
    hidden = torch.stack([pixels[0, 0] for pixels, _ in found])
    inside = hidden[(hidden[:, 0] + hidden[:, -1]).sum(1) + (hidden[:, :, 0] + hidden[:, :, -1]).sum(1) == 0]
    height, width = (inside.any(axis).sum(1).float() for axis in (2, 1))
    assert len(inside) > 50 and (width - 2 * height).abs().max() <= 2
    shown = hidden.mean(0)  # how often each pixel is hidden
    assert torch.allclose(shown[:5].mean(), shown[-5:].mean(), atol=0.08)
    assert torch.allclose(shown[:, :10].mean(), shown[:, -10:].mean(), atol=0.08)


def test_shares_follow_the_beta_distribution(tmp_path):
    task = mixing_task(tmp_path)
    for alpha in (0.4, 1.0):
        found = np.array(shares({"mixup": alpha}, task, 600))
        assert found.mean() == pytest.approx(0.5, abs=0.05)
        assert found.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), abs=0.02)


def test_half_of_the_batches_use_cutmix_if_both_are_set(tmp_path):
    grid = [share * 32**2 for share in shares({"mixup": 1.0, "cutmix": 1.0}, mixing_task(tmp_path), 200)]
    cut = np.mean([abs(value - round(value)) < 1e-3 for value in grid])  # a whole number of pixels
    assert cut == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_classes_equals_the_cross_entropy_of_soft_targets(tmp_path, smoothing):
    task = mixing_task(tmp_path, loss={"smoothing": smoothing})
    batch = task.batch([0, 1, 2, 3, 4])
    logits = task.objective.predict(batch.pixels).expression_logits
    soft = mixup_target(batch.labels.expression, 3, float(batch.share), smoothing)
    assert task.objective(batch).item() == pytest.approx(F.cross_entropy(logits, soft).item(), abs=1e-5)
    assert 0 < batch.share < 1


def gradient(loss: torch.Tensor, task: ImageTask) -> torch.Tensor:
    return torch.autograd.grad(loss, task.objective.model.trunk[0].weight)[0]


@pytest.mark.parametrize("target", ["expression", "action_units"])
def test_votes_and_action_units_have_the_gradient_of_mixed_labels(tmp_path, target):
    task = mixing_task(tmp_path, targets=[target], options=KINDS, loss={"balanced": False})
    batch = task.batch(list(range(8)))
    prediction = task.objective.predict(batch.pixels)
    if target == "expression":
        soft = batch.share * batch.labels.votes + (1 - batch.share) * batch.labels.votes.flip(0)
        loss = F.cross_entropy(prediction.expression_logits, soft / 10)
    else:
        soft = batch.share * batch.labels.action_units + (1 - batch.share) * batch.labels.action_units.flip(0)
        loss = F.binary_cross_entropy_with_logits(prediction.action_unit_logits, soft)
    expected = gradient(loss, task)
    assert torch.allclose(gradient(task.objective(batch), task), expected, atol=1e-6) and expected.abs().max() > 1e-3


@pytest.mark.parametrize("mixing", MIXES, ids=" and ".join)
def test_mixing_depends_on_the_random_state_only(tmp_path, mixing):
    task = image_task(settings(tmp_path, mix=mixing), False, no_progress)
    batches = []
    for _ in range(2):
        torch.manual_seed(3)
        batches.append([task.batch([5, 2, 9]) for _ in range(3)])
    for one, other in zip(*batches, strict=True):
        assert torch.equal(one.pixels, other.pixels) and torch.equal(one.share, other.share)
    assert len({float(batch.share) for batch in batches[0]}) == 3


def test_expressions_are_learned_from_mixed_images(tmp_path):
    trained = train(settings(tmp_path, epochs=30, mix={"mixup": 0.8, "cutmix": 1.0}, options={"count": 48}))
    assert trained.scores["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": ["valence_arousal"], "options": KINDS}, "correlation over a batch, .* remove valence_arousal"),
        ({"losses": {"partition": 1.0}}, "only labels can be mixed, and losses: has partition"),
        ({"targets": [], "losses": {"masked_patches": 1.0}}, "losses: has masked_patches"),
    ],
)
def test_a_loss_without_shares_is_refused(tmp_path, changes, message):
    model = {"model": "mae", "size": None} if changes.get("targets") == [] else {"model": "dan"}
    with pytest.raises(ConfigError, match=message):
        mixing_task(tmp_path, **({} if "valence_arousal" in changes.get("targets", ()) else model), **changes)


@pytest.mark.parametrize("alpha", [-1.0, "much"])
def test_an_invalid_alpha_is_refused(tmp_path, alpha):
    with pytest.raises(ConfigError, match=rf"mix\.mixup: must be .*, got .*{alpha}"):
        settings(tmp_path, mix={"mixup": alpha})

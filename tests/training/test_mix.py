"""Mixed pictures: pixels and labels have one share, which is that of soft targets; what has no share is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from timm.data.mixup import mixup_target

from avfer.errors import ConfigError
from avfer.training.mix import mixed
from avfer.training.pictures import PictureTask, picture_task
from avfer.training.train import train
from avfer.training.training_config import Mixing
from tests.training.toy_pictures import settings

MIXES = [{"mixup": 0.8}, {"cutmix": 1.0}, {"mixup": 0.8, "cutmix": 1.0}]
KINDS = {"kinds": ("expression", "votes", "valence", "arousal", "action_units")}


def made(folder: Path, **changes: Any) -> PictureTask:
    return picture_task(settings(folder, mix={"mixup": 1.0}, **changes), False, lambda *_: None)


def shares(how: dict[str, float], task: PictureTask, count: int) -> list[float]:
    batch, random = task.known.batch([0, 1]), np.random.default_rng(0)
    return [float(mixed(batch, Mixing(**how), random).share) for _ in range(count)]


def test_pictures_shine_through_in_the_share_that_is_told(tmp_path):
    plain = made(tmp_path).known.batch([0, 3, 7])
    batch = mixed(plain, Mixing(mixup=1.0), np.random.default_rng(1))
    assert 0.05 < batch.share < 0.95
    assert torch.allclose(batch.pixels, batch.share * plain.pixels + (1 - batch.share) * plain.pixels[[2, 1, 0]])
    assert batch.partners().expression.tolist() == plain.expression[[2, 1, 0]].tolist()


@pytest.mark.parametrize("seed", range(6))
def test_a_rectangle_is_of_another_picture_and_its_area_is_told(tmp_path, seed):
    plain = made(tmp_path).known.batch([0, 1])
    batch = mixed(plain, Mixing(cutmix=1.0), np.random.default_rng(seed))
    own, other = ((batch.pixels == x).all(1) for x in (plain.pixels, plain.pixels.flip(0)))
    assert (own | other).all()
    rows, columns = ((~own[0]).any(axis).nonzero() for axis in (1, 0))
    area = 0 if not len(rows) else int((rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1))
    assert 1 - float(batch.share) == pytest.approx(area / 32**2, abs=0.01)


def test_shares_are_of_the_beta_distribution(tmp_path):
    task = made(tmp_path)
    for alpha in (0.4, 1.0):
        found = np.array(shares({"mixup": alpha}, task, 600))
        assert found.mean() == pytest.approx(0.5, abs=0.05)
        assert found.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), abs=0.02)


def test_half_of_the_batches_are_cut_where_both_are_wanted(tmp_path):
    grid = [share * 32**2 for share in shares({"mixup": 1.0, "cutmix": 1.0}, made(tmp_path), 200)]
    cut = np.mean([abs(value - round(value)) < 1e-3 for value in grid])  # whole pixels
    assert cut == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_classes_is_the_cross_entropy_of_soft_targets(tmp_path, smoothing):
    task = made(tmp_path, loss={"smoothing": smoothing})
    batch = task.batch([0, 1, 2, 3, 4])
    logits = task.objective.predict(batch.pixels).expression_logits
    soft = mixup_target(batch.expression, 3, float(batch.share), smoothing)
    assert task.objective(batch).item() == pytest.approx(F.cross_entropy(logits, soft).item(), abs=1e-5)
    assert 0 < batch.share < 1


def gradient(loss: torch.Tensor, task: PictureTask) -> torch.Tensor:
    return torch.autograd.grad(loss, task.objective.model.trunk[0].weight)[0]


@pytest.mark.parametrize("target", ["expression", "action_units"])
def test_votes_and_action_units_are_learned_as_mixed_ones_would_be(tmp_path, target):
    task = made(tmp_path, targets=[target], options=KINDS, loss={"balanced": False})
    batch = task.batch(list(range(8)))
    prediction = task.objective.predict(batch.pixels)
    if target == "expression":
        soft = batch.share * batch.votes + (1 - batch.share) * batch.votes.flip(0)
        wanted = F.cross_entropy(prediction.expression_logits, soft / 10)
    else:
        soft = batch.share * batch.units + (1 - batch.share) * batch.units.flip(0)
        wanted = F.binary_cross_entropy_with_logits(prediction.action_unit_logits, soft)
    wanted = gradient(wanted, task)
    assert torch.allclose(gradient(task.objective(batch), task), wanted, atol=1e-6) and wanted.abs().max() > 1e-3


@pytest.mark.parametrize("how", MIXES, ids=" and ".join)
def test_what_is_mixed_depends_on_the_random_state_alone(tmp_path, how):
    task = picture_task(settings(tmp_path, mix=how), False, lambda *_: None)
    seen = []
    for _ in range(2):
        torch.manual_seed(3)
        seen.append([task.batch([5, 2, 9]) for _ in range(3)])
    for one, other in zip(*seen, strict=True):
        assert torch.equal(one.pixels, other.pixels) and torch.equal(one.share, other.share)
    assert len({float(batch.share) for batch in seen[0]}) == 3


def test_expressions_are_learned_from_mixed_pictures(tmp_path):
    trained = train(settings(tmp_path, epochs=30, mix={"mixup": 0.8, "cutmix": 1.0}, options={"count": 48}))
    assert trained.scores["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"targets": ["valence_arousal"], "options": KINDS}, "correlation of a batch, .* leave valence_arousal out"),
        ({"losses": {"partition": 1.0}}, "labels alone can be mixed, and losses: has partition"),
        ({"targets": [], "losses": {"masked_patches": 1.0}}, "losses: has masked_patches"),
    ],
)
def test_what_has_no_share_is_refused(tmp_path, changes, told):
    model = {"model": "mae" if changes.get("targets") == [] else "dan"}
    with pytest.raises(ConfigError, match=told):
        made(tmp_path, **({} if "valence_arousal" in changes.get("targets", ()) else model), **changes)


@pytest.mark.parametrize("alpha", [-1.0, "much"])
def test_a_share_without_a_distribution_is_refused(tmp_path, alpha):
    with pytest.raises(ConfigError, match=r"mix\.mixup: .*not"):
        settings(tmp_path, mix={"mixup": alpha})

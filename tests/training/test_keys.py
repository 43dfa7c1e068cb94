"""Each key of an experiment that shapes the steps does what its comment says."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from avfer.training.engine import checkpoint
from avfer.training.engine.loop import fit
from tests.training import toy

PLAIN = {"targets": ["valence_arousal"], "loss": {"over": "sequences"}, "clip": 0, "epochs": 1}
SGD = {"name": "sgd", "rate": 0.1, "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"}


def weights(folder: Path, part: str = "module", **changes: Any) -> dict[str, torch.Tensor]:
    """All tensors after a training with these keys."""
    folder.mkdir(exist_ok=True)
    toy.run(toy.settings(**changes), folder)
    content = checkpoint.read(folder)
    assert content is not None
    return content[part]


def apart(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    """The distance between two sets of weights."""
    return float(torch.stack([(first[name] - second[name]).norm() for name in first]).norm())


def begun() -> dict[str, torch.Tensor]:
    return toy.task(toy.settings()).objective.state_dict()


def test_accumulated_batches_step_as_one_batch_of_all(tmp_path):
    """Equal batches, so that the mean of their means is that of all items."""
    count = len(toy.task(toy.settings()))
    whole = weights(tmp_path / "a", batch=count, optimiser=SGD, **PLAIN)
    parts = weights(tmp_path / "b", batch=count // 3, accumulate=3, optimiser=SGD, **PLAIN)
    assert count % 3 == 0 and apart(begun(), whole) > 0.01
    assert apart(whole, parts) < 1e-5


def test_a_step_is_no_longer_than_the_bound_of_the_gradient(tmp_path):
    count = len(toy.task(toy.settings()))
    step = {"batch": count, "optimiser": SGD, **PLAIN}
    free = apart(begun(), weights(tmp_path / "a", **step))
    bound = 0.2 * free / SGD["rate"]
    clipped = apart(begun(), weights(tmp_path / "b", **step | {"clip": bound}))
    assert clipped == pytest.approx(bound * SGD["rate"], rel=1e-3)


def test_the_mean_of_the_weights_follows_them_by_its_decay(tmp_path):
    count = len(toy.task(toy.settings()))
    told = {"batch": count, "optimiser": SGD, "ema": 0.75, **PLAIN}
    now, mean = weights(tmp_path, **told), weights(tmp_path, "mean", **told)
    expected = {name: 0.75 * value + 0.25 * now[name] for name, value in begun().items()}
    assert apart(mean, expected) < 1e-5 < apart(mean, now)


def test_the_mean_of_the_weights_is_what_is_scored(tmp_path):
    """So slow a mean has learned nothing, whatever the weights have."""
    told = {"epochs": 4, "targets": ["valence_arousal"], "patience": 9}
    for name in ("slow", "quick"):
        (tmp_path / name).mkdir()
    slow = toy.run(toy.settings(ema=0.99999, **told), tmp_path / "slow").history
    quick = toy.run(toy.settings(**told), tmp_path / "quick").history
    assert slow[-1]["loss"] == pytest.approx(quick[-1]["loss"], abs=1e-6)
    assert slow[-1]["score"] < 0.3 < quick[-1]["score"]


def test_a_seed_makes_the_same_weights_and_another_one_others(tmp_path):
    first, again, other = (
        weights(tmp_path / name, epochs=1, seed=seed) for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert apart(first, again) == 0 and apart(first, other) > 0.1


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (3, 6)])
def test_it_stops_after_so_many_epochs_without_a_better_score(tmp_path, patience, epochs):
    """The scores rise once, in the second or third epoch, and fall from then on."""
    scores = iter([0.1, 0.2, 0.1, 0.1, 0.25, 0.1, 0.1] if patience == 1 else [0.1, 0.1, 0.2, 0.1, 0.2, 0.1, 0.1])
    config = toy.settings(epochs=50, patience=patience)
    task = toy.task(config)
    task.score = lambda *_: {"score": next(scores)}
    progress = fit(Fabric(accelerator="cpu", devices=1), task, config, tmp_path, toy.quiet)
    assert len(progress.history) == epochs and progress.best == 0.2


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_half_precision_learns_as_well(tmp_path, precision):
    from avfer.training.precision import Mixed

    config = toy.settings(targets=["valence_arousal"])
    plugins = [] if precision == "32-true" else [Mixed(precision, "cpu")]
    fabric = Fabric(accelerator="cpu", devices=1, plugins=plugins)
    progress = fit(fabric, toy.task(config), config, tmp_path, toy.quiet)
    content = checkpoint.read(tmp_path)
    assert progress.best > 0.6 and content is not None
    assert {tensor.dtype for tensor in content["module"].values()} == {torch.float32}

"""Keys of a configuration that change the training steps do what their comments say."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from lightning_fabric import Fabric

from avfer.errors import AvferWarning
from avfer.progress import no_progress
from avfer.training.engine.checkpoint import read_checkpoint
from avfer.training.engine.loop import fit, shuffled_batches
from tests.training import toy_recordings as toy

PLAIN = {"targets": ["valence_arousal"], "loss": {"over": "sequences"}, "clip": 0, "epochs": 1}
SGD = {"name": "sgd", "rate": 0.1, "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"}


def weights(folder: Path, **changes: Any) -> dict[str, torch.Tensor]:
    """Return all tensors after training with these keys."""
    folder.mkdir(exist_ok=True)
    toy.run(toy.settings(**changes), folder)
    content = read_checkpoint(folder)
    assert content is not None
    return content["module"]


def distance(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    """Return the distance between two sets of weights."""
    return float(torch.stack([(first[name] - second[name]).norm() for name in first]).norm())


def initial_weights() -> dict[str, torch.Tensor]:
    return toy.task(toy.settings()).objective.state_dict()


@pytest.mark.parametrize("accumulate", [3, 5])
def test_accumulated_batches_step_like_one_large_batch(tmp_path, accumulate):
    """Three equal batches, so the mean of their means is the mean of all items, also if the step has room for more."""
    count = len(toy.task(toy.settings()))
    whole = weights(tmp_path / "a", batch=count, optimiser=SGD, **PLAIN)
    parts = weights(tmp_path / "b", batch=count // 3, accumulate=accumulate, optimiser=SGD, **PLAIN)
    assert count % 3 == 0 and distance(initial_weights(), whole) > 0.01
    assert distance(whole, parts) < 1e-5


def test_clipping_limits_the_length_of_a_step(tmp_path):
    count = len(toy.task(toy.settings()))
    step = {"batch": count, "optimiser": SGD, **PLAIN}
    unclipped = distance(initial_weights(), weights(tmp_path / "a", **step))
    limit = 0.2 * unclipped / SGD["rate"]
    clipped = distance(initial_weights(), weights(tmp_path / "b", **step | {"clip": limit}))
    assert clipped == pytest.approx(limit * SGD["rate"], rel=1e-3)


def test_a_seed_determines_the_weights(tmp_path):
    first, again, other = (
        weights(tmp_path / name, epochs=1, seed=seed) for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert distance(first, again) == 0 and distance(first, other) > 0.1


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (3, 6)])
def test_training_stops_after_patience_epochs_without_a_better_score(tmp_path, patience, epochs):
    """The scores rise once, in the second or third epoch, and fall from then on."""
    scores = iter([0.1, 0.2, 0.1, 0.1, 0.25, 0.1, 0.1] if patience == 1 else [0.1, 0.1, 0.2, 0.1, 0.2, 0.1, 0.1])
    config = toy.settings(epochs=50, patience=patience)
    task = toy.task(config)
    task.score = lambda *_: {"score": next(scores)}
    exported = list[float]()
    task.export = lambda *arguments: exported.append(arguments[2]["score"])
    position = fit(Fabric(accelerator="cpu", devices=1), task, config, tmp_path, no_progress)
    assert len(position.history) == epochs and position.best == 0.2
    assert exported == [0.1, 0.2], "of equal scores the first one counts"


def test_a_run_resumed_for_more_epochs_equals_one_that_had_them_from_the_start(tmp_path):
    """The rate of these steps does not depend on the number of epochs."""
    keys = {"optimiser": {"rate": 0.01, "schedule": "step", "drop": 0.5}}
    whole = weights(tmp_path / "a", epochs=2, **keys)
    weights(tmp_path / "b", epochs=1, **keys)
    assert distance(whole, weights(tmp_path / "b", epochs=2, **keys)) == 0
    assert pd.read_csv(tmp_path / "b" / "metrics.csv")["rate"].tolist() == [0.01, 0.005], "of the steps of an epoch"


def test_an_epoch_is_logged_with_the_mean_of_its_losses_and_the_rate_of_its_last_step(tmp_path):
    """42 items are 6 batches, of which 4 make a step: 2 steps an epoch, and 4 in all. The weights hardly move."""
    keys = {"epochs": 2, "batch": 8, "accumulate": 4, "optimiser": {"rate": 1e-12}}
    weights(tmp_path, **keys)
    logged, task = pd.read_csv(tmp_path / "metrics.csv"), toy.task(config := toy.settings(**keys))
    falling = [(1 + math.cos(math.pi * step / 4)) / 2 for step in (1, 3)]
    assert (logged["rate"] / 1e-12).tolist() == pytest.approx(falling)
    for epoch, loss in enumerate(logged["loss"]):
        batches = [task.batch(items) for items in shuffled_batches(len(task), config, epoch)]
        losses = [task.objective(batch).item() for batch in batches]
        assert len(losses) == 6 and loss == pytest.approx(sum(losses) / 6, rel=1e-4)


def test_a_run_that_ended_by_patience_names_it_when_it_is_resumed(tmp_path):
    config = toy.settings(epochs=9, patience=1, optimiser={"rate": 0.0})
    assert toy.run(config, tmp_path).epoch == 2
    with pytest.warns(AvferWarning, match="patience: 1 epoch without a better score ended this run; raise patience"):
        toy.run(config, tmp_path)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_half_precision_learns_and_keeps_weights_in_float32(tmp_path, precision):
    from avfer.training.engine.distributed import NetworkPrecision

    config = toy.settings(targets=["valence_arousal"])
    plugins = [] if precision == "32-true" else [NetworkPrecision(precision, "cpu")]
    fabric = Fabric(accelerator="cpu", devices=1, plugins=plugins)
    position = fit(fabric, toy.task(config), config, tmp_path, no_progress)
    content = read_checkpoint(tmp_path)
    assert position.best > 0.6 and content is not None
    assert {tensor.dtype for tensor in content["module"].values()} == {torch.float32}

"""Missing labels of images change no loss and no gradient, and a batch may lack any label."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from avfer.training.data.image_batches import ImageBatch
from avfer.training.images.image_task import ImageTask
from tests.training.loss_steps import make_task

EVERY = {"kinds": ("expression", "votes", "valence", "arousal", "action_units")}
TARGETS = ["expression", "valence_arousal", "action_units"]
NO_CLASSES = {"expression": 0.0, "votes": False}
ARC = {"width": 8, "num_features": 32, "num_embedding": 16}
PAIR = {"targets": ["valence_arousal"], "loss": {"valence_arousal": 0.0}, "losses": {"mean_square": 1.0}}
KINDS: dict[str, dict[str, Any]] = {
    "labels": {"targets": TARGETS, "loss": {"votes": False}},
    "labels that weigh by class": {"targets": TARGETS, "loss": {"votes": False}, "balance": "weights"},
    "votes": {"targets": TARGETS},
    "mean_square": PAIR,
    "affinity": {"model": "dan", "size": 64, "losses": {"affinity": 1.0}, "loss": NO_CLASSES},
    "arcface": {
        "model": "mt_arcvgg",
        "size": 96,
        "model_options": ARC,
        "losses": {"arcface": 1.0},
        "loss": NO_CLASSES,
    },
    "pdls": {"model": "psr", "losses": {"pdls": 1.0}, "loss": NO_CLASSES},
    "branches": {"model": "psr", "losses": {"branches": 1.0}, "loss": {"expression": 0.0}},
}
SMALL = {"side": 48, "multiples": [1, 1], "cut": 3}
SENTINELS = {"expression": 2, "votes": 0.0, "valence_arousal": -5.0, "action_units": -1.0}  # 2 is a wrong class


def labelled_task(folder: Path, kind: str) -> ImageTask:
    changes = {"options": EVERY} | KINDS[kind]
    if changes.get("model") == "psr":
        changes |= {"size": 48, "model_options": SMALL}
    torch.manual_seed(0)
    return make_task(folder, **changes)


def without_labels(batch: ImageBatch, rows: slice, sentinel: bool) -> ImageBatch:
    """Return the batch without the labels of some rows; with `sentinel` their values are replaced too."""
    changed = {}
    for name, value in SENTINELS.items():
        values = getattr(batch.labels, name).clone()
        if sentinel or name == "votes":
            values[rows] = value
        changed[name] = values
        if name != "votes":
            changed[f"{name}_valid"] = getattr(batch.labels, f"{name}_valid").clone()
            changed[f"{name}_valid"][rows] = False
    return replace(batch, labels=replace(batch.labels, **changed))


def gradients(task: ImageTask, batch: ImageBatch) -> tuple[Tensor, dict[str, Tensor]]:
    task.objective.zero_grad()
    torch.manual_seed(1)
    loss = task.objective.eval()(batch)
    loss.backward()
    found = {name: p.grad.clone() for name, p in task.objective.named_parameters() if p.grad is not None}
    return loss.detach(), found


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_label_changes_neither_a_loss_nor_a_gradient(tmp_path, kind):
    task = labelled_task(tmp_path, kind)
    batch = task.batch(list(range(8)))
    complete = gradients(task, batch)[1]
    clean, changed = (gradients(task, without_labels(batch, slice(2, 6), sentinel)) for sentinel in (False, True))
    assert torch.equal(clean[0], changed[0])
    assert all(torch.equal(grad, clean[1][name]) for name, grad in changed[1].items())
    assert any(not torch.equal(grad, complete[name]) for name, grad in clean[1].items()), "valid labels count"


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_without_labels_has_a_loss_of_0(tmp_path, kind):
    task = labelled_task(tmp_path, kind)
    loss, found = gradients(task, without_labels(task.batch([0, 1, 2, 3]), slice(0, 4), True))
    assert loss == 0
    assert not any(grad.any() for grad in found.values())

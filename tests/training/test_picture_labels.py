"""Labels of pictures that are missing teach nothing, whatever stands there, and a batch may lack any of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from avfer.training.crops import PictureBatch
from avfer.training.pictures import PictureTask
from tests.training.lessons import made

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
MARKS = {"expression": 2, "votes": 0.0, "pair": -5.0, "units": -1.0}  # a class that it is not, and what corpora set


def task(folder: Path, kind: str) -> PictureTask:
    changes = {"options": EVERY} | KINDS[kind]
    if changes.get("model") == "psr":
        changes |= {"size": 48, "model_options": SMALL}
    torch.manual_seed(0)
    return made(folder, **changes)


def hidden(batch: PictureBatch, rows: slice, mark: bool) -> PictureBatch:
    """Without the labels of some rows; `mark` puts something in their place."""
    changed = {}
    for name, value in MARKS.items():
        label, valid = getattr(batch, name).clone(), f"{name}_valid"
        if mark or name == "votes":
            label[rows] = value
        changed[name] = label
        if hasattr(batch, valid):
            changed[valid] = getattr(batch, valid).clone()
            changed[valid][rows] = False
    return replace(batch, **changed)


def gradients(some: PictureTask, batch: PictureBatch) -> tuple[Tensor, dict[str, Tensor]]:
    some.objective.zero_grad()
    torch.manual_seed(1)
    loss = some.objective.eval()(batch)
    loss.backward()
    found = {name: p.grad.clone() for name, p in some.objective.named_parameters() if p.grad is not None}
    return loss.detach(), found


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missing_changes_neither_a_loss_nor_a_gradient(tmp_path, kind):
    some = task(tmp_path, kind)
    batch = some.batch(list(range(8)))
    whole = gradients(some, batch)[1]
    known, marked = (gradients(some, hidden(batch, slice(2, 6), mark)) for mark in (False, True))
    assert torch.equal(known[0], marked[0])
    assert all(torch.equal(grad, known[1][name]) for name, grad in marked[1].items())
    assert any(not torch.equal(grad, whole[name]) for name, grad in known[1].items()), "they would have counted"


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_without_labels_teaches_nothing_and_is_no_fault(tmp_path, kind):
    some = task(tmp_path, kind)
    loss, found = gradients(some, hidden(some.batch([0, 1, 2, 3]), slice(0, 4), True))
    assert loss == 0
    assert not any(grad.any() for grad in found.values())

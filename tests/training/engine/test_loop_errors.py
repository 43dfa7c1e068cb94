"""Errors while training runs: their messages, and the last good checkpoint, which stays unchanged."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from avfer.errors import MetricError, OutputError, TrainingError
from avfer.models.weights import save
from avfer.progress import no_progress
from avfer.training import train_model
from avfer.training.engine.checkpoint import CHECKPOINT, read_checkpoint, save_tensors
from avfer.training.engine.loop import fit
from avfer.training.sequences.sequence_task import SequenceTask
from avfer.training.training_config import TrainConfig
from tests.training import toy_recordings as toy

Spoil = Callable[[SequenceTask], object]


def nan_feature(task: SequenceTask) -> None:
    task.train.recordings[3].inputs.face[200:, 0] = np.nan


def infinite_gradient(task: SequenceTask) -> None:
    next(task.objective.parameters()).register_hook(lambda gradient: gradient * torch.inf)


def nan_score(task: SequenceTask) -> None:
    task.score = lambda *_: {"score": float("nan"), "ccc_valence": float("nan")}


def nan_prediction(task: SequenceTask) -> None:
    def score(*_: object) -> dict[str, float]:
        raise MetricError("a NaN in the prediction")

    task.score = score


def train_spoiled(folder: Path, config: TrainConfig, spoil: Spoil, progress: Any = no_progress) -> None:
    task = toy.task(config)
    spoil(task)
    fit(Fabric(accelerator="cpu", devices=1), task, config, folder, progress)


@pytest.mark.parametrize("save_every", [1, 99])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (nan_feature, r"the loss of batch \d+ of epoch 2 is nan \(.*toy_3 from \d+\.0 s.*\); .*--resume"),
        (infinite_gradient, r"the weights .* are non-finite after batch \d+ of epoch 2; .*lower optimiser\.rate"),
        (nan_score, r"the score of epoch 2 is non-finite \(score nan, ccc_valence nan\)"),
        (nan_prediction, "the predictions after epoch 2 are non-finite"),
    ],
)
def test_a_non_finite_value_stops_training_and_the_last_good_checkpoint_stays(tmp_path, spoil, message, save_every):
    toy.run(toy.settings(epochs=1, batch=4), tmp_path)
    with pytest.raises(TrainingError, match=message):
        train_spoiled(tmp_path, toy.settings(epochs=2, batch=4, clip=0, save_every=save_every), spoil)
    content = read_checkpoint(tmp_path)
    assert content is not None and all(bool(tensor.isfinite().all()) for tensor in content["module"].values())
    assert save_every == 1 or content["progress"]["epoch"] == 1


def test_a_rate_that_is_too_high_writes_no_non_finite_checkpoint(tmp_path):
    config = toy.settings(epochs=9, clip=0, optimiser={"name": "sgd"})
    beyond_the_range = config.optimiser.model_copy(update={"rate": 1e30})  # a recipe is refused above 1e6
    config = config.model_copy(update={"optimiser": beyond_the_range})
    with pytest.raises(TrainingError, match=r"the loss of batch 2 of epoch 1 is (nan|inf)"):
        toy.run(config, tmp_path)
    assert not (tmp_path / "best.safetensors").exists()


def test_a_full_disk_leaves_the_last_good_checkpoint(small_disk):
    path = small_disk / CHECKPOINT
    save_tensors(torch.ones(100), path)
    with pytest.raises(OutputError, match=r"last\.ckpt cannot be written: .*last good checkpoint is kept.*--resume"):
        save_tensors(torch.ones(100_000), path)
    assert torch.equal(torch.load(path), torch.ones(100)) and list(small_disk.iterdir()) == [path]


def test_a_full_disk_leaves_the_best_weights_unchanged(small_disk):
    task = toy.task(toy.settings())
    save(torch.nn.Linear(2, 2), task.card, small_disk / "best.safetensors")
    before = (small_disk / "best.safetensors").read_bytes()
    with pytest.raises(OutputError, match=r"best\.safetensors cannot be written: .*No space"):
        save(torch.nn.Linear(300, 300), task.card, small_disk / "best.safetensors")
    assert (small_disk / "best.safetensors").read_bytes() == before
    assert sorted(path.name for path in small_disk.iterdir()) == ["best.json", "best.safetensors"]


def test_every_epoch_reports_its_loss_and_score(tmp_path):
    reports: list[tuple[object, ...]] = []
    train_spoiled(tmp_path, toy.settings(epochs=2, batch=32), lambda _: None, lambda *report: reports.append(report))
    assert [report[:3] for report in reports] == [
        ("epoch 1/2", 1, 2),
        ("epoch 1/2", 2, 2),
        ("epoch 2/2", 1, 2),
        ("epoch 2/2", 2, 2),
    ]
    history = read_checkpoint(tmp_path)["progress"]["history"]  # pyright: ignore[reportOptionalSubscript]
    assert reports[1][3] == f"loss {history[0]['loss']:.4f}, score {history[0]['score']:.4f}, the best so far"


def test_an_interruption_names_resume(avfer, tmp_path, monkeypatch):
    (tmp_path / "x.yaml").write_text("corpus: table\nroot: .\n")
    monkeypatch.setattr(train_model, "train", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    result = avfer("train", tmp_path / "x.yaml")
    assert result.code == 130
    assert result.err.strip() == "avfer: interrupted; the last checkpoint is kept: continue with --resume"

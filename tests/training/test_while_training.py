"""Whatever goes wrong while training runs is told in a sentence, and the last good checkpoint stays as it was."""

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
from avfer.training import train
from avfer.training.engine import checkpoint
from avfer.training.affect import AffectTask
from avfer.training.engine.loop import fit
from avfer.training.training_config import TrainConfig
from tests.training import toy

Spoil = Callable[[AffectTask], object]


def no_number(task: AffectTask) -> None:
    task.train.recordings[3].features.face[200:, 0] = np.nan


def endless_gradient(task: AffectTask) -> None:
    next(task.objective.parameters()).register_hook(lambda gradient: gradient * torch.inf)


def no_score(task: AffectTask) -> None:
    task.score = lambda *_: {"score": float("nan"), "ccc_valence": float("nan")}


def unscorable(task: AffectTask) -> None:
    def score(*_: object) -> dict[str, float]:
        raise MetricError("a NaN in the prediction")

    task.score = score


def trained(folder: Path, config: TrainConfig, spoil: Spoil, watch: Any = toy.quiet) -> None:
    task = toy.task(config)
    spoil(task)
    fit(Fabric(accelerator="cpu", devices=1), task, config, folder, watch)


@pytest.mark.parametrize("save_every", [1, 99])
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (no_number, r"the loss of batch \d+ of epoch 2 is nan \(.*toy_3 from \d+\.0 s.*\); .*--resume"),
        (endless_gradient, r"the weights .* are no numbers after batch \d+ of epoch 2; .*lower optimiser\.rate"),
        (no_score, r"the score of epoch 2 is no number \(score nan, ccc_valence nan\)"),
        (unscorable, "what the model tells after epoch 2 is no number"),
    ],
)
def test_a_number_that_is_none_stops_and_the_last_good_checkpoint_stays(tmp_path, spoil, told, save_every):
    toy.run(toy.settings(epochs=1, batch=4), tmp_path)
    with pytest.raises(TrainingError, match=told):
        trained(tmp_path, toy.settings(epochs=2, batch=4, clip=0, save_every=save_every), spoil)
    content = checkpoint.read(tmp_path)
    assert content is not None and all(bool(tensor.isfinite().all()) for tensor in content["module"].values())
    assert save_every == 1 or content["progress"]["epoch"] == 1


def test_a_rate_far_too_high_ends_without_a_checkpoint_of_no_numbers(tmp_path):
    config = toy.settings(epochs=9, clip=0, optimiser={"name": "sgd", "rate": 1e30})
    with pytest.raises(TrainingError, match=r"the loss of batch 2 of epoch 1 is (nan|inf)"):
        toy.run(config, tmp_path)
    assert not (tmp_path / "best.safetensors").exists()


def test_a_full_disk_leaves_the_last_good_checkpoint(small_disk):
    path = small_disk / checkpoint.NAME
    with checkpoint.whole(path) as part:
        torch.save(torch.ones(100), part)
    with pytest.raises(OutputError, match=r"last\.ckpt cannot be written: .*--resume"), checkpoint.whole(path) as part:
        torch.save(torch.ones(100_000), part)
    assert torch.equal(torch.load(path), torch.ones(100)) and list(small_disk.iterdir()) == [path]


def test_a_full_disk_leaves_the_best_weights_before(small_disk):
    task = toy.task(toy.settings())
    save(torch.nn.Linear(2, 2), task.card, small_disk / "best.safetensors")
    before = (small_disk / "best.safetensors").read_bytes()
    with pytest.raises(OutputError, match=r"best\.safetensors cannot be written: .*No space"):
        save(torch.nn.Linear(300, 300), task.card, small_disk / "best.safetensors")
    assert (small_disk / "best.safetensors").read_bytes() == before
    assert sorted(path.name for path in small_disk.iterdir()) == ["best.json", "best.safetensors"]


def test_every_epoch_tells_what_came_of_it(tmp_path):
    told: list[tuple[object, ...]] = []
    trained(tmp_path, toy.settings(epochs=2, batch=32), lambda _: None, lambda *what: told.append(what))
    assert [what[:3] for what in told] == [
        ("epoch 1/2", 1, 2),
        ("epoch 1/2", 2, 2),
        ("epoch 2/2", 1, 2),
        ("epoch 2/2", 2, 2),
    ]
    history = checkpoint.read(tmp_path)["progress"]["history"]  # pyright: ignore[reportOptionalSubscript]
    assert told[1][3] == f"loss {history[0]['loss']:.4f}, score {history[0]['score']:.4f}, the best so far"


def test_an_interruption_says_how_to_go_on(avfer, tmp_path, monkeypatch):
    (tmp_path / "x.yaml").write_text("corpus: table\nroot: .\n")
    monkeypatch.setattr(train, "train", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    result = avfer("train", tmp_path / "x.yaml")
    assert result.code == 130
    assert (
        result.err.strip() == "avfer: interrupted; what is made and the last checkpoint are kept: go on with --resume"
    )

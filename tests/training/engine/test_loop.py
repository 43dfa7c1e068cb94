"""Training with the loop: it learns, resumes after an interruption, and several processes agree with one."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from avfer.errors import MissingExtra, TrainingError
from avfer.models.card import Card
from avfer.models.card_files import read_card
from avfer.models.weights import load_into
from avfer.progress import ReportProgress
from avfer.training.engine import distributed, loop
from avfer.training.engine.checkpoint import read_checkpoint
from avfer.training.engine.loop import shuffled_batches
from tests.training import toy_recordings as toy
from tests.training.interrupted import Interruption


@pytest.mark.parametrize(
    ("modalities", "learned"), [("both", {"valence", "arousal"}), ("face", {"valence"}), ("voice", {"arousal"})]
)
def test_a_dimension_is_learned_from_the_modality_that_carries_it(tmp_path, modalities, learned):
    position = toy.run(toy.settings(), tmp_path, modalities=modalities)
    best = max(position.history, key=lambda row: row["score"])
    for name in ("valence", "arousal"):
        assert best[f"ccc_{name}"] > 0.8 if name in learned else best[f"ccc_{name}"] < 0.3


def test_the_best_weights_have_a_card_and_every_epoch_is_logged(tmp_path):
    config = toy.settings(epochs=3)
    position = toy.run(config, tmp_path)
    card = read_card(tmp_path / "best.json")
    best = max(position.history, key=lambda row: row["score"])
    assert {m.name: m.value for m in card.metrics}["score"] == pytest.approx(best["score"], abs=1e-4)
    again = toy.task(config)
    load_into(again.objective.model, tmp_path / "best.safetensors", card)
    with torch.inference_mode():
        assert again.score(again.objective.eval(), torch.device("cpu")) == pytest.approx(
            {name: best[name] for name in ("score", "ccc_valence", "ccc_arousal", "f1_macro", "accuracy")}
        )
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert table["epoch"].tolist() == [1, 2, 3]
    assert (tmp_path / "curve.png").stat().st_size > 5000
    assert list((tmp_path / "events").iterdir())


def final(folder: Path) -> dict[str, torch.Tensor]:
    content = read_checkpoint(folder)
    assert content is not None
    return content["module"]


def interrupt_at(epoch: int, batch: int) -> ReportProgress:
    """Return a report of progress that raises Interruption after a step, before its checkpoint is written."""

    def report(title: str, done: int, total: int, result: str = "", /) -> None:
        if title.startswith(f"epoch {epoch}/") and done == batch:
            raise Interruption

    return report


def test_a_run_interrupted_several_times_ends_with_the_same_weights(tmp_path):
    """test_resume_after_kill.py does the same with real processes that are killed."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    config, options = toy.settings(epochs=2), {"dropout": 0.3, "modality_dropout": 0.2}
    toy.run(config, whole, options=options)
    for epoch, batch in ((1, 1), (1, 6), (2, 3)):
        with pytest.raises(Interruption):
            toy.run(config, broken, progress=interrupt_at(epoch, batch), options=options)
    assert len(toy.run(config, broken, options=options).history) == 2
    first, second = final(whole), final(broken)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("seconds", [0.0, 3600.0])
def test_the_curve_is_drawn_during_a_long_run_and_at_its_end(tmp_path, monkeypatch, seconds):
    monkeypatch.setattr(loop, "CURVE_EVERY", seconds)
    with pytest.raises(Interruption):
        toy.run(toy.settings(epochs=2), tmp_path, progress=interrupt_at(2, 1))
    assert (tmp_path / "curve.png").exists() == (seconds == 0)
    toy.run(toy.settings(epochs=2), tmp_path)
    assert (tmp_path / "curve.png").exists()


@pytest.mark.slow
def test_two_processes_and_one_agree(tmp_path):
    """Each process has half of every batch; with a loss per sequence the mean gradient is that of the whole batch."""
    config = toy.settings(epochs=3, loss={"over": "sequences"}, targets=["valence_arousal"])
    scores = []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        folder.mkdir()
        scores.append([row["score"] for row in toy.run(config, folder, devices).history])
    assert scores[0] == pytest.approx(scores[1], abs=0.02)
    assert scores[0][-1] > 0.5


@pytest.mark.parametrize("options", [{"accumulate": 2}, {"optimiser": {"rate": 0.01, "sam": 0.05}}])
def test_the_loss_falls_with_accumulated_and_with_sharpness_aware_steps(tmp_path, options):
    position = toy.run(toy.settings(epochs=8, targets=["valence_arousal"], **options), tmp_path)
    assert position.best > 0.6
    assert position.history[-1]["loss"] < 0.7 * position.history[0]["loss"]


def test_an_epoch_has_every_item_once_in_its_own_order():
    config = toy.settings(batch=4)
    first, second = (shuffled_batches(10, config, epoch) for epoch in (0, 1))
    assert sorted(i for batch in first for i in batch) == list(range(10))
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert first != second and first == shuffled_batches(10, config, 0)


def test_the_right_delay_gives_the_best_ccc(tmp_path):
    """A model without memory cannot use the face of two seconds ago."""
    config = toy.settings(targets=["valence_arousal"], epochs=4)
    scores = dict[float, float]()
    for moved in (0.0, 1.0, 2.0, 3.0):
        folder = tmp_path / str(moved)
        folder.mkdir()
        scores[moved] = toy.run(config, folder, options={"time": "none"}, delay=2.0, compensated=moved).best
    assert max(scores, key=lambda moved: scores[moved]) == 2.0
    assert scores[2.0] > scores[0.0] + 0.1


@pytest.mark.parametrize("sentinel", [-5.0, float("nan"), 0.7])
def test_labels_that_are_not_valid_change_no_gradient(sentinel):
    grads = []
    for value in (0.0, sentinel):
        task = toy.task(toy.settings())
        for r in task.train.recordings:
            r.labels.valence_arousal[~r.labels.valence_arousal_valid] = value
        task.objective(task.batch([0, 1, 2])).backward()
        grads.append([p.grad.clone() for p in task.objective.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_the_card_of_a_task_names_its_classes():
    card: Card = toy.task(toy.settings()).card
    assert card.classes == list(toy.CLASSES) and card.inputs == {"face": 6, "voice": 6}


@pytest.mark.parametrize(
    ("kind", "words"),
    [(TrainingError, "the loss is nan"), (MissingExtra, "curves need matplotlib: pip install 'avfer[train]'")],
)
def test_the_error_of_a_process_is_raised_with_its_class_and_message(kind, words):
    message = (
        f"-- Process 1 terminated\nTraceback (most recent call last):\n  ...\navfer.errors.{kind.__name__}: {words}\n"
    )
    raised = distributed._original_error(RuntimeError(message))
    assert type(raised) is kind and str(raised) == words

"""Training: it learns, goes on after any kill, agrees over processes, and stops where the loss is no number."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from avfer.errors import MissingExtra, TrainingError
from avfer.models.card import Card
from avfer.models.weights import load_into, read_card
from avfer.training.engine import distributed
from avfer.training.engine import checkpoint
from avfer.training.sequences.delay_search import search_delays
from avfer.training.engine.loop import order
from tests.training import toy

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("modalities", "learned"), [("both", {"valence", "arousal"}), ("face", {"valence"}), ("voice", {"arousal"})]
)
def test_what_stands_in_a_stream_is_learned_and_what_does_not_is_not(tmp_path, modalities, learned):
    progress = toy.run(toy.settings(), tmp_path, modalities=modalities)
    best = max(progress.history, key=lambda row: row["score"])
    for name in ("valence", "arousal"):
        assert best[f"ccc_{name}"] > 0.8 if name in learned else best[f"ccc_{name}"] < 0.3


def test_the_best_weights_come_with_a_card_and_the_epochs_are_recorded(tmp_path):
    config = toy.settings(epochs=3)
    progress = toy.run(config, tmp_path)
    card = read_card(tmp_path / "best.json")
    best = max(progress.history, key=lambda row: row["score"])
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
    content = checkpoint.read(folder)
    assert content is not None
    return content["module"] | {f"mean.{name}": value for name, value in content["mean"].items()}


def ended(command: list[str], folder: Path, seconds: float) -> bool:
    """Whether a training came to its end before it was killed."""
    with subprocess.Popen([*command, str(folder), "4"], cwd=ROOT, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None and started.stdout.readline() == b"ready\n"
        try:
            assert started.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            started.send_signal(signal.SIGKILL)
            return False
        return True


@pytest.mark.slow
def test_a_training_killed_anywhere_ends_with_the_same_weights(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    command = [sys.executable, "-m", "tests.training.toy"]
    subprocess.run([*command, str(whole), "4"], cwd=ROOT, check=True, capture_output=True)
    random, kills = np.random.default_rng(0), 0
    while not ended(command, broken, random.uniform(0.3, 1.5) if kills < 4 else 120):
        kills += 1
    assert kills >= 2
    first, second = final(whole), final(broken)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_two_processes_and_one_agree(tmp_path):
    """Each process has half of every batch; with one loss a sequence the mean gradient is that of the whole batch."""
    config = toy.settings(epochs=3, loss={"over": "sequences"}, targets=["valence_arousal"])
    scores = []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        folder.mkdir()
        scores.append([row["score"] for row in toy.run(config, folder, devices).history])
    assert scores[0] == pytest.approx(scores[1], abs=0.02)
    assert scores[0][-1] > 0.5


@pytest.mark.parametrize("options", [{"accumulate": 2}, {"ema": 0.5}, {"optimiser": {"rate": 0.01, "sam": 0.05}}])
def test_every_way_of_stepping_learns(tmp_path, options):
    progress = toy.run(toy.settings(epochs=8, targets=["valence_arousal"], **options), tmp_path)
    assert progress.best > 0.6
    assert progress.history[-1]["loss"] < 0.7 * progress.history[0]["loss"]


def test_an_epoch_takes_every_item_once_in_an_order_of_its_own():
    config = toy.settings(batch=4)
    first, second = (order(10, config, epoch) for epoch in (0, 1))
    assert sorted(i for batch in first for i in batch) == list(range(10))
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert first != second and first == order(10, config, 0)


@pytest.mark.parametrize("delay", [0.0, 0.8, 2.0, 2.4])
def test_the_delay_of_the_labels_is_found(delay):
    known, held = ([toy.recording(i, delay=delay) for i in numbers] for numbers in (range(6), range(6, 9)))
    assert search_delays(known, held) == pytest.approx((delay, delay), abs=0.2)


def test_leaving_a_delay_out_costs_ccc(tmp_path):
    """A model of single instants cannot wait for what the face of two seconds ago is said to have shown."""
    config = toy.settings(targets=["valence_arousal"], epochs=4)
    scores = dict[float, float]()
    for moved in (0.0, 1.0, 2.0, 3.0):
        folder = tmp_path / str(moved)
        folder.mkdir()
        scores[moved] = toy.run(config, folder, options={"time": "none"}, delay=2.0, compensated=moved).best
    assert max(scores, key=lambda moved: scores[moved]) == 2.0
    assert scores[2.0] > scores[0.0] + 0.1


@pytest.mark.parametrize("sentinel", [-5.0, float("nan"), 0.7])
def test_labels_that_are_not_valid_never_change_a_gradient(sentinel):
    grads = []
    for value in (0.0, sentinel):
        some = toy.task(toy.settings())
        for r in some.train.recordings:
            r.pair[~r.pair_valid] = value
        some.objective(some.batch([0, 1, 2])).backward()
        grads.append([p.grad.clone() for p in some.objective.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_a_card_of_the_task_names_its_classes():
    card: Card = toy.task(toy.settings()).card
    assert card.classes == list(toy.CLASSES) and card.inputs == {"face": 6, "voice": 6}


def test_a_feature_that_is_dead_in_train_does_not_spoil_the_search():
    known, held = ([toy.recording(i, delay=0.8) for i in numbers] for numbers in (range(6), range(6, 9)))
    for some in (known, held):
        for r in some:
            r.features.voice[:, 5] = 0
    for r in known:
        r.features.voice[:3, 5] = 1e-6
    for r in held:
        r.features.voice[::2, 5] = 1
    assert search_delays(known, held) == pytest.approx((0.8, 0.8), abs=0.2)


def test_people_whose_features_lie_off_as_a_whole_do_not_move_the_delay():
    """A face that smiles at rest is told too high throughout: joined, its distance would speak louder than its time."""
    known, held = ([toy.recording(i, delay=2.0) for i in numbers] for numbers in (range(6), range(6, 9)))
    for r, off in zip(held, (-2.0, 0.0, 2.0), strict=True):
        r.features.face[:] += off
        r.features.voice[:] += off
    assert search_delays(known, held) == pytest.approx((2.0, 2.0), abs=0.2)


@pytest.mark.parametrize(
    ("kind", "words"),
    [(TrainingError, "the loss is nan"), (MissingExtra, "curves need matplotlib: pip install 'avfer[train]'")],
)
def test_the_error_of_a_process_is_raised_as_it_was(kind, words):
    told = (
        f"-- Process 1 terminated\nTraceback (most recent call last):\n  ...\navfer.errors.{kind.__name__}: {words}\n"
    )
    raised = distributed._of_process(RuntimeError(told))
    assert type(raised) is kind and str(raised) == words

"""The report of a training run, and the command that scores its weights."""

import shlex
from pathlib import Path

import pytest
import torch

from avfer.losses.affect_labels import AffectLabels
from avfer.models.card import Card
from avfer.training.evaluation_command import evaluation_command
from avfer.training.labels import TargetNames
from avfer.training.scored_partition import ScoredPartition
from avfer.training.training_config import TrainConfig, make_config
from avfer.training.training_report import best_epoch, training_warnings, write_training_report

TOY = "tests.evaluation.toy_corpus:Toy"  # has no test partition
NO_MEASURES = ["settings.output=affect"]
HISTORY = [
    {"epoch": 1.0, "loss": 2.0, "rate": 0.1, "score": 0.2, "f1_macro": 0.1},
    {"epoch": 2.0, "loss": 1.0, "rate": 0.1, "score": 0.4, "f1_macro": 0.3},
    {"epoch": 3.0, "loss": 0.5, "rate": 0.1, "score": 0.4, "f1_macro": 0.9},
]
CARD = Card(
    name="temporal", task="a test", description="", data="made by a test", licence_weights="as <the> terms allow"
)


def config(folder: Path, **keys: object) -> TrainConfig:
    return make_config({"corpus": TOY, "root": str(folder), "output": str(folder / "out"), **keys}, "test")


def words(folder: Path, card: Card = CARD, delays: tuple[float, float] = (0.0, 0.0), **keys: object) -> list[str]:
    """Return the words of the command behind those on the corpus, without the output folder at the end."""
    command = shlex.split(evaluation_command(config(folder, **keys), card, delays))
    assert command[:8] == ["avfer", "evaluate", "--corpus", TOY, "--root", str(folder), "--partition", "dev"]
    assert command[-2:] == ["--output", str(folder / "out/evaluation")]
    return [word.replace(str(folder / "out"), "OUT") for word in command[8:-2] if word != "--set"]


def test_a_face_network_is_scored_by_its_name(tmp_path):
    found = words(tmp_path, model="dan", targets=["expression"], options={"gap": 3})
    assert found == ["--model", "dan", "--weights", "OUT/best.safetensors", "options.gap=3"]


def test_an_affect_model_replaces_that_of_its_pipeline_with_settings_and_delays(tmp_path):
    settings = {"look.backbone": "poster_v2"}
    found = words(tmp_path, delays=(2.0, 0.0), pipeline="vision", settings=settings)
    raw = ["settings.raw.model=temporal", "settings.raw.weights=OUT/best.safetensors"]
    assert found == [
        "--pipeline",
        "vision",
        "settings.look.backbone=poster_v2",
        *raw,
        *NO_MEASURES,
        "delay.valence=2.0",
    ]


def test_a_trained_backbone_and_a_whole_network_replace_their_stages(tmp_path):
    found = words(tmp_path, pipeline="vision", backbone={"name": "aver_lite"})
    assert "settings.look.weights=OUT/backbone.safetensors" in found and "settings.raw.model=temporal" in found
    whole = Card(name="av_mt_vgg_rnn", task="a test", description="", inputs={"face": 8, "voice": 8})
    found = words(tmp_path, whole, model="av_mt_vgg_rnn", pipeline="aver")
    stages = (("look", "backbone"), ("voice", "backbone"), ("raw", "model"))
    assert {f"settings.{stage}.{option}=av_mt_vgg_rnn" for stage, option in stages} <= set(found)
    voice = Card(name="aver_voice", task="a test", description="", inputs={"voice": 256})
    assert words(tmp_path, voice, model="aver_voice")[:2] == ["--pipeline", "voice"]


def test_a_network_trained_end_to_end_reads_all_sound_when_it_is_scored(tmp_path):
    card = CARD.model_copy(update={"inputs": {"face": 8, "voice": 8}})
    masks = {"settings.spoken.threshold=0", "settings.speakers.threshold=0"}
    assert masks <= set(words(tmp_path, card, backbone={"name": "aver_lite"}))
    assert not masks & set(words(tmp_path, card)), "features are masked before training too"
    assert not masks & set(words(tmp_path, backbone={"name": "aver_lite"})), "the card states no voice"


def test_measured_action_units_are_not_scored(tmp_path):
    """They replace those of the trained model, and have no limit from which a unit is present."""
    assert words(tmp_path, pipeline="vision")[-1:] == NO_MEASURES
    assert not any("output" in word for word in words(tmp_path, pipeline="voice"))


def test_the_best_epoch_is_the_first_with_the_highest_score():
    assert best_epoch(HISTORY)["epoch"] == 2


def test_a_page_has_scores_curves_settings_and_the_command(tmp_path):
    partition = ScoredPartition(40, "recordings", ())
    page = write_training_report(config(tmp_path), HISTORY, CARD, partition, "avfer evaluate <x>").read_text()
    assert (
        "<dt>Best epoch</dt><dd>2 of 3</dd>" in page and '<pre class="command">avfer evaluate &lt;x&gt;</pre>' in page
    )
    assert page.count("<svg") == 2 and "as &lt;the&gt; terms allow" in page and "optimiser" in page
    assert 'class="warning"' not in page


@pytest.mark.parametrize(
    ("chosen", "sentence"), [("test", "had no part in this"), ("dev", "no further partition: this scores the same one")]
)
def test_a_page_says_whether_the_command_scores_data_that_selected_the_epoch(tmp_path, chosen, sentence):
    command = f"avfer evaluate --partition {chosen} --pipeline aver"
    partition = ScoredPartition(40, "recordings", ())
    page = write_training_report(config(tmp_path), HISTORY, CARD, partition, command).read_text()
    assert sentence in page and "whole clip" not in page


def test_a_page_states_how_whole_clips_are_scored(tmp_path):
    partition = ScoredPartition(40, "recordings", (), whole_clips=30)
    page = write_training_report(config(tmp_path), HISTORY, CARD, partition, "a").read_text()
    assert "A label of a whole clip (30 of 40) is scored by the mean of the predictions in it." in page


def test_a_run_of_one_epoch_has_a_page(tmp_path):
    partition = ScoredPartition(40, "pictures", ())
    assert "<circle" in write_training_report(config(tmp_path), HISTORY[:1], CARD, partition, "a").read_text()


@pytest.mark.parametrize(
    ("keys", "partition", "warning"),
    [
        ({"dev": "test"}, ScoredPartition(40, "pictures", ()), "The test partition selected the epoch"),
        ({}, ScoredPartition(9, "recordings", ()), "Only 9 recordings selected the epoch. With fewer than 10"),
        ({}, ScoredPartition(40, "pictures", ("fear", "AU12")), "The labels of 'dev' have no fear, AU12: F1 is 0"),
    ],
)
def test_what_limits_the_scores_is_a_warning(tmp_path, keys, partition, warning):
    (found,) = training_warnings(config(tmp_path, **keys), partition)
    assert found.startswith(warning)


def test_names_are_absent_if_no_valid_label_has_them():
    labels = AffectLabels(
        valence_arousal=torch.zeros(3, 2),
        valence_arousal_valid=torch.zeros(3, 2, dtype=torch.bool),
        expression=torch.tensor([0, 1, 2]),
        expression_valid=torch.tensor([True, False, True]),
        votes=torch.zeros(3, 3),
        action_units=torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]),
        action_units_valid=torch.tensor([[True, True], [True, False], [True, True]]),
    )
    names = TargetNames(("joy", "fear", "anger"), ("AU01", "AU12"))
    assert ScoredPartition.of(3, "pictures", [labels], names).absent == ("fear", "AU12")

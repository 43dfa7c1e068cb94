"""End-to-end training of a face network and a model over time, on clips whose truth is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import avfer
from avfer.errors import ConfigError, TrainingError
from avfer.models.card_files import read_card
from avfer.pipeline import load
from avfer.training.sequences.sequence_objective import SequenceObjective
from avfer.training.sequences.sequence_task import SequenceTask
from avfer.training.train_model import train
from tests.training import clip_corpus
from tests.training.end_to_end import make_task, settings

NET = "timm:test_resnet"
SMALL = {"width": 2, "num_features": 12, "num_hidden": 8}
LITE = {"name": "aver_lite", "weights": "builtin"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    return clip_corpus.write_clips(tmp_path_factory.mktemp("filmed") / "clips", audio=True)


def video(name: str, **changes: Any) -> dict[str, Any]:
    """Return the changes for a video model."""
    options = SMALL | changes if "resnet" not in name else {"width": 2, "num_hidden": 8}
    return {"model": name, "backbone": None, "model_options": options, "size": None, "optimiser": {"rate": 0.003}}


def gradients(task: SequenceTask) -> dict[str, torch.Tensor]:
    task.objective.train()
    task.objective(task.batch([0, 1, 2])).backward()
    return {n: p.grad for n, p in task.objective.named_parameters() if p.grad is not None}


def test_a_backbone_is_trained_with_an_affect_model(clips, tmp_path):
    trained = train(settings(clips, tmp_path, hidden=9, epochs=6))
    assert trained.scores["ccc_valence"] > 0.6
    losses = pd.read_csv(tmp_path / "out/metrics.csv")["loss"].to_numpy()
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.slow
def test_the_voice_is_learned_beside_the_face(clips, tmp_path):
    trained = train(settings(clips, tmp_path, with_voice=True, epochs=6))
    assert trained.scores["ccc_valence"] > 0.6
    assert trained.scores["ccc_arousal"] > 0.6
    assert "learned from all sound" in read_card(trained.weights.with_suffix(".json")).description


@pytest.mark.slow
def test_half_precision_learns_and_keeps_labels_and_times_in_float32(clips, tmp_path, monkeypatch):
    dtypes = set[torch.dtype]()

    def recording(self: SequenceObjective, batch: Any) -> Any:
        dtypes.update({batch.labels.valence_arousal.dtype, batch.times.dtype, batch.voice.dtype})
        return predict(self, batch)

    predict = SequenceObjective.predict
    monkeypatch.setattr(SequenceObjective, "predict", recording)
    # Convolutions take a hundred times as long in bfloat16 on a CPU that does not support it.
    small: dict[str, Any] = {"backbone": {"name": "timm:test_resnet"}, "size": 16, "length": 4, "stride": 24}
    some = {"batch": 3, "epochs": 5}
    trained = train(settings(clips, tmp_path, with_voice=True, precision="bf16-mixed", **small, **some))
    assert trained.scores["ccc_valence"] > 0.6
    assert dtypes == {torch.float32}


@pytest.mark.slow
def test_two_processes_and_one_agree(clips, tmp_path):
    changes: dict[str, Any] = {"backbone": LITE, "size": None, "loss": {"over": "sequences"}}
    one, two = (
        train(settings(clips, tmp_path / str(devices), with_voice=True, devices=devices, **changes))
        for devices in (1, 2)
    )
    assert two.scores["score"] == pytest.approx(one.scores["score"], abs=0.05)
    assert two.scores["ccc_arousal"] > 0.6


@pytest.mark.slow
def test_an_error_in_one_of_several_processes_is_raised_as_on_one(clips, tmp_path):
    """The rate is far too high: both processes get a non-finite loss."""
    with pytest.raises(TrainingError, match=r"^the loss of batch \d+ of epoch \d+ is (nan|inf).*--resume$"):
        train(settings(clips, tmp_path, devices=2, clip=0, optimiser={"name": "sgd", "rate": 1e6}))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_frozen_backbone_stays_unchanged_to_the_bit(clips, tmp_path, frozen):
    small: dict[str, Any] = {"size": None, "length": 4, "stride": 20, "epochs": 1}
    config = settings(clips, tmp_path, backbone=LITE | {"frozen": frozen}, **small)
    before = avfer.create("aver_lite", weights="builtin").state_dict()
    train(config)
    after = avfer.create("aver_lite", weights=tmp_path / "out/backbone.safetensors").state_dict()
    same = {name: torch.equal(before[name], after[name]) for name in before}
    assert all(same.values()) == frozen
    assert frozen or not any(
        same[name] for name in same if name.startswith(("stem.0", "blocks.0.conv", "stem.1.running"))
    )
    card = read_card(tmp_path / "out/backbone.json")
    assert bool(card.classes) == frozen  # untrained heads have no classes


@pytest.mark.parametrize("frozen", [False, True])
def test_gradients_reach_the_backbone_unless_it_is_frozen(clips, tmp_path, frozen):
    found = gradients(make_task(settings(clips, tmp_path, backbone={"name": NET, "frozen": frozen})))
    reached = {name for name, grad in found.items() if ".backbone." in name and grad.abs().sum() > 0}
    assert any("conv1" in name for name in reached) != frozen
    assert any(".temporal." in name for name in found)


@pytest.mark.parametrize("name", ["affwildnet_vgg_gru", "affwildnet_resnet_gru", "av_mt_vgg_rnn"])
def test_every_part_of_a_video_model_is_trained(clips, tmp_path, name):
    config = settings(clips, tmp_path, with_voice="av" in name, **video(name))
    found = gradients(make_task(config))
    assert all(grad.isfinite().all() for grad in found.values())
    parts = {n.split(".")[2] for n, grad in found.items() if grad.abs().sum() > 0}
    assert parts == ({"face", "voice", "gru", "heads"} if "av" in name else {"trunk", "gru", "output"})


@pytest.mark.parametrize("sentinel", [-5.0, float("nan"), 0.7])
def test_labels_that_are_not_valid_change_no_gradient(clips, tmp_path, sentinel):
    found = [
        gradients(make_task(settings(clips, tmp_path / str(value), options={"sentinel": value})))
        for value in (0.0, sentinel)
    ]
    assert found[0].keys() == found[1].keys() and len(found[0]) > 10
    assert all(torch.equal(grad, found[1][name]) for name, grad in found[0].items())


@pytest.mark.parametrize(
    ("name", "with_voice"),
    [(NET, False), (NET, True), ("affwildnet_vgg_gru", False), ("av_mt_vgg_rnn", True)],
)
def test_exported_weights_predict_the_same_in_a_pipeline(clips, tmp_path, name, with_voice):
    changes: dict[str, Any] = {} if name == NET else video(name)
    targets = ["valence_arousal"] if name.startswith("aff") else ["valence_arousal", "expression"]
    config = settings(clips, tmp_path, with_voice, **changes, targets=targets, epochs=1)
    train(config)
    out = tmp_path / "out"
    best, model = str(out / "best.safetensors"), config.model
    look = {"look.backbone": name, "look.weights": str(out / "backbone.safetensors") if name == NET else best}
    voice = {"voice.backbone": name, "voice.weights": best} if name == "av_mt_vgg_rnn" else {}
    options = look | voice | {"raw.model": model, "raw.weights": best}
    table = load(config.pipeline, device="cpu", **options).run(clips / "4.mkv").to_pandas()

    task = make_task(config.model_copy(update={"output": tmp_path / "again"}))
    network = task.objective.model
    avfer.models.weights.load_into(network.over_time, out / "best.safetensors", read_card(out / "best.json"))
    if name == NET:
        avfer.models.weights.load_into(network.backbone, out / "backbone.safetensors", read_card(out / "backbone.json"))
    with torch.inference_mode():
        prediction = task.objective.eval().predict_recording(task.dev[0], torch.device("cpu"))
    np.testing.assert_allclose(table["valence"], prediction.valence_arousal[0, :, 0], atol=2e-5)
    np.testing.assert_allclose(table["arousal"], prediction.valence_arousal[0, :, 1], atol=2e-5)
    assert table["valence"].std() > 1e-4
    if "expression" in targets:
        np.testing.assert_allclose(table["p_high"], prediction.expression_logits[0].softmax(1)[:, 1], atol=2e-5)


def test_predictions_do_not_depend_on_the_blocks_of_a_recording(clips, tmp_path, monkeypatch):
    task = make_task(settings(clips, tmp_path, with_voice=True, **video("av_mt_vgg_rnn")))
    predictions = []
    for block in (7, 1000):
        monkeypatch.setattr("avfer.training.sequences.sequence_objective.ENCODED", block)
        with torch.inference_mode():
            predictions.append(task.objective.eval().predict_recording(task.dev[0], torch.device("cpu")))
    for one, other in zip(*(list(x.tensors().values()) for x in predictions), strict=True):
        assert one.shape[:2] == (1, clip_corpus.STEPS)
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delay": "search"}, "delay: search needs features, not crops"),
        ({"backbone": {"name": "vggish"}}, "vggish is a voice backbone"),
        ({"backbone": {"name": "aver_lit"}}, "did you mean 'aver_lite'"),
        ({"backbone": {"name": "aver_lite"}, "size": 30}, "aver_lite reads no crops of 30 px"),
        (video("affwildnet_vgg_gru") | {"backbone": {"name": NET}}, "has a backbone of its own"),
        (video("affwildnet_vgg_gru") | {"targets": ["expression"]}, "predicts no expression"),
        (video("av_mt_vgg_rnn"), "has no stage embed_voice"),
    ],
)
def test_settings_that_do_not_fit_are_refused(clips, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        make_task(settings(clips, tmp_path, **changes))
    assert not (tmp_path / "out/best.safetensors").exists()


def test_avfer_train_reads_a_file_and_changes_its_keys(clips, tmp_path):
    config = settings(clips, tmp_path, epochs=7).model_dump_json()
    (tmp_path / "toy.yml").write_text(config)
    trained = avfer.train(tmp_path / "toy.yml", epochs=1, **{"optimiser.rate": 0.0})
    assert trained.epochs == 1
    assert trained.weights.exists() and (tmp_path / "out/backbone.safetensors").exists()
    with pytest.raises(ConfigError, match="epochs: settings change a YAML file"):
        avfer.train(settings(clips, tmp_path), epochs=1)

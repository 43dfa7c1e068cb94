"""Heads over features: what cannot work is told before a recording is embedded, what is odd about them after it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from avfer.errors import AvferError, AvferWarning, ConfigError, DatasetError
from avfer.models.weights import read_card
from avfer.training import kept
from avfer.training.affect import affect_task
from avfer.training.data.feature_cache import Embedder
from avfer.training.training_config import TrainConfig, make_config
from tests.training.filmed import film, write_pipeline

TEMPORAL = {"time": "gru", "width": 8, "layers": 1}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("filmed") / "clips", sound=True)


def settings(clips: Path, folder: Path, **changes: Any) -> TrainConfig:
    told = {"corpus": "tests.training.filmed:Filmed", "root": str(clips), "output": str(folder / "out")}
    told |= {"pipeline": str(write_pipeline(folder / "pipeline.yaml")), "model_options": TEMPORAL, "length": 50}
    return make_config(told | {"epochs": 1, "device": "cpu"} | changes, "the test")


def made(config: TrainConfig) -> Any:
    return affect_task(config, False, lambda *_: None)


@pytest.fixture(scope="module")
def weights(clips, tmp_path_factory) -> Path:
    """Of a model that tells low from high, in an order that is not the corpus' own."""
    folder = tmp_path_factory.mktemp("weights")
    task = made(settings(clips, folder, targets=["valence_arousal", "expression"]))
    task.card = task.card.model_copy(update={"classes": ["high", "low"]})
    task.export(task.objective, folder, {"score": 0.5})
    return folder / "best.safetensors"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_options": TEMPORAL | {"widht": 3}}, "model 'temporal': unknown option 'widht'; did you mean 'width'"),
        ({"model_options": TEMPORAL | {"time": "gruu"}}, "option time: Input should be 'none', 'gru'"),
        ({"model_options": TEMPORAL | {"width": "wide"}}, "option width: .*integer"),
        ({"model_options": TEMPORAL | {"layers": 0}}, "model 'temporal' cannot be made so"),
        ({"optimiser": {"rates": {"rader": 0.1}}}, r"optimiser\.rates: unknown part 'rader'; did you mean 'readers'"),
        ({"weights": "nowhere.safetensors"}, "no weight file at nowhere"),
        ({"settings": {"faces.sise": 3}}, "unknown option 'sise'; did you mean 'size'"),
    ],
)
def test_what_cannot_work_is_told_before_a_recording_is_embedded(clips, tmp_path, monkeypatch, changes, told):
    monkeypatch.setattr(Embedder, "features", lambda *_: pytest.fail("a recording is embedded"))
    with pytest.raises(AvferError, match=told):
        made(settings(clips, tmp_path, **changes))
    assert not (tmp_path / "out").exists()


def test_weights_that_tell_classes_are_none_for_labels_without(clips, tmp_path, weights):
    with pytest.raises(ConfigError, match=r"tells 2 classes \(high, low\) .*, but .* has 0 classes"):
        made(settings(clips, tmp_path, weights=weights))


def test_weights_keep_their_order_of_classes(clips, tmp_path, weights):
    told = {"targets": ["valence_arousal", "expression"]}
    own, task = made(settings(clips, tmp_path, **told)), made(settings(clips, tmp_path, weights=weights, **told))
    assert (own.card.classes, task.card.classes) == (["low", "high"], ["high", "low"])
    for ours, theirs in zip(own.dev, task.dev, strict=True):
        assert np.array_equal(ours.expression == 1, ours.expression_valid & (theirs.expression == 0))


@pytest.mark.parametrize("content", [None, b"", b"no film"])
def test_recordings_that_cannot_be_read_are_told_before_one_is_embedded(tmp_path, monkeypatch, content):
    monkeypatch.setattr(Embedder, "features", lambda *_: pytest.fail("a recording is embedded"))
    clips = film(tmp_path / "clips")
    for number in (1, 5):
        (clips / f"{number}.mkv").unlink() if content is None else (clips / f"{number}.mkv").write_bytes(content)
    with pytest.raises(DatasetError, match=r"^2 fault\(s\) of media: .*1\.mkv.*5\.mkv.*take their labels out$"):
        made(settings(clips, tmp_path))


def test_what_is_embedded_already_need_not_be_readable(clips, tmp_path, monkeypatch):
    made(settings(clips, tmp_path))
    monkeypatch.setattr(kept, "probe", lambda _: pytest.fail("a file is opened"))
    made(settings(clips, tmp_path))


def test_a_delay_that_leaves_no_label_is_told(clips, tmp_path):
    with pytest.raises(ConfigError, match=r"delay: moved by \(9\.0, 9\.0\) s, no label is left"):
        made(settings(clips, tmp_path, delay=9))


@pytest.mark.filterwarnings("always::avfer.errors.AvferWarning")
@pytest.mark.parametrize(("hidden", "told"), [(1, ["6 of 6 recordings show no face: 0, 1, 2, 3, 4, ..."]), (2, [])])
def test_recordings_in_which_nothing_is_seen_are_told(clips, tmp_path, hidden, told, recwarn):
    pipeline = write_pipeline(tmp_path / "dark.yaml", hidden=hidden)
    task = made(settings(clips, tmp_path, pipeline=str(pipeline)))
    assert [str(w.message) for w in recwarn if issubclass(w.category, AvferWarning)] == told
    features = task.dev[0].features
    assert features.has_face.tolist() == [not told] * 100 and features.face.any() == (not told)
    assert features.times == pytest.approx(np.arange(100) / 25, abs=2e-3), "whichever frames show a face"


@pytest.mark.parametrize("model", ["temporal", "linear_lite", "gru_lite", "aver"])
def test_every_affect_model_is_made_for_the_features_that_it_reads(clips, tmp_path, model):
    pipeline = write_pipeline(tmp_path / "hears.yaml", hears=True)
    task = made(settings(clips, tmp_path, model=model, model_options={}, pipeline=str(pipeline)))
    with torch.inference_mode():
        scores = task.score(task.objective.eval(), torch.device("cpu"))
    assert all(np.isfinite(value) for value in scores.values())


def test_the_card_tells_what_was_learned_from_and_how_it_was_scored(clips, tmp_path):
    task = made(settings(clips, tmp_path, delay={"arousal": 0.4}))
    task.export(task.objective, tmp_path, {"score": 0.25})
    card = read_card(tmp_path / "best.json")
    assert card.description.startswith("Trained by avfer on filmed. Labels of valence by 0 s and arousal by 0.4 s were")
    assert card.data == "filmed (made by a test), partition train; labels are the truth"
    assert card.trained_on == {"face": "aver_lite"} and card.licence_weights.startswith("as the terms of filmed")
    assert [(m.name, m.value, m.protocol.split(", ")[1]) for m in card.metrics] == [("score", 0.25, "partition dev")]


def test_the_model_is_told_the_scale_of_the_features(clips, tmp_path):
    layer = made(settings(clips, tmp_path)).objective.model.readers[0].face
    assert not layer.gain.eq(1).any() and layer.centre.any()


def test_weights_keep_the_scale_that_they_were_trained_with(clips, tmp_path, weights):
    tensors = load_file(weights) | {"readers.0.face.gain": torch.full((256,), 3.0)}
    other = tmp_path / weights.name
    save_file(tensors, other)
    card = read_card(weights.with_suffix(".json")).model_copy(update={"sha256": None})
    other.with_suffix(".json").write_text(card.model_dump_json())
    both = {"targets": ["valence_arousal", "expression"]}
    task = made(settings(clips, tmp_path, weights=str(other), **both))
    assert task.objective.model.readers[0].face.gain.eq(3).all()

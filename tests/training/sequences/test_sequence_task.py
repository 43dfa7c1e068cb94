"""Affect models over features: wrong settings are refused before features are computed; cards and warnings."""

import warnings
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from avfer.errors import AvferError, AvferWarning, ConfigError, DatasetError
from avfer.models.card_files import read_card
from avfer.progress import no_progress
from avfer.training.data import recording_cache
from avfer.training.data.feature_cache import FeatureCache
from avfer.training.scores import TargetScores, mean_of_steps
from avfer.training.sequences.sequence_task import sequence_task, warn_of_other_rate
from avfer.training.training_config import TrainConfig, make_config
from tests.training import toy_recordings as toy
from tests.training.clip_corpus import write_clips, write_pipeline

TEMPORAL = {"time": "gru", "width": 8, "layers": 1}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("filmed") / "clips", audio=True)


def settings(clips: Path, folder: Path, **changes: Any) -> TrainConfig:
    values = {"corpus": "tests.training.clip_corpus:FilmedClips", "root": str(clips), "output": str(folder / "out")}
    values |= {"pipeline": str(write_pipeline(folder / "pipeline.yaml")), "model_options": TEMPORAL, "length": 50}
    return make_config(values | {"epochs": 1, "device": "cpu"} | changes, "the test")


def make_task(config: TrainConfig) -> Any:
    """Return the task, whose features all tests of these clips share."""
    shared = config.root.parent / "features"
    shared.mkdir(exist_ok=True)
    config.output.mkdir(parents=True, exist_ok=True)
    if not (config.output / "features").exists():
        (config.output / "features").symlink_to(shared)
    return sequence_task(config, False, no_progress)


@pytest.fixture(scope="module")
def weights(clips, tmp_path_factory) -> Path:
    """Write weights of a model with the classes high and low, in another order than the corpus."""
    folder = tmp_path_factory.mktemp("weights")
    task = make_task(settings(clips, folder, targets=["valence_arousal", "expression"]))
    task.card = task.card.model_copy(update={"classes": ["high", "low"]})
    task.export(task.objective, folder, {"score": 0.5})
    return folder / "best.safetensors"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_options": TEMPORAL | {"widht": 3}}, "model 'temporal': unknown option 'widht'; did you mean 'width'"),
        ({"model_options": TEMPORAL | {"time": "gruu"}}, "option time: must be 'none', 'gru'"),
        ({"model_options": TEMPORAL | {"width": "wide"}}, "option width: .*integer"),
        ({"model_options": TEMPORAL | {"layers": 0}}, "model 'temporal': .*greater than zero"),
        ({"optimiser": {"rates": {"rader": 0.1}}}, r"optimiser\.rates: unknown part 'rader'; did you mean 'readers'"),
        ({"weights": "nowhere.safetensors"}, "weights: there is no file nowhere"),
        ({"settings": {"faces.sise": 3}}, "unknown option 'sise'; did you mean 'size'"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_features_are_computed(
    clips, tmp_path, monkeypatch, changes, message
):
    monkeypatch.setattr(FeatureCache, "load", lambda *_: pytest.fail("features are computed"))
    with pytest.raises(AvferError, match=message):
        sequence_task(settings(clips, tmp_path, **changes), False, no_progress)
    assert not (tmp_path / "out").exists()


def test_weights_with_classes_are_refused_for_labels_without(clips, tmp_path, weights):
    with pytest.raises(ConfigError, match=r"has 2 classes \(high, low\) .*, but .* has 0 classes"):
        make_task(settings(clips, tmp_path, weights=weights))


def test_weights_keep_their_order_of_classes(clips, tmp_path, weights):
    targets = {"targets": ["valence_arousal", "expression"]}
    fresh = make_task(settings(clips, tmp_path, **targets))
    task = make_task(settings(clips, tmp_path, weights=weights, **targets))
    assert (fresh.card.classes, task.card.classes) == (["low", "high"], ["high", "low"])
    for ours, theirs in zip(fresh.dev, task.dev, strict=True):
        is_high = ours.labels.expression_valid & (theirs.labels.expression == 0)
        assert torch.equal(ours.labels.expression == 1, is_high)


@pytest.mark.parametrize("content", [None, b"", b"not a video"])
def test_unreadable_recordings_are_refused_before_features_are_computed(tmp_path, monkeypatch, content):
    monkeypatch.setattr(FeatureCache, "load", lambda *_: pytest.fail("features are computed"))
    clips = write_clips(tmp_path / "clips")
    for number in (1, 5):
        (clips / f"{number}.mkv").unlink() if content is None else (clips / f"{number}.mkv").write_bytes(content)
    with pytest.raises(DatasetError, match=r"^2 unreadable recordings: .*1\.mkv.*5\.mkv.*remove their labels$"):
        make_task(settings(clips, tmp_path))


def test_recordings_with_cached_features_are_not_opened(clips, tmp_path, monkeypatch):
    make_task(settings(clips, tmp_path))
    monkeypatch.setattr(recording_cache, "probe", lambda _: pytest.fail("a file is opened"))
    make_task(settings(clips, tmp_path))


def test_a_delay_does_not_concern_labels_of_whole_clips(clips, tmp_path):
    corpus, targets = "tests.training.clip_corpus:WholeClips", ["valence_arousal", "expression"]
    task = make_task(settings(clips, tmp_path, corpus=corpus, targets=targets, delay=9))
    assert task.delays == (0.0, 0.0) and "moved earlier" not in str(task.card)


def test_a_delay_that_leaves_no_label_is_refused(clips, tmp_path):
    with pytest.raises(ConfigError, match=r"delay: \(9\.0, 9\.0\) s moves every label out of its recording"):
        make_task(settings(clips, tmp_path, delay=9))


@pytest.mark.filterwarnings("always::avfer.errors.AvferWarning")
@pytest.mark.parametrize(
    ("hidden", "expected"),
    [(1, ["no face at any labelled step of 6 of 6 recordings: 0, 1, 2, 3, 4, and 1 more"]), (3, [])],
)
def test_recordings_without_any_face_cause_a_warning(clips, tmp_path, hidden, expected, recwarn):
    pipeline = write_pipeline(tmp_path / "dark.yaml", hidden=hidden)
    task = make_task(settings(clips, tmp_path, pipeline=str(pipeline)))
    assert [str(w.message) for w in recwarn if issubclass(w.category, AvferWarning)] == expected
    features = task.dev[0].inputs
    assert features.has_face.tolist() == [not expected] * 100 and features.face.any() == (not expected)
    assert features.times == pytest.approx(np.arange(100) / 25, abs=2e-3), "whichever frames have a face"
    assert features.row_step == pytest.approx(0.04, abs=2e-3) or expected


@pytest.mark.parametrize(
    ("row_step", "message"),
    [
        (
            0.01,
            r"every 0\.04 s, but the pipeline predicts every 0\.01 s.*frames\.fps=25 --set tracks\.max_gap=0\.5, or",
        ),
        (0.2, r"every 0\.04 s, but the pipeline predicts every 0\.2 s.*\(interpolate\), or take model_options"),
        (0.042, None),
        (float("nan"), None),
    ],
)
def test_labels_at_another_rate_than_the_rows_of_the_pipeline_cause_a_warning(row_step, message):
    some = [toy.recording(seed, length=20) for seed in range(2)]
    recordings = [replace(r, inputs=replace(r.inputs, row_step=row_step)) for r in some]
    with pytest.warns(AvferWarning, match=message) if message else nullcontext():
        warn_of_other_rate(recordings)


def test_the_rate_of_labels_of_whole_clips_causes_no_warning():
    some = toy.recording(0, length=20)
    warn_of_other_rate([replace(some, inputs=replace(some.inputs, row_step=0.01), whole_clip=True)])


def test_tracks_may_be_interrupted_for_two_steps_of_slow_labels():
    some = toy.recording(0, length=20)
    slow = replace(some.inputs, times=some.inputs.times * 25, row_step=0.04)  # a label each second
    with pytest.warns(AvferWarning, match=r"frames\.fps=1 --set tracks\.max_gap=2, or"):
        warn_of_other_rate([replace(some, inputs=slow)])


def test_the_rate_matters_to_networks_that_count_steps(clips, tmp_path, monkeypatch):
    load, warned = FeatureCache.load, dict[str, bool]()
    monkeypatch.setattr(FeatureCache, "load", lambda *arguments: replace(load(*arguments), row_step=0.2))
    for time in ("gru", "tcn", "none", "transformer"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            make_task(settings(clips, tmp_path, model_options={"time": time, "width": 8, "layers": 1}))
        warned[time] = any("counts steps" in str(w.message) for w in caught)
    assert warned == {"gru": True, "tcn": True, "none": False, "transformer": False}


@pytest.mark.parametrize("model", ["temporal", "linear_lite", "gru_lite", "aver"])
def test_every_affect_model_is_created_for_the_width_of_the_features(clips, tmp_path, model):
    pipeline = write_pipeline(tmp_path / "voice.yaml", with_voice=True)
    task = make_task(settings(clips, tmp_path, model=model, model_options={}, pipeline=str(pipeline)))
    with torch.inference_mode():
        scores = task.score(task.objective.eval(), torch.device("cpu"))
    assert all(np.isfinite(value) for value in scores.values())


def test_the_card_states_training_data_and_scores(clips, tmp_path):
    task = make_task(settings(clips, tmp_path, delay={"arousal": 0.4}))
    task.export(task.objective, tmp_path, {"score": 0.25})
    card = read_card(tmp_path / "best.json")
    assert card.description.startswith("Trained by avfer on filmed. Labels of valence by 0 s and arousal by 0.4 s were")
    assert card.data == "filmed (made by a test), partition train; labels are the truth"
    assert card.temperature == 1
    assert card.trained_on == {"face": "aver_lite"} and card.licence_weights.startswith("as the terms of filmed")
    assert [(m.name, m.value, m.protocol.split(", ")[1]) for m in card.metrics] == [("score", 0.25, "partition dev")]


def test_the_model_is_standardised_to_the_features(clips, tmp_path):
    layer = make_task(settings(clips, tmp_path)).objective.model.readers[0].face
    assert not layer.gain.eq(1).any() and layer.centre.any()


def test_weights_keep_their_standardisation(clips, tmp_path, weights):
    tensors = load_file(weights) | {"readers.0.face.gain": torch.full((256,), 3.0)}
    other = tmp_path / weights.name
    save_file(tensors, other)
    card = read_card(weights.with_suffix(".json")).model_copy(update={"sha256": None})
    other.with_suffix(".json").write_text(card.model_dump_json())
    both = {"targets": ["valence_arousal", "expression"]}
    task = make_task(settings(clips, tmp_path, weights=str(other), **both))
    assert task.objective.model.readers[0].face.gain.eq(3).all()


def test_a_label_of_a_whole_clip_is_learned_at_every_step_and_scored_once_a_clip(clips, tmp_path):
    corpus = "tests.training.clip_corpus:WholeClips"
    task = make_task(settings(clips, tmp_path, corpus=corpus, targets=["expression"], length=30, stride=30))
    assert [len(recording) for recording in task.dev] == [100, 100] and len(task.train) == 4 * 4
    assert all(len(recording.labels.expression.unique()) == 1 for recording in task.dev)
    scores, added = TargetScores(["expression"], task.names), []
    scores.add = lambda prediction, labels: added.append((prediction, labels))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("avfer.training.sequences.sequence_task.TargetScores", lambda *_: scores)
        patch.setattr(scores, "result", dict)
        task.score(task.objective, torch.device("cpu"))
    assert [(len(found.expression_logits), len(labels.expression)) for found, labels in added] == [(1, 1), (1, 1)]
    assert [int(labels.expression) for _, labels in added] == [0, 1]
    task.export(task.objective, tmp_path, {"score": 0.5})
    (metric,) = read_card(tmp_path / "best.json").metrics
    assert metric.protocol.endswith("partition dev, joined, whole clips by the mean of their predictions")
    assert task.scored_partition().whole_clips == 2


def test_steps_without_face_and_voice_do_not_count_in_the_score_of_a_whole_clip(clips, tmp_path, monkeypatch):
    corpus = "tests.training.clip_corpus:WholeClips"
    task = make_task(settings(clips, tmp_path, corpus=corpus, targets=["expression"]))
    first, second = (recording.inputs for recording in task.dev)
    first.has_face[:] = first.has_voice[:] = second.has_face[:] = second.has_voice[:] = False
    first.has_voice[10:30] = second.has_face[20:60] = True
    counts: list[int] = []

    def mean(prediction, has_input):
        counts.append(int(has_input.sum()))
        return mean_of_steps(prediction, has_input)

    monkeypatch.setattr("avfer.training.sequences.sequence_task.mean_of_steps", mean)
    task.score(task.objective, torch.device("cpu"))
    assert counts == [20, 40]

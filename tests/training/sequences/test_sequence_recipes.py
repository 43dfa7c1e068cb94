"""Recipes of the Aff-Wild2 networks and of AVER's voice, each run on a few seconds of clips whose truth is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from avfer.catalog import find, kind_of
from avfer.datasets.example import Example
from avfer.errors import ConfigError
from avfer.models.card_files import read_card
from avfer.pipeline import load
from avfer.pipeline_config import read_pipeline
from avfer.progress import no_progress
from avfer.training.data.audio_cache import AudioCache
from avfer.training.sequences.sequence_task import sequence_task
from avfer.training.train_model import Trained, train
from avfer.training.training_config import TrainConfig, read_config
from avfer.types import Clip
from tests.training import clip_corpus

ROOT = Path(__file__).parents[3] / "configs" / "train"
NETWORKS = ("affwildnet_vgg", "affwildnet_vgg_gru", "affwildnet_resnet_gru", "mt_vgg", "mt_arcvgg", "av_mt_vgg_rnn")
SMALL = {"width": 2, "num_features": 64}
SIZES: dict[str, dict[str, Any]] = {
    "affwildnet_vgg": SMALL | {"num_hidden": 16},
    "affwildnet_vgg_gru": SMALL | {"num_hidden": 16},
    "affwildnet_resnet_gru": {"width": 2, "num_hidden": 16},
    "mt_vgg": SMALL,
    "mt_arcvgg": SMALL | {"num_embedding": 16},
    "av_mt_vgg_rnn": SMALL | {"num_hidden": 16},
    "aver_voice": {"dropout": 0.0},
}
COLUMNS = {
    "valence_arousal": ["valence", "arousal"],
    "expression": ["p_low", "p_high"],
    "action_units": ["au12", "au04"],
}
RECIPES = {path.stem: read_config(path) for path in sorted(ROOT.glob("*.yaml"))}
OVER_TIME = [name for name, config in RECIPES.items() if kind_of(config.model) in {"video model", "voice backbone"}]
IMAGES = [name for name, config in RECIPES.items() if config.model in NETWORKS and name not in OVER_TIME]


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    return clip_corpus.write_face_images(
        clip_corpus.write_clips(tmp_path_factory.mktemp("recipes") / "clips", audio=True)
    )


def short(name: str, folder: Path, **changes: Any) -> TrainConfig:
    """Return a recipe with a small network, few epochs and other changes."""
    recipe = RECIPES[name]
    values = {"output": str(folder / "out"), "epochs": 8, "workers": 1, "device": "cpu", **changes}
    values |= {"weights": None, "new_head": False}
    values |= {f"model_options.{option}": value for option, value in SIZES[recipe.model].items()}
    return read_config(ROOT / f"{name}.yaml", values)


def over_time(name: str, clips: Path, folder: Path, **changes: Any) -> TrainConfig:
    with_voice = "settings" in yaml.safe_load((ROOT / f"{name}.yaml").read_text())
    pipeline = clip_corpus.write_pipeline(folder / "toy.yaml", with_voice)
    values: dict[str, Any] = {
        "corpus": "tests.training.clip_corpus:FilmedClips",
        "root": str(clips),
        "options": {},
        "delay": 0.0,
    }
    values |= {"pipeline": str(pipeline), "length": 20, "stride": 20, "optimiser.rate": 1e-2}
    if RECIPES[name].model == "aver_voice":
        values |= {"settings": {"voice.hop": 0.2}, "length": 50, "stride": 50, "optimiser.rate": 1e-3}
        values |= {"batch": 2, "epochs": 3}
    return short(name, folder, **values | changes)


def loss_fell(folder: Path) -> bool:
    losses = pd.read_csv(folder / "out/metrics.csv")["loss"].to_numpy()
    return losses[-1] < 0.9 * losses[0]


def in_pipeline(config: TrainConfig, trained: Trained, clip: Path) -> pd.DataFrame:
    """Return the table of a pipeline that uses the trained file wherever it names the network."""
    name, inputs = config.model, read_card(trained.weights.with_suffix(".json")).inputs
    stages = {"look": "backbone"} if "face" in inputs or not inputs else {}
    stages |= {"voice": "backbone"} if "voice" in inputs else {}
    stages |= {"raw": "model"} if inputs else {}
    changes: dict[str, Any] = {f"{stage}.{option}": name for stage, option in stages.items()}
    weights = {f"{stage}.weights": str(trained.weights) for stage in stages}
    pipeline = config.pipeline if "look" in stages else "voice"
    if pipeline == "voice":
        changes["spoken.threshold"] = 0.0  # the clips have noise for a voice
    return load(pipeline, device="cpu", **changes, **weights).run(clip).to_pandas()


def assert_predicts_targets(config: TrainConfig, table: pd.DataFrame) -> None:
    """Assert that the table has changing values for every frame of the targets, and no others."""
    for target, columns in COLUMNS.items():
        columns_found = [table[column] for column in columns if column in table and table[column].notna().all()]
        assert len(columns_found) == (len(columns) if target in config.targets else 0)
        assert all(values.std() > 1e-5 for values in columns_found)


@pytest.mark.slow
@pytest.mark.parametrize("name", OVER_TIME)
def test_a_recipe_over_time_learns_and_a_pipeline_uses_its_weights(clips, tmp_path, name):
    config = over_time(name, clips, tmp_path)
    trained = train(config)
    assert loss_fell(tmp_path)
    assert_predicts_targets(config, in_pipeline(config, trained, clips / "4.mkv"))


@pytest.mark.parametrize("name", IMAGES)
def test_a_recipe_for_images_learns_and_a_pipeline_uses_its_weights(clips, tmp_path, name):
    values = {"corpus": "tests.training.clip_corpus:FilmedClips", "root": str(clips), "options": {"cropped": True}}
    config = short(name, tmp_path, **values, batch=16, epochs=3, **{"optimiser.rate": 3e-3})
    trained = train(config)
    assert loss_fell(tmp_path)
    pipeline = clip_corpus.write_pipeline(tmp_path / "toy.yaml")
    assert_predicts_targets(
        config, in_pipeline(config.model_copy(update={"pipeline": str(pipeline)}), trained, clips / "4.mkv")
    )


def test_the_end_to_end_recipe_trains_the_face_network(clips, tmp_path):
    pipeline = str(clip_corpus.write_pipeline(tmp_path / "toy.yaml", with_voice=True))
    changes = {"corpus": "tests.training.clip_corpus:FilmedClips", "root": str(clips), "options": {"cropped": True}}
    changes |= {"pipeline": pipeline, "output": str(tmp_path / "out"), "device": "cpu", "workers": 1}
    config = read_config(ROOT / "aff_wild2_va_end_to_end.yaml", changes)
    task = sequence_task(config, False, no_progress)
    task.objective(task.batch([0, 1])).backward()
    grads = {name: p.grad for name, p in task.objective.model.backbone.named_parameters() if p.grad is not None}
    assert grads["stem.0.weight"].any()


def test_every_network_of_aff_wild2_has_a_recipe():
    assert {config.model for config in RECIPES.values()} >= {*NETWORKS, "aver_voice"}


@pytest.mark.parametrize("name", [name for name in OVER_TIME + IMAGES if RECIPES[name].optimiser.rates])
def test_pre_trained_parts_have_a_tenth_of_the_rate(name):
    recipe = RECIPES[name]
    with torch.device("meta"):
        model = find(kind_of(recipe.model), recipe.model)(**recipe.model_options)
    for part, factor in recipe.optimiser.rates.items():
        assert factor == 0.1
        assert model.get_submodule(part)
    assert "vgg_face" in model.start_parts() or recipe.model == "aver_voice"


@pytest.mark.parametrize("hop", [0.04, 0.2, 1.2])
def test_patches_equal_the_audio_though_shared_frames_are_stored_once(clips, tmp_path, hop):
    spec = read_pipeline(str(clip_corpus.write_pipeline(tmp_path / "toy.yaml", with_voice=True)), {"voice.hop": hop})
    cache = AudioCache(spec, True, tmp_path, "cpu")
    whole = torch.cat([part.values for part in cache.parts(Clip(clips / "0.mkv"))]).unflatten(1, (96, 64)).numpy()
    times = np.arange(60, 90) / clip_corpus.FPS
    audio = cache.load(Example("0", "train", {}, video=clips / "0.mkv"), times)
    assert len(np.load(audio.frames)) == 96 + (len(whole) - 1) * min(96, round(100 * hop))
    for some in (slice(0, 30), slice(7, 11)):
        part = audio.slice(some)
        first = int(audio.values[some].min())
        assert np.array_equal(part["patches"], whole[first : first + len(part["patches"])])
        assert np.allclose(part["voice"] + first, audio.values[some], atol=1e-5)
        assert part["voice"].max() <= len(part["patches"]) - 1


def test_the_voice_is_trained_without_reading_a_face(clips, tmp_path, monkeypatch):
    monkeypatch.setattr("avfer.training.data.clip_cache.ClipCache.load", lambda *_: pytest.fail("a face was read"))
    task = sequence_task(over_time("aver_voice_recola", clips, tmp_path), False, no_progress)
    batch = task.batch([0, 1])
    assert batch.face.numel() == 0 and batch.has_voice.all() and batch.patches.shape[2:] == (96, 64)


def test_a_label_of_a_whole_clip_is_learned_25_times_a_second_from_its_voice(clips, tmp_path):
    config = over_time("aver_voice_recola", clips, tmp_path, corpus="tests.training.clip_corpus:WholeClips")
    task = sequence_task(config, False, no_progress)
    (first, *_) = task.dev
    assert first.whole_clip and first.inputs.has_voice.all()
    assert first.inputs.times == pytest.approx(np.arange(100) * 0.04, abs=0.03)


@pytest.mark.slow
def test_a_fusion_is_trained_on_the_trained_voice(clips, tmp_path):
    """By recola_aver.yaml, with features of the trained voice."""
    trained = train(over_time("aver_voice_recola", clips, tmp_path, epochs=1, length=20, stride=80))
    settings = {"voice.backbone": "aver_voice", "voice.weights": str(trained.weights)}
    pipeline = str(clip_corpus.write_pipeline(tmp_path / "both.yaml", with_voice=True))
    values = {
        "corpus": "tests.training.clip_corpus:FilmedClips",
        "root": str(clips),
        "output": str(tmp_path / "fusion"),
    }
    values |= {"pipeline": pipeline, "settings": settings, "delay": 0.0, "length": 50, "epochs": 4, "device": "cpu"}
    fused = train(read_config(ROOT / "recola_aver.yaml", values))
    card = read_card(fused.weights.with_suffix(".json"))
    assert card.inputs == {"face": 256, "voice": 256} and card.trained_on["voice"] == "aver_voice"
    changes = settings | {"raw.model": "aver", "raw.weights": str(fused.weights)}
    assert load(pipeline, device="cpu", **changes).run(clips / "4.mkv").to_pandas()["arousal"].std() > 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": "vggish", "model_options": {}},
            "vggish predicts no affect, so it cannot be trained; use aver_voice",
        ),
        ({"targets": ["expression"]}, "aver_voice predicts no expression"),
        ({"start": {"vgg": "x.pth"}}, "unknown part 'vgg'"),
    ],
)
def test_a_voice_that_cannot_be_trained_is_refused(clips, tmp_path, changes, message):
    config = over_time("aver_voice_recola", clips, tmp_path)
    with pytest.raises(ConfigError, match=message):
        sequence_task(config.model_copy(update=changes), False, no_progress)

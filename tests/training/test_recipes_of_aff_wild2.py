"""Recipes of the Aff-Wild2 networks and of AVER's voice, each run on a few seconds whose truth is known."""

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
from avfer.models.weights import read_card
from avfer.pipeline import load
from avfer.pipeline_config import read_pipeline
from avfer.training.sounds import Listener
from avfer.training.train import Trained, train
from avfer.training.training_config import TrainConfig, read_config
from avfer.training.videos import video_task
from avfer.types import Clip
from tests.training import filmed

ROOT = Path(__file__).parents[2] / "configs" / "train"
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
OVER_TIME = [name for name, told in RECIPES.items() if kind_of(told.model) in {"video model", "voice backbone"}]
STILLS = [name for name, told in RECIPES.items() if told.model in NETWORKS and name not in OVER_TIME]


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    return filmed.crop_out(filmed.film(tmp_path_factory.mktemp("recipes") / "clips", sound=True))


def short(name: str, folder: Path, **changes: Any) -> TrainConfig:
    """A recipe as it stands, but small, quick, and on another corpus."""
    told = RECIPES[name]
    given = {"output": str(folder / "out"), "epochs": 8, "workers": 1, "device": "cpu", **changes}
    given |= {f"model_options.{option}": value for option, value in SIZES[told.model].items()}
    return read_config(ROOT / f"{name}.yaml", given)


def over_time(name: str, clips: Path, folder: Path, **changes: Any) -> TrainConfig:
    hears = "settings" in yaml.safe_load((ROOT / f"{name}.yaml").read_text())
    pipeline = filmed.write_pipeline(folder / "toy.yaml", hears)
    given: dict[str, Any] = {"corpus": "tests.training.filmed:Filmed", "root": str(clips), "options": {}, "delay": 0.0}
    given |= {"pipeline": str(pipeline), "length": 20, "stride": 20, "optimiser.rate": 1e-2}
    if RECIPES[name].model == "aver_voice":
        given |= {"settings": {"voice.hop": 0.2}, "length": 50, "stride": 50, "optimiser.rate": 1e-3}
        given |= {"batch": 2, "epochs": 3}
    return short(name, folder, **given | changes)


def fell(folder: Path) -> bool:
    losses = pd.read_csv(folder / "out/metrics.csv")["loss"].to_numpy()
    return losses[-1] < 0.9 * losses[0]


def in_pipeline(config: TrainConfig, trained: Trained, clip: Path) -> pd.DataFrame:
    """What the trained file tells in all the places where it is named."""
    name, inputs = config.model, read_card(trained.weights.with_suffix(".json")).inputs
    stages = {"look": "backbone"} if "face" in inputs or not inputs else {}
    stages |= {"voice": "backbone"} if "voice" in inputs else {}
    stages |= {"raw": "model"} if inputs else {}
    changes = {f"{stage}.{option}": name for stage, option in stages.items()}
    weights = {f"{stage}.weights": str(trained.weights) for stage in stages}
    pipeline = config.pipeline if "look" in stages else "voice"
    return load(pipeline, device="cpu", **changes, **weights).run(clip).to_pandas()


def check(config: TrainConfig, table: pd.DataFrame) -> None:
    """What was a target is told of every frame and changes; what was none is not told."""
    for target, columns in COLUMNS.items():
        told = [table[column] for column in columns if column in table and table[column].notna().all()]
        assert len(told) == (len(columns) if target in config.targets else 0)
        assert all(values.std() > 1e-5 for values in told)


@pytest.mark.slow
@pytest.mark.parametrize("name", OVER_TIME)
def test_a_recipe_over_time_learns_and_its_file_is_read_by_a_pipeline(clips, tmp_path, name):
    config = over_time(name, clips, tmp_path)
    trained = train(config)
    assert fell(tmp_path)
    check(config, in_pipeline(config, trained, clips / "4.mkv"))


@pytest.mark.parametrize("name", STILLS)
def test_a_recipe_of_single_pictures_learns_and_its_file_is_read_by_a_pipeline(clips, tmp_path, name):
    given = {"corpus": "tests.training.filmed:Filmed", "root": str(clips), "options": {"cropped": True}}
    config = short(name, tmp_path, **given, batch=16, epochs=3, **{"optimiser.rate": 3e-3})
    trained = train(config)
    assert fell(tmp_path)
    pipeline = filmed.write_pipeline(tmp_path / "toy.yaml")
    check(config, in_pipeline(config.model_copy(update={"pipeline": str(pipeline)}), trained, clips / "4.mkv"))


def test_every_network_of_aff_wild2_has_a_recipe():
    assert {told.model for told in RECIPES.values()} >= {*NETWORKS, "aver_voice"}


@pytest.mark.parametrize("name", [name for name in OVER_TIME + STILLS if RECIPES[name].optimiser.rates])
def test_what_was_learned_elsewhere_learns_at_a_tenth(name):
    told = RECIPES[name]
    with torch.device("meta"):
        model = find(kind_of(told.model), told.model)(**told.model_options)
    for part, factor in told.optimiser.rates.items():
        assert factor == 0.1
        assert model.get_submodule(part)
    assert "vgg_face" in model.start_parts() or told.model == "aver_voice"


@pytest.mark.parametrize("hop", [0.04, 0.2, 1.2])
def test_patches_are_what_was_heard_though_their_frames_are_kept_once(clips, tmp_path, hop):
    spec = read_pipeline(str(filmed.write_pipeline(tmp_path / "toy.yaml", hears=True)), {"voice.hop": hop})
    listener = Listener(spec, True, tmp_path, "cpu")
    whole = torch.cat([part.values for part in listener._parts(Clip(clips / "0.mkv"))]).unflatten(1, (96, 64)).numpy()
    times = np.arange(60, 90) / filmed.FPS
    heard = listener.hear(Example("0", "train", {}, video=clips / "0.mkv"), times)
    assert len(np.load(heard.frames)) == 96 + (len(whole) - 1) * min(96, round(100 * hop))
    for some in (slice(0, 30), slice(7, 11)):
        part = heard.cut(some)
        first = int(heard.values[some].min())
        assert np.array_equal(part["sound"], whole[first : first + len(part["sound"])])
        assert np.allclose(part["voice"] + first, heard.values[some], atol=1e-5)
        assert part["voice"].max() <= len(part["sound"]) - 1


def test_the_voice_is_trained_without_a_single_picture(clips, tmp_path, monkeypatch):
    monkeypatch.setattr("avfer.training.data.clip_cache.Filmer.footage", lambda *_: pytest.fail("a picture was looked at"))
    task = video_task(over_time("aver_voice_recola", clips, tmp_path), False, lambda *_: None)
    batch = task.batch([0, 1])
    assert batch.face.numel() == 0 and batch.has_voice.all() and batch.sound.shape[2:] == (96, 64)


def test_a_fusion_reads_the_voice_that_was_trained(clips, tmp_path):
    """As recola_aver.yaml does: features of the trained voice, kept once."""
    trained = train(over_time("aver_voice_recola", clips, tmp_path, epochs=1))
    settings = {"voice.backbone": "aver_voice", "voice.weights": str(trained.weights)}
    pipeline = str(filmed.write_pipeline(tmp_path / "both.yaml", hears=True))
    given = {"corpus": "tests.training.filmed:Filmed", "root": str(clips), "output": str(tmp_path / "fusion")}
    given |= {"pipeline": pipeline, "settings": settings, "delay": 0.0, "length": 50, "epochs": 4, "device": "cpu"}
    fused = train(read_config(ROOT / "recola_aver.yaml", given))
    card = read_card(fused.weights.with_suffix(".json"))
    assert card.inputs == {"face": 256, "voice": 256} and card.trained_on["voice"] == "aver_voice"
    changes = settings | {"raw.model": "aver", "raw.weights": str(fused.weights)}
    assert load(pipeline, device="cpu", **changes).run(clips / "4.mkv").to_pandas()["arousal"].std() > 1e-4


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"model": "vggish", "model_options": {}},
            "vggish tells no affect, so there is nothing to learn; take aver_voice",
        ),
        ({"targets": ["expression"]}, "aver_voice tells no expression"),
        ({"start": {"vgg": "x.pth"}}, "unknown part 'vgg'"),
    ],
)
def test_a_voice_that_cannot_learn_is_told_with_the_way_out(clips, tmp_path, changes, told):
    config = over_time("aver_voice_recola", clips, tmp_path)
    with pytest.raises(ConfigError, match=told):
        video_task(config.model_copy(update=changes), False, lambda *_: None)

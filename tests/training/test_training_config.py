"""Configurations are checked when they are read: keys, values, and the recipes in configs/train."""

import re
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from avfer.errors import ConfigError, DatasetError
from avfer.training.train_model import train
from avfer.training.training_config import TrainConfig, make_config, read_config

RECIPES = sorted(Path(__file__).parents[2].glob("configs/train/*.yaml"))
OF_THE_MACHINE = {"device", "devices", "save_every"}  # set by --set, not by recipes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("corpus: table\nroot: .\nepoch: 3\n", r"unknown key 'epoch'; did you mean 'epochs'\? \(.*x\.yaml, line 3\)"),
        ("corpus: table\nroot: .\nema: 0.9\n", r"the key 'ema' was removed: .* \(.*x\.yaml, line 3\)"),
        ("corpus: table\nroot: .\nloss:\n  votes: true\n  vote: true\n", r"loss: unknown key 'vote'; .*line 5\)"),
        (
            "corpus: table\nroot: .\ndelay: abc\n",
            r"^delay: must be a number, 'search' or a mapping, got 'abc' \(.*x\.yaml, line 3\)$",
        ),
        ("corpus: table\nroot: .\ndelay: true\n", "delay: must be a number, 'search' or a mapping, got True"),
        ("corpus: table\nroot: .\nbackbone: dan\n", "backbone: must be a mapping, got 'dan'"),
        ("corpus: table\nroot: .\noptimiser: {rate: fast}\n", r"optimiser\.rate: .*number.*'fast'"),
        ("corpus: table\nroot: .\ntargets: [smile]\n", r"targets\.0: "),
        ("- corpus\n", "must be a mapping"),
        (
            "corpus: table\nroot: .\naccumulate: 2\noptimiser: {sam: 0.05}\n",
            r"^optimiser\.sam takes two passes.*x\.yaml\)$",
        ),
        ("corpus: table\nroot: .\noptimiser: {every: 0}\n", r"optimiser.every: must be in \(0, 1000000\], got 0"),
        ("corpus: table\nroot: .\nepochs: .nan\n", r"epochs: must be finite, got nan \(.*x\.yaml, line 3\)"),
        (
            "corpus: table\nroot: .\noptimiser:\n  rate: -1\n",
            r"optimiser\.rate: must be in \[0, 1000000\], got -1 .*line 4\)",
        ),
        ("corpus: 2024-13-01\nroot: [a]\n", r"root: .* \(.*x\.yaml, line 2\)"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_file_with_an_error_is_refused_with_the_key(tmp_path, content, message):
    (tmp_path / "x.yaml").write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_config(tmp_path / "x.yaml")


def test_settings_change_any_key(tmp_path):
    (tmp_path / "x.yaml").write_text("corpus: table\nroot: .\n")
    found = read_config(tmp_path / "x.yaml", {"optimiser.rate": 0.5, "root": "/there", "model_options.width": 7})
    assert (found.optimiser.rate, found.root, found.model_options) == (0.5, Path("/there"), {"width": 7})
    with pytest.raises(ConfigError, match="'corpus' has no options"):
        read_config(tmp_path / "x.yaml", {"corpus.name": "x"})


def test_a_wrong_setting_is_named_in_place_of_a_line(tmp_path):
    (tmp_path / "x.yaml").write_text("corpus: table\nroot: .\noptimiser: {rate: 0.1}\n")
    with pytest.raises(
        ConfigError, match=r"optimiser\.rate: must be in \[0, 1000000\], got -1 \(the setting optimiser\.rate\)"
    ):
        read_config(tmp_path / "x.yaml", {"optimiser.rate": -1})
    with pytest.raises(ConfigError, match=r"unknown key 'epoch'; .* \(the setting epoch\)"):
        read_config(tmp_path / "x.yaml", {"epoch": 3})


def test_settings_of_the_pipeline_can_be_nested(tmp_path):
    (tmp_path / "x.yaml").write_text("corpus: table\nroot: .\nsettings: {look.backbone: dan, boxes.min_size: 20}\n")
    found = read_config(tmp_path / "x.yaml", {"settings.look.backbone": "poster"}).settings
    assert found == {"look.backbone": "poster", "boxes.min_size": 20}


@pytest.mark.parametrize("changes", [{"targets": []}, {"loss": {"valence_arousal": 0}}])
def test_a_configuration_without_a_loss_is_refused(changes):
    with pytest.raises(ConfigError, match="leave nothing to learn"):
        make_config({"corpus": "table", "root": ".", **changes}, "x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, r"epochs: must be in \(0, 1000000\], got 0"),
        ({"batch": -4}, r"batch: must be in \(0, 65536\], got -4"),
        ({"optimiser": {"rate": float("nan")}}, r"optimiser\.rate: .*finite"),
        ({"batch": 10**9}, r"batch: must be in \(0, 65536\]"),
        ({"threads": 100_000}, r"threads: must be in \[1, 256\]"),
        ({"seed": 2**64}, r"seed: must be in \[0, 4294967296\)"),
        ({"size": 5000}, r"size: must be in \[8, 1024\]"),
        ({"epochs": True}, "epochs: must be a number"),
        ({"losses": {"partition": float("inf")}}, r"losses\.partition: must be finite"),
        ({"augment": {"zoom": [0, 1]}}, r"augment\.zoom\.0: must be in \[0.01, 100\]"),
        ({"teacher": "a\0b"}, "teacher: .*NUL character"),
        ({"delay": -1}, r"delay: must be in \[0, 1000000\], got -1"),
        ({"delay": {"valence": "soon"}}, r"delay\.valence: .*number"),
        ({"optimiser": {"rte": 1}}, "optimiser: unknown key 'rte'; did you mean 'rate'"),
        ({"augment": {"flipp": 1}}, "augment: unknown key 'flipp'; did you mean 'flip'"),
        ({"backbone": {"frozen": True}}, r"backbone\.name: is missing; add it"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_key(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_config({"corpus": "table", "root": ".", **changes}, "x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ema": 0.9}, "^the key 'ema' was removed: .*lower optimiser.rate"),
        ({"loss": {"coupling": 1.0}}, "^loss: the key 'coupling' was removed: .*targets:"),
        ({"losses": {"orthogonality": 0.1}}, "orthogonality was removed: .*leave it out"),
    ],
)
def test_a_removed_key_is_refused_with_its_replacement(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_config({"corpus": "table", "root": ".", **changes}, "x")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_valid_and_has_no_key_without_effect(path, tmp_path):
    config = read_config(path, {"root": str(tmp_path)})
    with pytest.raises(DatasetError, match=re.escape(str(tmp_path))):  # the folder is empty; nothing else is wrong
        train(config)


def sections(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections among the types of a field."""
    types = [annotation, *typing.get_args(annotation)]
    return [kind for kind in types if isinstance(kind, type) and issubclass(kind, BaseModel)]


def all_keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Return all keys of a configuration: {"optimiser", "optimiser.rate", ...}."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found |= {prefix + name}.union(*(all_keys(kind, f"{prefix}{name}.") for kind in sections(field.annotation)))
    return found


def used_keys(model: type[BaseModel], content: dict[str, Any], prefix: str = "") -> set[str]:
    """Return the keys that a recipe writes."""
    found: set[str] = set()
    for name, value in content.items():
        found.add(prefix + name)
        kinds = sections(model.model_fields[name].annotation)
        if kinds and isinstance(value, dict):
            found |= used_keys(kinds[0], value, f"{prefix}{name}.")
    return found


def test_every_key_is_used_by_a_recipe():
    used = set[str]().union(*(used_keys(TrainConfig, yaml.safe_load(path.read_text())) for path in RECIPES))
    assert sorted(all_keys(TrainConfig) - used) == sorted(OF_THE_MACHINE)

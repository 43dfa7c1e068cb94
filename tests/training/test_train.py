"""The entry of training refuses models, keys and files that cannot work."""

from pathlib import Path

import pytest
import torch

from avfer.errors import ConfigError, WeightsError
from avfer.models.backbones.pf_vit import PfVit
from avfer.training.images.image_model import load_parts
from avfer.training.name_check import check_names
from avfer.training.start_files import check_start_files
from avfer.training.train_model import train
from avfer.training.training_config import TrainConfig, make_config


def config(**changes: object) -> TrainConfig:
    return make_config({"corpus": "table", "root": ".", "device": "cpu", **changes}, "the test")


def test_a_kind_of_model_that_cannot_be_trained_is_refused():
    with pytest.raises(ConfigError, match="mtcnn is a detector"):
        train(config(model="mtcnn"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mix": {"mixup": 1.0}}, "mix: only face networks use it, and temporal is none of them; remove it"),
        ({"losses": {"affinity": 1.0}}, "losses: only face networks use it"),
        ({"balance": "sampler"}, "balance: only face networks use it"),
        ({"size": 48}, "size: only networks that read face crops use it"),
        ({"model": "dan", "delay": 2.0}, "delay: only models over time use it, and dan is none of them"),
    ],
)
def test_a_key_without_effect_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        train(config(**changes))


IMAGES = {"model": "pf_vit", "model_options": {"size": "tiny"}, "targets": ["expression"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corpus": "tabel"}, "unknown corpus 'tabel'; did you mean 'table'"),
        ({"options": {"splitt": 1}}, "corpus 'table': unknown option 'splitt'; did you mean 'split'"),
        ({"corpus": "package.module.Name"}, "did you mean 'package.module:Name'"),
        ({"device": "cpu0"}, "unknown device 'cpu0'; did you mean 'cpu'"),
        ({"model": "temporl"}, "unknown model 'temporl'; did you mean 'temporal'"),
        ({"model_options": {"widht": 8}}, "model 'temporal': unknown option 'widht'; did you mean 'width'"),
        ({"model_options": {"width": "wide"}}, "model 'temporal': option width: .*'wide'"),
        ({"pipeline": "avr"}, "unknown pipeline 'avr'; did you mean 'aver'"),
        ({"settings": {"look.backbone": "dann"}}, "unknown backbone 'dann'; did you mean 'dan'"),
        ({"settings": {"lok.backbone": "dan"}}, "unknown stage 'lok'; did you mean 'look'"),
        ({"settings": {"look.backbon": "dan"}}, "unknown option 'backbon'; did you mean 'backbone'"),
        ({"backbone": {"name": "dann"}}, "unknown model 'dann'; did you mean 'dan'"),
        ({"backbone": {"name": "dan", "options": {"haeds": 3}}}, "model 'dan': unknown option 'haeds'"),
        ({"optimiser": {"rates": {"voice": 0.1}}}, "optimiser.rates: unknown part 'voice'"),
        ({"backbone": {"name": "dan"}, "optimiser": {"rates": {"head": 0.1}}}, "optimiser.rates: unknown part 'head'"),
        (
            IMAGES | {"model_options": {"separation": "soft"}},
            "model 'pf_vit': the option 'separation' was removed: .*; leave the option out",
        ),
        (IMAGES | {"losses": {"partitions": 1}}, "unknown loss 'partitions'; did you mean 'partition'"),
        (IMAGES | {"losses": {"partition": 1}}, "losses: partition needs attention_heads of the network; pf_vit"),
        (IMAGES | {"triplets": {"corpus": "fecc", "root": "."}}, "unknown corpus 'fecc'; did you mean 'fec'"),
        (IMAGES | {"triplets": {"options": {"x": 1}, "root": "."}}, "corpus 'fec': unknown option 'x'"),
        (IMAGES | {"start": {"pretraind": "a.pt"}}, "start: unknown part 'pretraind'; did you mean 'pretrained'"),
        (IMAGES | {"optimiser": {"betas_of": {"hed": [0.5, 0.9]}}}, "optimiser.betas_of: unknown part 'hed'"),
    ],
)
def test_a_wrong_name_is_found_before_the_corpus_is_read(monkeypatch, changes, message):
    for module in ("labelled_partitions", "extra_images"):
        monkeypatch.setattr(f"avfer.training.data.{module}.open_corpus", lambda *_, **__: pytest.fail("corpus is read"))
    with pytest.raises(ConfigError, match=message):
        train(config(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"optimiser": {"rates": {"readers": 0.1}}},
        {"backbone": {"name": "dan"}, "optimiser": {"rates": {"backbone.trunk": 0.1, "temporal.readers": 0.5}}},
        {"model": "aver_voice", "pipeline": "voice", "optimiser": {"rates": {"trunk": 0.1}}},
        {
            "model": "mt_arcvgg",
            "targets": ["expression", "action_units"],
            "losses": {"arcface": 1.0},
            "optimiser": {"rates": {"parts.arcface": 0.1, "parts.arcface.weight": 0.2, "trunk.convs": 0.1}},
        },
        {"settings": {"look.weights": "absent.safetensors"}},
    ],
)
def test_existing_names_are_accepted(changes):
    check_names(config(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": "mine.safetensors"}, r"weights: there is no file mine.safetensors; .*--set weights=null"),
        (
            {"teacher": "avfer_train/aver_teacher/best.safetensors"},
            "teacher: there is no file .*; make it first: avfer train aver_teacher",
        ),
    ],
)
def test_a_missing_file_of_weights_is_refused_with_the_recipe_that_makes_it(changes, message):
    with pytest.raises(WeightsError, match=message):
        check_start_files(config(model="pf_vit", targets=["expression"], **changes))


def test_a_missing_part_is_refused_with_the_recipe_that_makes_it():
    path = Path("avfer_train/mae_affectnet/best.safetensors")
    message = r"start\.pretrained: there is no file .*avfer train mae_affectnet --set root=.*--set start=\{\}"
    with pytest.raises(WeightsError, match=message), torch.device("meta"):
        load_parts(PfVit(size="tiny"), {"pretrained": path})


def test_existing_files_and_builtin_weights_are_accepted(tmp_path: Path):
    file = tmp_path / "some.safetensors"
    file.touch()
    check_start_files(config(model="pf_vit", weights="builtin", teacher=file))

"""The entry of training refuses models, keys and files that cannot work."""

from pathlib import Path

import pytest
import torch

from avfer.errors import ConfigError, WeightsError
from avfer.models.backbones.pf_vit import PfVit
from avfer.training.images.image_model import load_parts
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

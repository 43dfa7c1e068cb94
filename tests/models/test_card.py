"""What a card states."""

import json

import pytest
from pydantic import ValidationError

from avfer.errors import WeightsError
from avfer.models.card import Card
from avfer.models.card_files import read_card

TOY = Card(name="toy", task="t", description="d")


@pytest.mark.parametrize(
    ("licence", "commercial"),
    [
        *(("Apache-2.0", True), ("MIT", True), ("BSD-3-Clause", True), ("BSD 2-Clause (weights)", True)),
        *(("apache-2.0", True), ("cc-by-nc-4.0", False)),  # as timm writes them
        *(("CC BY-NC 4.0", False), ("research only", False), ("not MIT", False), ("", False)),
    ],
)
def test_weights_may_be_used_commercially_under_apache_mit_and_bsd(licence, commercial):
    assert TOY.model_copy(update={"licence_weights": licence}).commercial == commercial


@pytest.mark.parametrize("temperature", [0, -1.0])
def test_a_temperature_is_above_0(temperature):
    with pytest.raises(ValidationError, match="greater than 0"):
        Card(name="toy", task="t", description="d", temperature=temperature)


def test_the_width_of_a_modality_is_that_of_the_inputs_or_else_of_the_features():
    both = TOY.model_copy(update={"inputs": {"face": 256}, "features": 512})
    assert (both.width("face"), both.width("voice"), TOY.width("face")) == (256, 512, 0)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"mean": [123.7, 116.3, 103.5], "std": [0.5] * 3}, r"mean\.0: must be in \[0, 1\], got 123\.7"),
        ({"mean": [0.5] * 3, "std": [0.5, 0.0, 0.5]}, r"std\.1: must be in \(0, 1\], got 0\.0"),
        ({"mean": [0.5] * 3}, "mean and std must have three numbers each, got 3 and 0"),
        ({"size": 0}, "size: must be >= 1, got 0"),
        ({"template": [[0.3, 0.4]]}, "template must have five points, got 1"),
        ({"classes": ["neutral", "anger", "neutral"]}, "classes: must be different names, got neutral more than once"),
        ({"flavour": "rgb"}, "flavour: is no known field, got 'rgb'"),
    ],
)
def test_a_wrong_field_of_a_card_is_named(tmp_path, fields, problem):
    path = tmp_path / "w.json"
    path.write_text(json.dumps({"name": "toy", "task": "t", "description": "d"} | fields))
    with pytest.raises(WeightsError, match=rf"w\.json: no readable card: {problem}$"):
        read_card(path)


@pytest.mark.parametrize("text", ["", "{'name': 'toy'}", "[]"])
def test_text_that_is_no_json_object_is_no_card(tmp_path, text):
    (tmp_path / "w.json").write_text(text)
    with pytest.raises(WeightsError, match=r"^[^\n]*w\.json: no readable card: [^\n]*$"):
        read_card(tmp_path / "w.json")

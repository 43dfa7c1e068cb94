"""What a card states."""

import pytest
from pydantic import ValidationError

from avfer.models.card import Card

TOY = Card(name="toy", task="t", description="d")


@pytest.mark.parametrize(
    ("licence", "commercial"),
    [
        *(("Apache-2.0", True), ("MIT", True), ("BSD-3-Clause", True), ("BSD 2-Clause (weights)", True)),
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

"""Networks are built from names and options, and wrong options are named."""

import pytest
import torch

from avfer import create
from avfer.errors import ConfigError
from avfer.models.card import Card
from avfer.models.factory import example, make
from avfer.models.network import FaceNetwork


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dan", {"num_classes": "seven"}, "model 'dan': option num_classes: must be an integer, got 'seven'"),
        ("hmtl", {"heads": ["emotion"]}, "option heads: must be 'expression', 'valence_arousal', 'puzzle' or"),
        ("psr", {"sise": 96}, "model 'psr': unknown option 'sise'; did you mean 'side'"),
        ("poster", {"depth": 5}, "model 'poster': these options do not go together: .*depth 4, 6 or 8"),
    ],
)
def test_a_wrong_option_is_named(name, options, message):
    with torch.device("meta"), pytest.raises(ConfigError, match=message):
        create(name, **options)


class Annotated(FaceNetwork):
    """A network whose annotation cannot be evaluated, as of an import under TYPE_CHECKING."""

    def __init__(self, num_features: int = 3, activation: "Activation | None" = None) -> None:  # noqa: F821  # pyright: ignore
        super().__init__()
        self.num_features = num_features


def test_an_annotation_that_cannot_be_evaluated_leaves_options_unchecked():
    assert make("tests.models.test_factory:Annotated", num_features=5).num_features == 5


@pytest.mark.parametrize("kind", ["backbone", "video model", "affect model", "detector"])
def test_a_network_whose_card_states_no_size_has_no_example(kind):
    assert example(kind, Card(name="x", task="", description="")) == ()


def test_a_network_that_defines_predict_alone_returns_its_logits():
    network, crops = create("tests.toy_networks:MeanColour"), torch.rand(2, 3, 16, 16)
    assert torch.equal(network(crops), 2 * crops.mean((2, 3)))
    assert torch.equal(create("tests.toy_networks:WithoutCard")(crops), crops.mean((2, 3)))

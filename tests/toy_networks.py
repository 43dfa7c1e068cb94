"""Face networks whose outputs can be computed by hand: they read the mean colour of a crop."""

import torch
from torch import Tensor, nn

from avfer.models.card import Card, ClassOrder
from avfer.models.network import FaceNetwork
from avfer.models.prediction import Prediction

THREE, OTHER = ["neutral", "happiness", "fear"], ["fear", "neutral", "happiness"]


class MeanColour(FaceNetwork):
    """Features are the three means; the heads scale them."""

    def __init__(self, colour: str = "rgb", heads: str = "all", orders: str = "one") -> None:
        super().__init__()
        self.heads = heads
        self.scale = nn.Parameter(torch.ones(1))

    @classmethod
    def card(cls, colour: str = "rgb", heads: str = "all", orders: str = "one") -> Card:
        known = [ClassOrder(name="first", classes=THREE, proven=orders != "unproven")]
        known += [ClassOrder(name="second", classes=OTHER)] if orders == "two" else []
        return Card(
            name="tests.toy_networks:MeanColour",
            task="toy",
            description="the mean colour",
            options={"colour": colour, "heads": heads, "orders": orders},
            features=3,
            classes=THREE if heads != "none" else [],
            orders=known if heads != "none" else [],
            valence_arousal=heads == "all",
            action_units=["AU01"] if heads == "all" else [],
            size=16,
            colour=colour,  # pyright: ignore[reportArgumentType]
            mean=[0.0, 0.0, 0.5],
            std=[1.0, 1.0, 0.5],
        )

    def predict(self, crops: Tensor) -> Prediction:
        means = crops.mean((2, 3)) * self.scale
        if self.heads == "none":
            return Prediction(means)
        if self.heads == "expression":
            return Prediction(means, 2 * means)
        return Prediction(means, 2 * means, 3 * means[:, :2], means[:, 2:])


class WithoutCard(FaceNetwork):
    """A network that has a method `predict` and nothing else."""

    def predict(self, crops: Tensor) -> Prediction:
        return Prediction(crops.mean((2, 3)))


class CardOfAnObject(MeanColour):
    """`card` is no class method, so that the class alone cannot make its card."""

    def card(self) -> Card:  # pyright: ignore[reportIncompatibleMethodOverride]
        return MeanColour.card()


class CardWithoutOptions(MeanColour):
    """`card` takes none of the options of the constructor."""

    @classmethod
    def card(cls) -> Card:  # pyright: ignore[reportIncompatibleMethodOverride]
        return MeanColour.card()


class CardOfText(MeanColour):
    """`card` returns no card."""

    @classmethod
    def card(cls, colour: str = "rgb", heads: str = "all", orders: str = "one") -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return "the mean colour"


class CardThatFails(MeanColour):
    """`card` raises an error."""

    @classmethod
    def card(cls, colour: str = "rgb", heads: str = "all", orders: str = "one") -> Card:
        return Card(name=3, task="", description="")  # pyright: ignore[reportArgumentType]

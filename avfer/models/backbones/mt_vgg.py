"""mt_vgg: expression, valence, arousal and action units of single pictures in one network."""

from typing import Any

import torch
from torch import Tensor, nn

from avfer.card import Card, ClassOrder
from avfer.models.affect.heads import AffectHeads
from avfer.models.backbones import vgg_face
from avfer.models.backbones.affwildnet_vgg import LEVEL
from avfer.models.backbones.vgg_face import NUM_FEATURES, WIDTH, VggFace
from avfer.models.reading import Reading

AFF_WILD2 = ["neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise"]
ORDERS = [
    ClassOrder(name="aff_wild2", classes=AFF_WILD2),
    ClassOrder(name="aff_wild2_other", classes=[*AFF_WILD2, "other"]),
]
ACTION_UNITS = ["AU01", "AU02", "AU04", "AU06", "AU12", "AU15", "AU20", "AU25"]
PAPER = "Kollias, Zafeiriou, Aff-Wild2, Multi-Task Learning and ArcFace, BMVC 2019, arXiv 1910.04855"


class MtVgg(nn.Module):
    """MT-VGG of Kollias and Zafeiriou (BMVC 2019): VGG-Face, two full layers, one head for each task.

    Neither code nor weights are public. That valence and arousal are bound by tanh is our choice.
    """

    def __init__(self, num_classes: int = 7, num_features: int = NUM_FEATURES, width: int = WIDTH) -> None:
        super().__init__()
        self.trunk = VggFace(width, (num_features, num_features))
        self.heads = AffectHeads(num_features, num_classes, len(ACTION_UNITS))

    @classmethod
    def card(cls, num_classes: int = 7, num_features: int = NUM_FEATURES, width: int = WIDTH) -> Card:
        told = {"num_classes": (num_classes, 7), "num_features": (num_features, NUM_FEATURES), "width": (width, WIDTH)}
        return Card(
            name="mt_vgg",
            task="expression, valence and arousal, action units",
            description="VGG-Face with a head for each of three tasks, trained where pictures have labels of some.",
            options={name: value for name, (value, default) in told.items() if value != default},
            features=num_features,
            classes=classes(num_classes),
            orders=ORDERS,
            action_units=ACTION_UNITS,
            valence_arousal=True,
            size=vgg_face.SIDE,
            mean=[LEVEL] * 3,
            std=[LEVEL] * 3,
            layout="trunk and heads as in the paper, recalled; crops as of AffWildNet and tanh are our choice",
            onnx=True,
            data="Aff-Wild2: 558 videos",
            licence_code="none published",
            licence_weights="none published",
            sources=[PAPER],
        )

    @staticmethod
    def from_official(tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """No official weights are public: tensors are our own, and tell their form."""
        return vgg_face.form(tensors) | count(tensors, "heads.expression.bias"), tensors

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) normalised as the card says -> (N, D), of the second full layer."""
        return self.trunk(crops)

    def read(self, crops: Tensor) -> Reading:
        """crops: (N, 3, 96, 96) -> features (N, D), expression logits (N, K), pair (N, 2), unit logits (N, 8)."""
        features = self.features(crops)
        valence, arousal, expression, units = self.heads(features)
        return Reading(features, expression, torch.stack([valence, arousal], 1), units)

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) -> (N, K) expression logits."""
        return self.heads(self.features(crops)).expression_logits


def classes(num_classes: int) -> list[str]:
    """Names of so many classes in Aff-Wild2's order; none where it has another number."""
    return next((order.classes for order in ORDERS if len(order.classes) == num_classes), [])


def count(tensors: dict[str, Tensor], bias: str) -> dict[str, int]:
    """The option `num_classes`, as the rows of a tensor tell it."""
    return {"num_classes": len(tensors[bias])} if bias in tensors else {}

"""mt_vgg: expression, valence, arousal and action units of single pictures in one network.

MT-VGG: Kollias, Zafeiriou, "Expression, Affect, Action Unit Recognition: Aff-Wild2, Multi-Task Learning and ArcFace",
BMVC 2019, arXiv 1910.04855. Neither code nor weights are public. Trunk and heads are recalled from the paper; the
crops of AffWildNet and tanh for valence and arousal are our choice.
"""

from dataclasses import replace
from typing import Any

from torch import Tensor

from avfer.models.affect.heads import AffectHeads
from avfer.models.backbones import vgg_face
from avfer.models.backbones.affwildnet_vgg import LEVEL
from avfer.models.backbones.vgg_face import NUM_FEATURES, WIDTH, VggFace
from avfer.models.card import Card, ClassOrder, changed_options
from avfer.models.class_orders import AFF_WILD2, classes_of
from avfer.models.network import FaceNetwork, StartPart
from avfer.models.prediction import Prediction

ORDERS = [
    ClassOrder(name="aff_wild2", classes=AFF_WILD2),
    ClassOrder(name="aff_wild2_other", classes=[*AFF_WILD2, "other"]),
]
ACTION_UNITS = ["AU01", "AU02", "AU04", "AU06", "AU12", "AU15", "AU20", "AU25"]  # of the paper, and of ABAW 2020
LATER_UNITS = [f"AU{unit:02d}" for unit in (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26)]  # from 2021 on
PAPER = "Kollias, Zafeiriou, Aff-Wild2, Multi-Task Learning and ArcFace, BMVC 2019, arXiv 1910.04855"


class MtVgg(FaceNetwork):
    """VGG-Face, two full layers, and one head for each task.

    num_classes, num_action_units: outputs of these heads; num_features: units of each full layer; width: channels of
    the first convolution, which the others are multiples of.
    """

    def __init__(
        self,
        num_classes: int = 7,
        num_action_units: int = 8,
        num_features: int = NUM_FEATURES,
        width: int = WIDTH,
    ) -> None:
        super().__init__()
        self.trunk = VggFace(width, (num_features, num_features))
        self.heads = AffectHeads(num_features, num_classes, num_action_units)

    @classmethod
    def card(
        cls,
        num_classes: int = 7,
        num_action_units: int = 8,
        num_features: int = NUM_FEATURES,
        width: int = WIDTH,
    ) -> Card:
        """Return the card for these constructor options."""
        return Card(
            name="mt_vgg",
            task="expression, valence and arousal, action units",
            description="VGG-Face with a head for each of three tasks, trained where pictures have labels of some.",
            options=changed_options(
                MtVgg,
                num_classes=num_classes,
                num_action_units=num_action_units,
                num_features=num_features,
                width=width,
            ),
            features=num_features,
            classes=classes_of(ORDERS, num_classes),
            orders=ORDERS,
            action_units=action_units(num_action_units),
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

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read one of our own files; no official weights are public.

        tensors: name -> float tensor of its layer's shape.
        """
        return vgg_face.implied_options(tensors) | implied_head_options(tensors, "heads."), tensors

    def start_parts(self) -> dict[str, StartPart]:
        """Return "vgg_face", the convolutions of VGG-Face."""
        return {"vgg_face": StartPart(self.trunk.load_vgg_face)}

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) normalised as the card says -> output of the second full layer (N, D)."""
        return self.trunk(crops)

    def predict(self, crops: Tensor) -> Prediction:
        """Compute all outputs of crops (N, 3, 96, 96).

        -> features (N, D), expression logits (N, K), valence and arousal (N, 2), action unit logits (N, A).
        """
        features = self.features(crops)
        return replace(self.heads(features), features=features)

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) -> expression logits (N, K)."""
        logits = self.heads(self.features(crops)).expression_logits
        assert logits is not None, "num_classes is not 0"
        return logits


def action_units(num_action_units: int) -> list[str]:
    """Return the names of so many action units in Aff-Wild2's order; [] for a number that it does not have."""
    return next((units for units in (ACTION_UNITS, LATER_UNITS) if len(units) == num_action_units), [])


def implied_head_options(tensors: dict[str, Tensor], prefix: str = "") -> dict[str, int]:
    """Return the options `num_classes` and `num_action_units` that the heads imply.

    tensors: name -> tensor, `expression.weight` (K, D) and `action_units.weight` (A, D) after `prefix`.
    """
    heads = {"num_classes": f"{prefix}expression.weight", "num_action_units": f"{prefix}action_units.weight"}
    return {option: len(tensors[name]) for option, name in heads.items() if name in tensors}

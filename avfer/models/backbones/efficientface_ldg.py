"""efficientface_ldg: the label distribution generator, whose softmax is the target of EfficientFace.

Zhao, Liu, Zhou, AAAI 2021, 35(4), 3510-3519; github.com/zengqunzhao/EfficientFace (MIT). An ordinary ResNet-50 with the
stride in its 3x3 convolutions; nothing is our choice.
"""

from typing import Any, cast

import timm
from timm.models.resnet import ResNet
from torch import Tensor

from avfer.models.backbones.efficientface import Corpus, EfficientFace, read_official
from avfer.models.card import Card
from avfer.models.network import FaceNetwork
from avfer.models.prediction import Prediction

FEATURES = 2048
DESCRIPTION = """ResNet-50, the teacher of efficientface: frozen, in evaluation mode, it predicts the label \
distribution of each face. Mean and std depend on corpus=raf_db, affectnet or caer_s as there. The authors' file from \
MS-Celeb-1M can be read too, and gives features."""
RENAMES = [(r"^(?!trunk\.)", "trunk.")]  # the authors' names -> ours


class EfficientFaceLdg(FaceNetwork):
    """ResNet-50 as the teacher of EfficientFace.

    corpus: the training corpus of the weights, which sets mean and std of the card; the layers do not depend on it.
    num_classes: expressions of the head.
    """

    def __init__(self, num_classes: int = 7, corpus: Corpus | None = None) -> None:
        super().__init__()
        trunk = timm.create_model("resnet50", pretrained=False, num_classes=num_classes, zero_init_last=False)
        self.trunk = cast(ResNet, trunk)

    @classmethod
    def card(cls, num_classes: int = 7, corpus: Corpus | None = None) -> Card:
        """Return the card for these constructor options."""
        return EfficientFace.card(num_classes, corpus).model_copy(
            update={"name": "efficientface_ldg", "description": DESCRIPTION, "features": FEATURES, "published": []}
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read the authors' checkpoints (with or without the prefix of their data-parallel wrapper), or our own.

        tensors: name -> float tensor of its layer's shape.
        """
        return read_official(tensors, RENAMES)

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) normalised as the card says -> features (N, 2048)."""
        return self.trunk.forward_head(self.trunk.forward_features(crops), pre_logits=True)

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, 224, 224) -> features (N, 2048) and expression logits (N, K)."""
        features = self.features(crops)
        return Prediction(features, self.trunk.fc(features))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> expression logits (N, K)."""
        return self.trunk(crops)

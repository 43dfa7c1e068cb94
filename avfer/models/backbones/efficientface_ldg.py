"""efficientface_ldg: the label distribution generator, whose softmax is the target of EfficientFace.

Zhao, Liu, Zhou, AAAI 2021, 35(4), 3510-3519; github.com/zengqunzhao/EfficientFace (MIT). An ordinary ResNet-50 with the
stride in its 3x3 convolutions; nothing is our choice.
"""

from typing import Any, cast

import timm
from timm.models.resnet import ResNet
from torch import Tensor

from avfer.models.backbones.efficientface import ORDERS, Corpus, statistics
from avfer.models.card import Card, changed_options
from avfer.models.class_orders import classes_of
from avfer.models.network import FaceNetwork
from avfer.models.prediction import Prediction
from avfer.models.tensor_files import rename_tensors

FEATURES = 2048
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
        options = {"num_classes": (num_classes, 7), "corpus": (corpus, None)}
        mean, std = statistics(num_classes, corpus)
        return Card(
            name="efficientface_ldg",
            task="expression",
            description="ResNet-50, the teacher of efficientface: frozen, in evaluation mode, it predicts the"
            " label distribution of each face. Mean and std depend on corpus=raf_db, affectnet or caer_s as there. The"
            " authors' file from MS-Celeb-1M can be read too, and gives features.",
            options=changed_options(options),
            features=FEATURES,
            classes=classes_of(ORDERS, num_classes),
            orders=ORDERS,
            size=224,
            mean=mean,
            std=std,
            layout="as in the authors' code",
            onnx=True,
            licence_code="MIT",
            licence_weights="none stated",
            sources=[
                "Zhao, Liu, Zhou, AAAI 2021, 35(4), 3510-3519",
                "github.com/zengqunzhao/EfficientFace@8d195375fb6afe98e6e1e27f06ec6cc71eedfd18",
            ],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read the authors' checkpoints (with or without the prefix of their data-parallel wrapper), or our own.

        tensors: name -> float tensor of its layer's shape.
        """
        ours = rename_tensors({name.removeprefix("module."): tensor for name, tensor in tensors.items()}, RENAMES)
        return {"num_classes": len(ours["trunk.fc.bias"])} if "trunk.fc.bias" in ours else {}, ours

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

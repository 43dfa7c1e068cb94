"""aver_student: the face network of AVER, trained to reproduce its teacher's embedding.

Schoneveld, Othmani, Abdelkawy, Pattern Recognition Letters 146 (2021), arXiv 2103.09154. No code was published. The
paper uses a DenseNet (recalled); which one, and the heads, are our choice.
"""

from collections.abc import Mapping
from typing import Any, Literal

import timm
from torch import Tensor

from avfer.models.backbones import face_embedding
from avfer.models.backbones.face_embedding import Embedded, ExpressionEmbedding, FaceEmbedding, Layer, shared_card
from avfer.models.card import Card, Published, changed_options
from avfer.models.network import StartPart

Trunk = Literal["densenet121", "densenet201"]
WIDTHS: dict[Trunk, int] = {"densenet121": 1024, "densenet201": 1920}
DESCRIPTION = """A DenseNet taught by aver_teacher on AffectNet, FEC and faces without labels. Its features are the \
embedding of unit length; layer=hidden gives the 512 values before it. backbone=densenet121 is a smaller one. \
`start: {imagenet: FILE}` takes the trunk from ImageNet weights of timm or torchvision."""
PUBLISHED = [
    Published(data="AffectNet-8, logistic regression on features", value=61.6, mark="A"),
    Published(data="AffectNet-7, logistic regression on features", value=65.4, mark="I"),
    Published(data="Google FEC", value=86.5, mark="R", metric="triplets right %"),
]


class AverStudent(ExpressionEmbedding):
    """A DenseNet with the heads of `FaceEmbedding`.

    num_features: width of the embedding. layer: the features, "embedding" (of unit length) or "hidden" (512 values).
    num_classes: expressions of the head; backbone: DenseNet of timm.
    """

    def __init__(
        self,
        num_classes: int = 8,
        backbone: Trunk = "densenet201",
        num_features: int = 32,
        layer: Layer = "embedding",
    ) -> None:
        super().__init__()
        self.layer: Layer = layer
        self.trunk = timm.create_model(backbone, pretrained=False, num_classes=0)
        self.head = FaceEmbedding(WIDTHS[backbone], num_classes, num_features)

    @classmethod
    def card(
        cls,
        num_classes: int = 8,
        backbone: Trunk = "densenet201",
        num_features: int = 32,
        layer: Layer = "embedding",
    ) -> Card:
        """Return the card for these constructor options."""
        return shared_card(
            num_classes,
            num_features,
            layer,
            name="aver_student",
            description=DESCRIPTION,
            options=changed_options(
                AverStudent,
                num_classes=num_classes,
                backbone=backbone,
                num_features=num_features,
                layer=layer,
            ),
            layout="a DenseNet as recalled of the paper; which one, and the heads, are our choice",
            data="ImageNet (trunk), AffectNet, Google FEC, unlabelled faces of the authors",
            licence_weights="none published",
            sources=[
                "Schoneveld, Othmani, Abdelkawy, PRL 146 (2021) 1-7, arXiv 2103.09154",
                "Schoneveld, Othmani, ICIP 2021, arXiv 2201.07781",
            ],
            published=PUBLISHED,
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read one of our own files; no official weights are public.

        tensors: name -> float tensor of its layer's shape.
        """
        last = tensors.get("trunk.features.norm5.weight")
        trunks = [trunk for trunk, width in WIDTHS.items() if last is not None and len(last) == width]
        return face_embedding.implied_options(tensors) | ({"backbone": trunks[0]} if trunks else {}), tensors

    def start_parts(self) -> dict[str, StartPart]:
        """Return "imagenet", the trunk from a DenseNet of timm or torchvision."""
        return {"imagenet": StartPart(self.start_imagenet)}

    def start_imagenet(self, imagenet: Mapping[str, Tensor]) -> None:
        """Load the trunk from a state dict of the same DenseNet; RuntimeError if it is another network.

        imagenet: name -> float tensor of its layer's shape.
        """
        face_embedding.start(self.trunk, imagenet)

    def embed(self, crops: Tensor) -> Embedded:
        """crops: (N, 3, 224, 224) normalised as the card says -> hidden (N, 512), embedding (N, E), logits (N, K)."""
        return self.head(self.trunk(crops))

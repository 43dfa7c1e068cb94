"""aver_teacher: the teacher network of AVER, which embeds faces by the similarity of their expressions.

Schoneveld, Othmani, Abdelkawy, Pattern Recognition Letters 146 (2021), arXiv 2103.09154. No code was published. The
dense block is that of FECNet (Vemulapalli and Agarwala, CVPR 2019), which the paper follows; the rest is our choice.
"""

from collections.abc import Mapping
from typing import Any

from facenet_pytorch import InceptionResnetV1  # pyright: ignore[reportMissingTypeStubs]
from timm.models.densenet import DenseBlock
from torch import Tensor, nn

from avfer.models.backbones import face_embedding
from avfer.models.backbones.face_embedding import Embedded, ExpressionEmbedding, FaceEmbedding, Layer, shared_card
from avfer.models.card import Card, changed_options
from avfer.models.network import StartPart

CUT = "mixed_7a"  # the first of facenet's blocks that is left out
MAPS = 896  # of the trunk
NARROW, GROWTH, DENSE_LAYERS = 512, 64, 5
BOTTLENECK = 4  # maps inside a dense layer, in growths
DESCRIPTION = """Inception-ResNet-v1 of facenet without its last blocks, and a dense block, trained by turns on \
triplets of FEC and on AffectNet. Its features are the embedding of unit length that the student learns; layer=hidden \
gives the 512 values before it. `start: {facenet: FILE}` takes the trunk of facenet-pytorch \
(20180402-114759-vggface2.pt)."""


class AverTeacher(ExpressionEmbedding):
    """Inception-ResNet-v1 of facenet without its last blocks, a dense block, and the heads of `FaceEmbedding`.

    num_features: width of the embedding. layer: the features, "embedding" (of unit length) or "hidden" (512 values).
    num_classes: expressions of the head.
    """

    def __init__(self, num_classes: int = 8, num_features: int = 32, layer: Layer = "embedding") -> None:
        super().__init__()
        self.layer: Layer = layer
        self.trunk = _trunk()
        self.narrow = nn.Conv2d(MAPS, NARROW, 1, bias=False)
        self.dense = DenseBlock(DENSE_LAYERS, NARROW, BOTTLENECK, GROWTH)
        width = NARROW + DENSE_LAYERS * GROWTH
        self.norm = nn.BatchNorm2d(width)
        self.head = FaceEmbedding(width, num_classes, num_features)

    @classmethod
    def card(cls, num_classes: int = 8, num_features: int = 32, layer: Layer = "embedding") -> Card:
        """Return the card for these constructor options."""
        return shared_card(
            num_classes,
            num_features,
            layer,
            name="aver_teacher",
            description=DESCRIPTION,
            options=changed_options(AverTeacher, num_classes=num_classes, num_features=num_features, layer=layer),
            layout="trunk as in facenet-pytorch; where it is cut, the dense block and both heads are our choice",
            data="VGGFace2 (trunk), Google FEC, AffectNet",
            licence_code="Apache-2.0; trunk MIT (facenet-pytorch)",
            licence_weights="none published",
            sources=["Schoneveld, Othmani, Abdelkawy, PRL 146 (2021) 1-7, arXiv 2103.09154", "facenet-pytorch 2.5.3"],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read one of our own files; no official weights are public.

        tensors: name -> float tensor of its layer's shape.
        """
        return face_embedding.implied_options(tensors), tensors

    def start_parts(self) -> dict[str, StartPart]:
        """Return "facenet", the trunk from facenet-pytorch's InceptionResnetV1."""
        return {"facenet": StartPart(self.start_facenet)}

    def start_facenet(self, facenet: Mapping[str, Tensor]) -> None:
        """Load the trunk from a state dict of InceptionResnetV1; RuntimeError if it is another network.

        facenet: name -> float tensor of its layer's shape.
        """
        face_embedding.start(self.trunk, facenet)

    def embed(self, crops: Tensor) -> Embedded:
        """crops: (N, 3, 224, 224) normalised as the card says -> hidden (N, 512), embedding (N, E), logits (N, K)."""
        maps = self.dense(self.narrow(self.trunk(crops)))
        return self.head(self.norm(maps).relu().mean((2, 3)))


def _trunk() -> nn.Sequential:
    """Return the trunk under facenet's names: crops (N, 3, 224, 224) to maps (N, 896, 12, 12)."""
    trunk = nn.Sequential()
    for name, block in InceptionResnetV1().named_children():
        if name == CUT:
            break
        trunk.add_module(name, block)
    return trunk

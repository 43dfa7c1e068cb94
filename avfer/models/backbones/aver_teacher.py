"""aver_teacher: the network that taught AVER's student what faces look alike."""

from collections.abc import Mapping
from typing import Any

from facenet_pytorch import InceptionResnetV1  # pyright: ignore[reportMissingTypeStubs]
from timm.models.densenet import DenseBlock
from torch import Tensor, nn

from avfer.models.backbones import face_embedding
from avfer.models.backbones.face_embedding import HIDDEN, Embedded, FaceEmbedding, Layer
from avfer.models.card import Card
from avfer.models.reading import Reading

CUT = "mixed_7a"  # the first of facenet's blocks that is left out
MAPS = 896  # of the trunk
NARROW, GROWTH, DENSE_LAYERS = 512, 64, 5
BOTTLENECK = 4  # maps inside a dense layer, in growths
DESCRIPTION = """Inception-ResNet-v1 of facenet without its last blocks, and a dense block, trained by turns on \
triplets of FEC and on AffectNet. Its features are the embedding of unit length that the student learns; layer=hidden \
gives the 512 values before it. `start_from` takes the trunk of facenet-pytorch (20180402-114759-vggface2.pt)."""


class AverTeacher(nn.Module):
    """The teacher of Schoneveld et al., Pattern Recognition Letters 146 (2021), arXiv 2103.09154.

    No code was published. The dense block is laid out as in FECNet (Vemulapalli and Agarwala, CVPR 2019).
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
        told = {"num_classes": (num_classes, 8), "num_features": (num_features, 32), "layer": (layer, "embedding")}
        return Card(
            name="aver_teacher",
            task="face embedding and expression",
            description=DESCRIPTION,
            options={name: value for name, (value, default) in told.items() if value != default},
            features=HIDDEN if layer == "hidden" else num_features,
            classes=face_embedding.classes(num_classes),
            orders=face_embedding.ORDERS,
            size=face_embedding.SIDE,
            mean=face_embedding.MEAN,
            std=face_embedding.STD,
            layout="trunk as in facenet-pytorch; where it is cut, the dense block and both heads are our choice",
            onnx=True,
            data="VGGFace2 (trunk), Google FEC, AffectNet",
            licence_code="Apache-2.0; trunk MIT (facenet-pytorch)",
            licence_weights="none published",
            sources=["Schoneveld, Othmani, Abdelkawy, PRL 146 (2021) 1-7, arXiv 2103.09154", "facenet-pytorch 2.5.3"],
        )

    @staticmethod
    def from_official(tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """No official weights are public: tensors are our own, and tell their form."""
        return face_embedding.form(tensors), tensors

    def start_from(self, facenet: Mapping[str, Tensor]) -> None:
        """Take the trunk from a state dict of facenet-pytorch's InceptionResnetV1; RuntimeError where it is none."""
        face_embedding.start(self.trunk, facenet)

    def embed(self, crops: Tensor) -> Embedded:
        """crops: (N, 3, 224, 224) normalised as the card says -> all that is told of them."""
        maps = self.dense(self.narrow(self.trunk(crops)))
        return self.head(self.norm(maps).relu().mean((2, 3)))

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> (N, 32) of unit length, or the hidden layer (N, 512)."""
        return self.read(crops).features

    def read(self, crops: Tensor) -> Reading:
        """crops: (N, 3, 224, 224) -> features (N, D) and expression logits (N, K)."""
        hidden, embedding, logits = self.embed(crops)
        return Reading(hidden if self.layer == "hidden" else embedding, logits)

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> (N, K) expression logits."""
        return self.embed(crops).logits


def _trunk() -> nn.Sequential:
    """Crops (N, 3, 224, 224) to maps (N, 896, 12, 12), under facenet's names."""
    trunk = nn.Sequential()
    for name, block in InceptionResnetV1().named_children():
        if name == CUT:
            break
        trunk.add_module(name, block)
    return trunk

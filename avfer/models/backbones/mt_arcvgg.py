"""mt_arcvgg: the network of three tasks whose expression logits are cosines of angles.

MT-ArcVGG: Kollias, Zafeiriou, "Expression, Affect, Action Unit Recognition: Aff-Wild2, Multi-Task Learning and
ArcFace", BMVC 2019, arXiv 1910.04855; ArcFace: Deng et al., CVPR 2019, arXiv 1801.07698. Neither code nor weights are
public. Width and place of the embedding, the scale, the crops and tanh for valence and arousal are our choice.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.backbones import vgg_face
from avfer.models.backbones.mt_vgg import MtVgg, implied_head_options
from avfer.models.backbones.vgg_face import NUM_FEATURES, WIDTH, VggFace
from avfer.models.card import Card, Published, changed_options
from avfer.models.network import FaceNetwork, StartPart
from avfer.models.prediction import Prediction

NUM_EMBEDDING = 512
SCALE = 30.0
DESCRIPTION = """VGG-Face that classifies expressions by the angle between an embedding and one direction for each \
class. Train `cosines` with avfer.losses.arcface; logits are 30 times the cosines, without a margin. Valence, arousal \
and action units are read from the full layer before the embedding."""


class CosineHead(nn.Module):
    """Cosine of the angle between an embedding and the direction of each class.

    width: D, features of an embedding; num_classes: K.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(num_classes, width)))

    def forward(self, embedding: Tensor) -> Tensor:
        """embedding: (N, D) -> (N, K) in [-1, 1]."""
        return F.linear(F.normalize(embedding), F.normalize(self.weight))


class MtArcVgg(FaceNetwork):
    """MT-VGG with an embedding trained by ArcFace; valence, arousal and action units read the layer before it.

    num_classes, num_action_units: outputs of these heads; num_embedding: width of the embedding; num_features: units of
    each full layer; width: channels of the first convolution, which the others are multiples of.
    """

    offers = frozenset({"cosines"})

    def __init__(
        self,
        num_classes: int = 7,
        num_action_units: int = 8,
        num_embedding: int = NUM_EMBEDDING,
        num_features: int = NUM_FEATURES,
        width: int = WIDTH,
    ) -> None:
        super().__init__()
        self.trunk = VggFace(width, (num_features, num_features))
        self.embedding = nn.Linear(num_features, num_embedding)
        self.expression = CosineHead(num_embedding, num_classes)
        self.valence_arousal = nn.Linear(num_features, 2)
        self.action_units = nn.Linear(num_features, num_action_units)

    @classmethod
    def card(
        cls,
        num_classes: int = 7,
        num_action_units: int = 8,
        num_embedding: int = NUM_EMBEDDING,
        num_features: int = NUM_FEATURES,
        width: int = WIDTH,
    ) -> Card:
        """Return the card for these constructor options."""
        base = MtVgg.card(num_classes, num_action_units, num_features, width)
        return base.model_copy(
            update={
                "name": "mt_arcvgg",
                "description": DESCRIPTION,
                "options": base.options | changed_options(MtArcVgg, num_embedding=num_embedding),
                "features": num_embedding,
                "layout": "trunk and tasks as in the paper, recalled; crops, embedding, scale and tanh are our choice",
                "sources": [*base.sources, "Deng et al., ArcFace, CVPR 2019, arXiv 1801.07698"],
                "published": [Published(data="AffectNet, number of classes unclear", value=63.0, mark="I")],
            }
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read one of our own files; no official weights are public.

        tensors: name -> float tensor of its layer's shape.
        """
        embedding = tensors.get("embedding.bias")
        width = {} if embedding is None else {"num_embedding": len(embedding)}
        return vgg_face.implied_options(tensors) | implied_head_options(tensors) | width, tensors

    def start_parts(self) -> dict[str, StartPart]:
        """Return "vgg_face", the convolutions of VGG-Face."""
        return {"vgg_face": StartPart(self.trunk.load_vgg_face)}

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) normalised as the card says -> embedding (N, D), not normalised."""
        return self.embedding(self.trunk(crops))

    def cosines(self, crops: Tensor) -> Tensor:
        """Return the cosines that ArcFace trains. crops: (N, 3, 96, 96) -> (N, K) in [-1, 1]."""
        return self.expression(self.features(crops))

    def predict(self, crops: Tensor) -> Prediction:
        """Compute all outputs of crops (N, 3, 96, 96).

        -> features (N, D), expression logits (N, K), valence and arousal (N, 2), action unit logits (N, A).
        """
        x = self.trunk(crops)
        embedding = self.embedding(x)
        logits = SCALE * self.expression(embedding)
        return Prediction(embedding, logits, self.valence_arousal(x).tanh(), self.action_units(x))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) -> expression logits (N, K)."""
        return SCALE * self.cosines(crops)

"""What teacher and student of AVER share: the crops they read, and the layers that make an embedding of a face."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.card import ClassOrder

SIDE = 224  # px
MEAN, STD = [0.5] * 3, [128 / 255] * 3  # (x - 127.5) / 128, of pixels in [0, 1]
HIDDEN = 512
AFFECTNET = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]
ORDERS = [
    ClassOrder(name="affectnet_8", classes=AFFECTNET),
    ClassOrder(name="affectnet_7", classes=AFFECTNET[:7]),
]
Layer = Literal["embedding", "hidden"]  # whose values a network gives as its features


class Embedded(NamedTuple):
    """Of N faces."""

    hidden: Tensor  # (N, 512), what expressions are told from
    embedding: Tensor  # (N, E) of unit length: near where expressions look alike
    logits: Tensor  # (N, K) of expressions


class FaceEmbedding(nn.Module):
    """A hidden layer, and from it the head for triplets of faces and the one for expressions."""

    def __init__(self, inputs: int, num_classes: int, num_features: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, HIDDEN)
        self.similarity = nn.Linear(HIDDEN, num_features)
        self.dropout = nn.Dropout(0.5)
        self.expression = nn.Linear(HIDDEN, num_classes)

    def forward(self, pooled: Tensor) -> Embedded:
        """pooled: (N, D), maps averaged over their places."""
        hidden = self.hidden(pooled).relu()
        return Embedded(hidden, F.normalize(self.similarity(hidden)), self.expression(self.dropout(hidden)))


def form(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Classes and width of the embedding, as a network's `head.` tells."""
    sizes = {"num_classes": "head.expression.bias", "num_features": "head.similarity.bias"}
    return {option: len(tensors[name]) for option, name in sizes.items() if name in tensors}


def classes(count: int) -> list[str]:
    """Of AffectNet, where it has so many."""
    return next((order.classes for order in ORDERS if len(order.classes) == count), [])


def start(trunk: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Fill a trunk from a checkpoint of the whole network that it was cut from."""
    wanted = trunk.state_dict()
    trunk.load_state_dict({name: tensor for name, tensor in tensors.items() if name in wanted}, strict=True)

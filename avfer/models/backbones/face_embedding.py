"""Parts that teacher and student of AVER share: normalisation of the crops, and the heads of the face embedding.

Schoneveld, Othmani, Abdelkawy, Pattern Recognition Letters 146 (2021), arXiv 2103.09154; layers are our choice.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.card import Card
from avfer.models.class_orders import AFFECTNET_7, AFFECTNET_8, classes_of
from avfer.models.network import FaceNetwork
from avfer.models.prediction import Prediction

SIDE = 224  # px
MEAN, STD = [0.5] * 3, [128 / 255] * 3  # (x - 127.5) / 128, of pixels in [0, 1]
HIDDEN = 512
ORDERS = [AFFECTNET_8, AFFECTNET_7]
Layer = Literal["embedding", "hidden"]  # the layer that is the features of a network


class Embedded(NamedTuple):
    """Outputs for N faces."""

    hidden: Tensor  # (N, 512), input of the expression head
    embedding: Tensor  # (N, E) of unit length; faces of similar expressions are close
    logits: Tensor  # (N, K) of expressions


class FaceEmbedding(nn.Module):
    """A hidden layer, and from it the head for triplets of faces and the one for expressions.

    inputs: D, features that are read; num_classes: K; num_features: E, width of the embedding.
    """

    def __init__(self, inputs: int, num_classes: int, num_features: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, HIDDEN)
        self.similarity = nn.Linear(HIDDEN, num_features)
        self.dropout = nn.Dropout(0.5)
        self.expression = nn.Linear(HIDDEN, num_classes)

    def forward(self, pooled: Tensor) -> Embedded:
        """pooled: (N, D), maps averaged over their places -> (N, 512), (N, E), (N, K)."""
        hidden = self.hidden(pooled).relu()
        return Embedded(hidden, F.normalize(self.similarity(hidden)), self.expression(self.dropout(hidden)))


class ExpressionEmbedding(FaceNetwork):
    """Base class of teacher and student: a trunk, and the heads of `FaceEmbedding` on it.

    `layer` states the features, "embedding" (of unit length) or "hidden" (512 values).
    """

    offers = frozenset({"embedding"})
    layer: Layer

    def embed(self, crops: Tensor) -> Embedded:
        """crops: (N, 3, 224, 224) normalised as the card says -> hidden (N, 512), embedding (N, E), logits (N, K)."""
        raise NotImplementedError(f"{type(self).__name__} must define embed(crops)")

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> embedding (N, E) of unit length, or the hidden layer (N, 512)."""
        embedded = self.embed(crops)
        return embedded.hidden if self.layer == "hidden" else embedded.embedding

    def predict(self, crops: Tensor) -> Prediction:
        """Compute features (N, D) and expression logits (N, K) of crops (N, 3, 224, 224).

        extras: "hidden" (N, 512) and "embedding" (N, E) of unit length, one of which is the features (`layer`).
        """
        hidden, embedding, logits = self.embed(crops)
        features = hidden if self.layer == "hidden" else embedding
        return Prediction(features, logits, extras={"hidden": hidden, "embedding": embedding})

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> expression logits (N, K)."""
        return self.embed(crops).logits


def shared_card(num_classes: int, num_features: int, layer: Layer, **facts: Any) -> Card:
    """Return a card with the facts that teacher and student share. facts: all other fields of the card."""
    return Card(
        task="face embedding and expression",
        features=HIDDEN if layer == "hidden" else num_features,
        classes=classes_of(ORDERS, num_classes),
        orders=ORDERS,
        size=SIDE,
        mean=MEAN,
        std=STD,
        onnx=True,
        **facts,
    )


def implied_options(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the options `num_classes` and `num_features` that the tensors of a network imply.

    tensors: name -> float tensor of its layer's shape, those of `FaceEmbedding` under `head.`.
    """
    sizes = {"num_classes": "head.expression.bias", "num_features": "head.similarity.bias"}
    return {option: len(tensors[name]) for option, name in sizes.items() if name in tensors}


def start(trunk: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load a trunk from a checkpoint of the whole network that it is a part of.

    tensors: name -> float tensor of its layer's shape. Raises RuntimeError if a tensor is missing or does not fit.
    """
    wanted = trunk.state_dict()
    trunk.load_state_dict({name: tensor for name, tensor in tensors.items() if name in wanted}, strict=True)

"""timm:NAME: any network of timm, convolutional or transformer, as a face backbone.

timm: Wightman, github.com/huggingface/pytorch-image-models. The linear expression head is our choice.
"""

import difflib
from functools import cache
from typing import Any, ClassVar, cast

import timm
import torch
from timm.models import PretrainedCfg
from torch import Tensor, nn

from avfer.models.card import Card
from avfer.models.network import FaceNetwork
from avfer.models.prediction import Prediction

NEAR = 3  # similar names that an error message suggests


class TimmAny(FaceNetwork):
    """A network of timm up to its pooled features, and a linear expression head with num_classes > 0.

    Subclasses name the network.
    """

    network: ClassVar[str]  # name in timm, with or without the tag of weights: "vit_tiny_patch16_224.augreg_in21k"
    config: ClassVar[PretrainedCfg]  # timm's facts on the network and its weights

    def __init__(self, num_classes: int = 0) -> None:
        super().__init__()
        self.trunk = _trunk(self.network)
        self.expression = nn.Linear(_width(self.trunk), num_classes) if num_classes else None

    @classmethod
    def card(cls, num_classes: int = 0) -> Card:
        """Return the card for this constructor option; timm states mean, std and size of the crops."""
        config = cls.config
        with torch.device("meta"):
            width = _width(_trunk(cls.network))
        tag = f" (weights {config.tag})" if config.tag else ""
        return Card(
            name=f"timm:{cls.network}",
            task="expression" if num_classes else "features",
            description=f"{cls.network.partition('.')[0]} of timm{tag}, for transfer: files of timm's own weights are"
            " read, and their classifier is left out unless it was trained again. num_classes adds a linear layer.",
            options={"num_classes": num_classes} if num_classes else {},
            features=width,
            size=config.input_size[-1],
            mean=list(config.mean),
            std=list(config.std),
            layout="as in timm",
            data=config.tag or "",
            licence_weights=config.license or "",
            sources=[text for text in ("timm", config.hf_hub_id, config.paper_ids) if isinstance(text, str) and text],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read one of timm's files, as published or with a new classifier, or one of ours.

        tensors: name -> float tensor of its layer's shape. A head of several layers or classifiers is dropped.
        """
        if any(name.startswith("trunk.") for name in tensors):
            count = len(tensors.get("expression.bias", ()))
            return {"num_classes": count} if count else {}, tensors
        with torch.device("meta"):
            body = _trunk(cls.network).state_dict().keys()
        heads = cls._heads()
        around = tuple(f"{head.partition('.')[0]}." for head in heads)
        head = {name: t for name, t in tensors.items() if name.startswith(around) and name not in body}
        ours = {f"trunk.{name}": tensor for name, tensor in tensors.items() if name not in head}
        bias = head.get(f"{heads[0]}.bias") if heads else None
        if bias is None or len(head) > 2 or len(bias) == cls.config.num_classes:
            return {}, ours
        layer = {f"expression.{name.rpartition('.')[2]}": t.flatten(1) if t.ndim > 2 else t for name, t in head.items()}
        return {"num_classes": len(bias)}, ours | layer

    @classmethod
    def _heads(cls) -> tuple[str, ...]:
        """Return the names of the classifiers in timm's network."""
        names = cls.config.classifier
        return (names,) if isinstance(names, str) else tuple(names or ())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the network by its name, because its class is created on demand and no module holds it."""
        return _blank, (self.network,), self.__dict__

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, S, S) normalised as the card says -> pooled features (N, D)."""
        return self.trunk(crops)

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, S, S) -> features (N, D), and expression logits (N, K) with num_classes > 0."""
        features = self.features(crops)
        return Prediction(features, None if self.expression is None else self.expression(features))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, S, S) -> expression logits (N, K), or the features (N, D) without a head."""
        features = self.features(crops)
        return features if self.expression is None else self.expression(features)


@cache
def network(name: str) -> type[TimmAny]:
    """Return the class of a network of timm. Raises ValueError with similar names for one that timm does not have."""
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), NEAR)
        raise ValueError(f"timm has no network '{architecture}'; {_hint(near)}")
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        near = difflib.get_close_matches(tag, tags, NEAR) or tags
        raise ValueError(
            f"timm has no weights '{tag}' of {architecture}; {_hint([f'{architecture}.{t}' for t in near])}"
        )
    config = timm.get_pretrained_cfg(name)
    if config is None:
        raise ValueError(f"timm does not state the crop size of {name}; choose another network of its family")
    return cast(type[TimmAny], type("TimmAny", (TimmAny,), {"network": name, "config": config}))


def _blank(name: str) -> TimmAny:
    kind = network(name)
    return kind.__new__(kind)


def _hint(near: list[str]) -> str:
    names = " or ".join(f"'timm:{name}'" for name in near)
    return f"did you mean {names}?" if near else "timm.list_models() lists its networks"


def _trunk(name: str) -> nn.Module:
    return timm.create_model(name, pretrained=False, num_classes=0)


def _width(trunk: nn.Module) -> int:
    """Return the width of the pooled features, which some networks widen by a layer."""
    return cast(int, trunk.head_hidden_size)

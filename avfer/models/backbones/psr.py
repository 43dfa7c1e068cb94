"""psr: a face read at several resolutions, small ones enlarged by super-resolution.

PSR: Vo, Lee, Yang, Kim, "Pyramid With Super Resolution for In-the-Wild Facial Expression Recognition", IEEE Access 8
(2020). Layers are those of github.com/thanhhungqb/pyramid-super-resolution (no licence file). Our choice: the features,
which are the mean over the branches of the last layer's input.
"""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.backbones.psr_parts import (
    CONVOLUTIONS,
    CUTS,
    MIN_SIDE,
    Edsr,
    Scale,
    SpatialTransformer,
    side_of,
    vgg_layers,
)
from avfer.models.card import IMAGENET_MEAN, IMAGENET_STD, Card, ClassOrder, Published, changed_options
from avfer.models.class_orders import AFFECTNET_8, FERPLUS, RAF_DB, classes_of
from avfer.models.network import FaceNetwork, StartPart
from avfer.models.prediction import Prediction
from avfer.models.tensor_files import count_numbered, rename_tensors

SCALES: dict[int, Scale] = {2: 2, 4: 4}  # multiples that super-resolution makes
POOL = 7  # px, side of the last feature map
FEATURES = 512
ORDERS = [
    ClassOrder(name="raf_db", classes=sorted(RAF_DB)),  # the authors read folders in alphabetical order
    ClassOrder(name="ferplus", classes=FERPLUS),
    AFFECTNET_8,
]
RENAMES = [  # the authors' names -> ours
    (r"^pyramid_group\.", "branches."),
    (r"^classifier\.0\.", "shared."),
    (r"^classifier\.1\.0\.8\.", "head.1."),
    (r"^classifier\.1\.0\.", "neck."),
]
VGG = [  # the same for the authors' VGG-16, the start of training
    (r"^0\.0\.", "features."),
    (r"^1\.8\.", "head.1."),
    (r"^1\.", "neck."),
]
DESCRIPTION = """VGG-16 on a pyramid of one face: small, small made larger by super-resolution, and as it is \
(multiples=[1, 2, 1]; [1, 2, 4, 1] has one more). The first `cut` layers are each branch's own, the rest is shared; \
the mean of the branches' softmax is the result. side=100 for RAF-DB, 96 for FERPlus. The authors give the \
super-resolution network normalised pictures, though it was trained on pixels in [0, 255]: pixel_range=True gives \
it those. pool=False leaves out a pooling that the authors' version of a library added."""


class MaximumAndMean(nn.Module):
    """Pooling by maxima over space, then means."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) -> (N, 2 C, 1, 1)."""
        return torch.cat([x.amax((2, 3), keepdim=True), x.mean((2, 3), keepdim=True)], 1)


class Psr(FaceNetwork):
    """PSR: one VGG-16 branch for each resolution of the pyramid, whose first `cut` layers are its own.

    side: px of the crop. multiples: the enlargement of each branch, the last for the full picture. adaptive_side: if
    the crop is smaller than two thirds of this side, it becomes the small picture, and the crop enlarged twice the full
    one. pixel_range: give the super-resolution network pixels in [0, 255]. pool: pool the last maps to 7 x 7.

    num_classes: expressions of the head.
    """

    offers = frozenset({"branch_logits"})

    def __init__(
        self,
        num_classes: int = 7,
        side: int = 100,
        multiples: Sequence[int] = (1, 2, 1),
        cut: int = 24,
        *,
        adaptive_side: int | None = None,
        pixel_range: bool = False,
        pool: bool = True,
    ) -> None:
        super().__init__()
        if cut not in CUTS:
            raise ValueError(f"cut: must be one of {CUTS}, got {cut}")
        layers = vgg_layers()
        statistics = (IMAGENET_MEAN, IMAGENET_STD) if pixel_range else None
        self.stn = SpatialTransformer(side)
        self.small_side = _small_side(side, multiples)
        self.swapped: bool = adaptive_side is not None and side < adaptive_side / 1.5
        self.branches = nn.ModuleList()
        for multiple in multiples:
            own = deepcopy(layers[:cut])
            self.branches.append(own if multiple == 1 else nn.Sequential(Edsr(SCALES[multiple], statistics), own))
        self.shared = nn.Sequential(*list(layers)[cut:], nn.AdaptiveAvgPool2d(POOL) if pool else nn.Identity())
        self.neck = nn.Sequential(
            MaximumAndMean(),
            nn.Flatten(),
            nn.BatchNorm1d(2 * FEATURES),
            nn.Dropout(0.25),
            nn.Linear(2 * FEATURES, FEATURES),
            nn.ReLU(),
            nn.BatchNorm1d(FEATURES),
        )
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(FEATURES, num_classes))

    @classmethod
    def card(
        cls,
        num_classes: int = 7,
        side: int = 100,
        multiples: Sequence[int] = (1, 2, 1),
        cut: int = 24,
        *,
        adaptive_side: int | None = None,
        pixel_range: bool = False,
        pool: bool = True,
    ) -> Card:
        """Return the card for these constructor options."""
        return Card(
            name="psr",
            task="expression",
            description=DESCRIPTION,
            options=changed_options(
                Psr,
                num_classes=num_classes,
                side=side,
                multiples=list(multiples),
                cut=cut,
                adaptive_side=adaptive_side,
                pixel_range=pixel_range,
                pool=pool,
            ),
            features=FEATURES,
            classes=classes_of(ORDERS, num_classes),
            orders=ORDERS,
            size=side,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            layout="as in the authors' code; features, the mean over the branches of what the last layer reads, are"
            " our choice",
            onnx=True,
            licence_code="none stated",
            licence_weights="none stated",
            sources=[
                "Vo, Lee, Yang, Kim, IEEE Access 8 (2020) 131988-132001, doi 10.1109/ACCESS.2020.3010018",
                "github.com/thanhhungqb/pyramid-super-resolution@ccd06007c82d07bacb6545cd44937e7b7191f36b",
            ],
            published=[
                Published(data="RAF-DB", value=88.98, mark="I"),
                Published(data="FERPlus", value=89.75, mark="R"),
                Published(data="AffectNet-7", value=63.77, mark="R"),
                Published(data="AffectNet-8", value=60.68, mark="I"),
            ],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read the authors' checkpoints, or our own; `side` is the smallest one that fits the tensors.

        tensors: name -> float tensor of its layer's shape.
        """
        ours = rename_tensors(tensors, RENAMES)
        options: dict[str, Any] = {}
        if "head.1.bias" in ours:
            options["num_classes"] = len(ours["head.1.bias"])
        if "stn.fc_loc.0.weight" in ours:
            options["side"] = side_of(round((ours["stn.fc_loc.0.weight"].shape[1] / 10) ** 0.5))
        if branches := count_numbered(ours, "branches."):
            options["multiples"] = [_multiple(ours, branch) for branch in range(branches)]
        shared = sum(name.startswith("shared.") and name.endswith(".running_mean") for name in ours)
        if 0 < CONVOLUTIONS - shared <= len(CUTS):
            options["cut"] = CUTS[CONVOLUTIONS - shared - 1]
        return options, ours

    def start_parts(self) -> dict[str, StartPart]:
        """Return "vgg", the convolutions and the neck, and "super_resolution", the EDSR networks."""
        return {"vgg": StartPart(self.start_vgg), "super_resolution": StartPart(self.start_super_resolution)}

    def start_vgg(self, vgg: Mapping[str, Tensor], rows: Sequence[int] | None = None) -> None:
        """Load a trained VGG-16, as training starts; its last layer only if it has as many classes.

        vgg: name -> float tensor of its layer's shape, named as by the authors (`0.0.I.*`, `1.I.*`) or as by
        torchvision (`features.I.*`). rows: classes of its last layer to load, in this order ([4, 5, 6, 1, 0, 3, 2]
        turns the order of FERPlus into that of RAF-DB).
        """
        given, layers = rename_tensors(vgg, VGG), vgg_layers()
        if rows is not None:
            given |= {name: given[name][list(rows)] for name in ("head.1.weight", "head.1.bias")}
        layers.load_state_dict(_under("features.", given))
        for branch in self.branches:
            own = cast(nn.Sequential, branch)
            own = cast(nn.Sequential, own[1]) if isinstance(own[0], Edsr) else own
            own.load_state_dict(layers[: len(own)].state_dict())
        self.shared.load_state_dict(nn.Sequential(*list(layers)[1 - len(self.shared) :]).state_dict())
        for name, part in (("neck.", self.neck), ("head.", self.head)):
            found = _under(name, given)
            if {key: tensor.shape for key, tensor in found.items()} == _shapes(part):
                part.load_state_dict(found)

    def start_super_resolution(self, edsr: Mapping[str, Tensor], scale: Scale = 2) -> None:
        """Load trained weights of the EDSR baseline in the branches that enlarge `scale` times.

        edsr: name -> float tensor of its layer's shape.
        """
        for network in self.modules():
            if isinstance(network, Edsr) and network.scale == scale:
                network.start_from(edsr)

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, S, S) normalised as the card says -> (N, 512), the mean over the branches."""
        return self._vectors(crops).mean(1)

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, S, S) -> features (N, 512) and expression logits (N, K).

        The logits are the logarithm of the mean over the branches of their softmax. extras: "branch_logits" (N, K, B).
        """
        vectors = self._vectors(crops)
        logits = self.head(vectors)  # (N, B, K)
        joined = logits.log_softmax(2).logsumexp(1) - math.log(len(self.branches))
        return Prediction(vectors.mean(1), joined, extras={"branch_logits": logits.movedim(2, 1)})

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, S, S) -> expression logits (N, K), those of `predict`."""
        logits = self.predict(crops).expression_logits
        assert logits is not None
        return logits

    def _vectors(self, crops: Tensor) -> Tensor:
        """Return the input of the last layer for each branch. crops: (N, 3, S, S) -> (N, B, 512)."""
        small, full = self._pictures(self.stn(crops))
        pictures = [small] * (len(self.branches) - 1) + [full]
        maps = [branch(picture) for branch, picture in zip(self.branches, pictures, strict=True)]
        return torch.stack([self.neck(self.shared(x)) for x in maps], 1)

    def _pictures(self, aligned: Tensor) -> tuple[Tensor, Tensor]:
        """Return the small picture and the full one, (N, 3, S, S) each. No gradient flows through resized ones."""
        if self.swapped:
            return aligned, F.interpolate(aligned.detach(), scale_factor=2, mode="nearest")
        return F.adaptive_avg_pool2d(aligned.detach(), self.small_side), aligned


def _small_side(side: int, multiples: Sequence[int]) -> int:
    """Return the side of the small picture, px. Raises ValueError for an impossible pyramid."""
    if len(multiples) < 2 or not {1, *SCALES}.issuperset(multiples):
        raise ValueError(
            f"multiples: must be two or more of 1, 2 and 4, the last for the full size, got {list(multiples)}"
        )
    small = side // 2 ** (len(multiples) - 2)
    if small < MIN_SIDE:
        raise ValueError(f"side: small pictures of {small} px are below {MIN_SIDE} px; make side={side} larger")
    return small


def _multiple(tensors: Mapping[str, Tensor], branch: int) -> int:
    return 2 ** count_numbered(tensors, f"branches.{branch}.0.tail.0.")


def _shapes(part: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in part.state_dict().items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

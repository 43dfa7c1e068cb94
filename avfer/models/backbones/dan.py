"""dan: several attention heads on one feature map, trained to attend to different regions.

DAN: Wen et al., "Distract Your Attention: Multi-head Cross Attention Network for Facial Expression Recognition", arXiv
2109.07270. Layers are those of github.com/yaoing/DAN (MIT); where the paper differs, this follows the code.
"""

from typing import Any, cast

import timm
import torch
from timm.models.resnet import ResNet
from torch import Tensor, nn

from avfer.models.card import IMAGENET_MEAN, IMAGENET_STD, Card, ClassOrder, Published, changed_options
from avfer.models.class_orders import AFFECTNET_7, AFFECTNET_8, RAF_DB, classes_of
from avfer.models.network import FaceNetwork, StartPart
from avfer.models.prediction import Prediction
from avfer.models.tensor_files import count_numbered, rename_tensors

WIDTH, REDUCED, GATE = 512, 256, 32  # channels of the trunk, of spatial attention, of the gate
ORDERS = [
    AFFECTNET_7,
    AFFECTNET_8,
    ClassOrder(name="raf_db", classes=RAF_DB),
]
RENAMES = [  # the authors' names -> ours
    (r"^features\.0\.", "trunk.conv1."),
    (r"^features\.1\.", "trunk.bn1."),
    *((rf"^features\.{stage + 3}\.", f"trunk.layer{stage}.") for stage in (1, 2, 3, 4)),
    (r"^cat_head(\d+)\.", r"heads.\1."),
    (r"^(heads\.\d+)\.sa\.conv1x1\.", r"\1.spatial.reduce."),
    (r"^(heads\.\d+)\.sa\.conv_3x3\.", r"\1.spatial.square."),
    (r"^(heads\.\d+)\.sa\.conv_1x3\.", r"\1.spatial.row."),
    (r"^(heads\.\d+)\.sa\.conv_3x1\.", r"\1.spatial.column."),
    (r"^(heads\.\d+)\.ca\.attention\.", r"\1.channel.gate."),
]
DESCRIPTION = """ResNet-18 and independent attention heads, whose outputs the losses of training compare. \
AffectNet and RAF-DB number their classes differently. Use float32: head values are sums over 512 channels, which \
can exceed the range of half precision."""


class SpatialAttention(nn.Module):
    """Weighting of places: the input times a map, the sum over the channels of three convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce = _convolution(WIDTH, REDUCED, (1, 1))
        self.square = _convolution(REDUCED, WIDTH, (3, 3))
        self.row = _convolution(REDUCED, WIDTH, (1, 3))
        self.column = _convolution(REDUCED, WIDTH, (3, 1))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, 512, 7, 7) -> (N, 512, 7, 7)."""
        y = self.reduce(x)
        y = self.relu(self.square(y) + self.row(y) + self.column(y))
        return x * y.sum(1, keepdim=True)


class ChannelAttention(nn.Module):
    """Weighting of channels: the mean over space times a gate in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        gate = [nn.Linear(WIDTH, GATE), nn.BatchNorm1d(GATE), nn.ReLU(), nn.Linear(GATE, WIDTH), nn.Sigmoid()]
        self.gate = nn.Sequential(*gate)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, 512, 7, 7) -> (N, 512)."""
        pooled = self.pool(x).flatten(1)
        return pooled * self.gate(pooled)


class AttentionHead(nn.Sequential):
    """Spatial attention, then channel attention: (N, 512, 7, 7) -> (N, 512)."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = SpatialAttention()
        self.channel = ChannelAttention()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.001)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)


class Dan(FaceNetwork):
    """ResNet-18 and `num_heads` attention heads, whose sum is classified.

    num_classes: expressions of the head.
    """

    offers = frozenset({"feature_map", "attention_heads"})

    def __init__(self, num_classes: int = 7, num_heads: int = 4) -> None:
        super().__init__()
        trunk = timm.create_model("resnet18", pretrained=False, num_classes=0, zero_init_last=False)
        self.trunk = cast(ResNet, trunk)
        self.heads = nn.ModuleList(AttentionHead() for _ in range(num_heads))
        self.fc = nn.Linear(WIDTH, num_classes)
        self.bn = nn.BatchNorm1d(num_classes)

    @classmethod
    def card(cls, num_classes: int = 7, num_heads: int = 4) -> Card:
        """Return the card for these constructor options."""
        return Card(
            name="dan",
            task="expression",
            description=DESCRIPTION,
            options=changed_options(Dan, num_classes=num_classes, num_heads=num_heads),
            features=WIDTH,
            classes=classes_of(ORDERS, num_classes),
            orders=ORDERS,
            size=224,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            layout="as in the authors' code",
            onnx=True,
            licence_code="MIT",
            licence_weights="none stated",
            sources=[
                "Wen, Lin, Wang, Xu, arXiv 2109.07270",
                "github.com/yaoing/DAN@3872eefef1441231342b1a798719f6e69cdbc1fd",
            ],
            published=[
                Published(data="AffectNet-8", value=62.09, mark="C"),
                Published(data="AffectNet-7", value=65.69, mark="C"),
                Published(data="RAF-DB", value=89.70, mark="C"),
                Published(data="SFEW 2.0", value=53.18, mark="A"),
            ],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read the authors' checkpoints, or our own. tensors: name -> float tensor of its layer's shape."""
        ours = rename_tensors(tensors, RENAMES)
        options: dict[str, Any] = {}
        if "fc.bias" in ours:
            options["num_classes"] = len(ours["fc.bias"])
        if num_heads := count_numbered(ours, "heads."):
            options["num_heads"] = num_heads
        return options, ours

    def start_parts(self) -> dict[str, StartPart]:
        """Return "resnet", the trunk."""
        return {"resnet": StartPart(self.start_resnet)}

    def start_resnet(self, resnet: dict[str, Tensor]) -> None:
        """Load the layers of a ResNet-18 under torchvision's names, without its classifier.

        resnet: name -> float tensor of its layer's shape. Raises RuntimeError if a tensor does not fit.
        """
        self.trunk.load_state_dict({name: value for name, value in resnet.items() if not name.startswith("fc.")})

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) normalised as the card says -> sum of the heads (N, 512), input of the last layer."""
        return self._heads(crops)[1].sum(1)

    def predict(self, crops: Tensor) -> Prediction:
        """Compute features (N, 512) and expression logits (N, K) of crops (N, 3, 224, 224).

        extras: "feature_map" (N, 512, 7, 7), which all heads read, and "attention_heads" (N, H, 512), the log-softmax
        over the heads (a single head without it).
        """
        feature_map, heads = self._heads(crops)
        features = heads.sum(1)
        extras = {"feature_map": feature_map, "attention_heads": heads}
        return Prediction(features, self.bn(self.fc(features)), extras=extras)

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> expression logits (N, K)."""
        return self.bn(self.fc(self.features(crops)))

    def _heads(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, 224, 224) -> feature map (N, 512, 7, 7), heads (N, H, 512)."""
        feature_map = self.trunk.forward_features(crops)
        heads = torch.stack([head(feature_map) for head in self.heads], 1)  # (N, H, 512)
        return feature_map, heads.log_softmax(1) if len(self.heads) > 1 else heads


def _convolution(inputs: int, outputs: int, kernel: tuple[int, int]) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.BatchNorm2d(outputs))

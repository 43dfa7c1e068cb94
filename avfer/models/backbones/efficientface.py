"""efficientface: a small ShuffleNet with an extractor for the quarters of a face and an attention gate.

EfficientFace: Zhao, Liu, Zhou, "Robust Lightweight Facial Expression Recognition Network with Label Distribution
Training", AAAI 2021, 35(4), 3510-3519. Layers are those of github.com/zengqunzhao/EfficientFace (MIT).
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision.models import ShuffleNetV2

from avfer.models.card import Card, ClassOrder, Published, changed_options
from avfer.models.class_orders import AFFECTNET, classes_of
from avfer.models.network import FaceNetwork
from avfer.models.prediction import Prediction
from avfer.models.tensor_files import rename_tensors

Corpus = Literal["raf_db", "affectnet", "caer_s"]
STATISTICS: dict[Corpus, tuple[list[float], list[float]]] = {  # mean and std per channel of the pixels of a corpus
    "raf_db": ([0.57535914, 0.44928582, 0.40079932], [0.20735591, 0.18981615, 0.18132027]),
    "affectnet": ([0.55391484, 0.43522123, 0.3821877], [0.24837189, 0.21625527, 0.20221159]),
    "caer_s": ([0.35964426, 0.22359873, 0.19040863], [0.15188067, 0.11678473, 0.1103445]),
}
ORDERS = [  # RAF-DB is renumbered: this is not the order of the data set itself
    ClassOrder(name="raf_db", classes=AFFECTNET[:7], options={"corpus": "raf_db"}),
    ClassOrder(name="caer_s", classes=AFFECTNET[:7], options={"corpus": "caer_s"}),
    ClassOrder(name="affectnet_7", classes=AFFECTNET[:7], proven=False, options={"corpus": "affectnet"}),
    ClassOrder(name="affectnet_8", classes=AFFECTNET, proven=False, options={"corpus": "affectnet"}),
]
STEM, WIDTH, FEATURES = 29, 116, 1024  # channels after the stem, after stage 2, after the last convolution
REDUCED, DILATION = 7, 4  # channels inside the modulator, spread of its convolutions
QUARTERS = {1: "top_left", 2: "bottom_left", 3: "top_right", 4: "bottom_right"}  # the authors' numbers
GATE_C, GATE_S = r"modulator\.channel_att\.gate_c\.gate_c_", r"modulator\.spatial_att\.gate_s\.gate_s_"
RENAMES = [  # the authors' names -> ours
    (r"^(?!trunk\.|local\.|modulator\.)", "trunk."),
    *((rf"^local\.conv{number}_1\.", f"local.{place}.0.") for number, place in QUARTERS.items()),
    *((rf"^local\.bn{number}_1\.", f"local.{place}.1.") for number, place in QUARTERS.items()),
    *((rf"^local\.conv{number}_2\.", f"local.{place}.3.") for number, place in QUARTERS.items()),
    *((rf"^local\.bn{number}_2\.", f"local.{place}.4.") for number, place in QUARTERS.items()),
    (rf"^{GATE_C}fc_0\.", "modulator.channel.0."),
    (rf"^{GATE_C}bn_1\.", "modulator.channel.1."),
    (rf"^{GATE_C}fc_final\.", "modulator.channel.3."),
    (rf"^{GATE_S}conv_reduce0\.", "modulator.spatial.0."),
    (rf"^{GATE_S}bn_reduce0\.", "modulator.spatial.1."),
    (rf"^{GATE_S}conv_di_0\.", "modulator.spatial.3."),
    (rf"^{GATE_S}bn_di_0\.", "modulator.spatial.4."),
    (rf"^{GATE_S}conv_di_1\.", "modulator.spatial.6."),
    (rf"^{GATE_S}bn_di_1\.", "modulator.spatial.7."),
    (rf"^{GATE_S}conv_final\.", "modulator.spatial.9."),
]
DESCRIPTION = """ShuffleNet-V2 with a local extractor and a channel-spatial modulator, trained on label distributions. \
Mean and std are those of the corpus the weights were trained on: corpus=raf_db (the default of 7 classes), affectnet \
(of 8) or caer_s. The authors' file from MS-Celeb-1M has 12666 identities as classes and serves for features alone."""


class LocalExtractor(nn.Module):
    """Convolutions of the four quarters of a map, each with layers and padding of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.top_left = _quarter()
        self.bottom_left = _quarter()
        self.top_right = _quarter()
        self.bottom_right = _quarter()

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, 29, H, W) -> (N, 116, H / 2, W / 2)."""
        (top_left, top_right), (bottom_left, bottom_right) = (half.chunk(2, 3) for half in x.chunk(2, 2))
        top = torch.cat([self.top_left(top_left), self.top_right(top_right)], 3)
        bottom = torch.cat([self.bottom_left(bottom_left), self.bottom_right(bottom_right)], 3)
        return torch.cat([top, bottom], 2)


class Modulator(nn.Module):
    """Attention gate: the input times the sigmoid of the product of channel logits and spatial logits."""

    def __init__(self) -> None:
        super().__init__()
        self.channel = nn.Sequential(
            nn.Linear(WIDTH, REDUCED), nn.BatchNorm1d(REDUCED), nn.ReLU(), nn.Linear(REDUCED, WIDTH)
        )
        self.spatial = nn.Sequential(
            *_convolution(WIDTH, 1), *_convolution(REDUCED, 3), *_convolution(REDUCED, 3), nn.Conv2d(REDUCED, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, 116, H, W) -> (N, 116, H, W)."""
        channel: Tensor = self.channel(x.mean((2, 3)))  # (N, 116)
        return x * (channel[:, :, None, None] * self.spatial(x)).sigmoid()


class EfficientFace(FaceNetwork):
    """ShuffleNet-V2 with a local extractor and a modulator after its stem, for crops of 224 px.

    corpus: the training corpus of the weights, which sets mean and std of the card; the layers do not depend on it.
    num_classes: expressions of the head.
    """

    def __init__(self, num_classes: int = 7, corpus: Corpus | None = None) -> None:
        super().__init__()
        self.trunk = ShuffleNetV2([4, 8, 4], [STEM, WIDTH, 232, 464, FEATURES], num_classes)
        self.local = LocalExtractor()
        self.modulator = Modulator()

    @classmethod
    def card(cls, num_classes: int = 7, corpus: Corpus | None = None) -> Card:
        """Return the card for these constructor options."""
        mean, std = statistics(num_classes, corpus)
        return Card(
            name="efficientface",
            task="expression",
            description=DESCRIPTION,
            options=changed_options(EfficientFace, num_classes=num_classes, corpus=corpus),
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
            published=[
                Published(data="RAF-DB", value=88.36, mark="C"),
                Published(data="CAER-S", value=85.87, mark="C"),
                Published(data="AffectNet-7", value=63.70, mark="C"),
                Published(data="AffectNet-8", value=59.89, mark="C"),
            ],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read the authors' checkpoints (with or without the prefix of their data-parallel wrapper), or our own.

        tensors: name -> float tensor of its layer's shape.
        """
        return read_official(tensors, RENAMES)

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) normalised as the card says -> features (N, 1024)."""
        trunk = self.trunk
        x = trunk.maxpool(trunk.conv1(crops))
        x = self.modulator(trunk.stage2(x)) + self.local(x)
        return trunk.conv5(trunk.stage4(trunk.stage3(x))).mean((2, 3))

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, 224, 224) -> features (N, 1024) and expression logits (N, K)."""
        features = self.features(crops)
        return Prediction(features, self.trunk.fc(features))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> expression logits (N, K)."""
        return self.trunk.fc(self.features(crops))


def statistics(num_classes: int, corpus: Corpus | None) -> tuple[list[float], list[float]]:
    """Return mean and std per channel of a corpus; if it is None, of the likeliest corpus for so many classes."""
    return STATISTICS[corpus or ("affectnet" if num_classes == 8 else "raf_db")]


def _quarter() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(STEM, WIDTH, 3, stride=2, padding=1, groups=STEM, bias=False),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(),
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH, bias=False),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(),
    )


def _convolution(inputs: int, kernel: Literal[1, 3]) -> list[nn.Module]:
    spread = DILATION if kernel > 1 else 1
    convolution = nn.Conv2d(inputs, REDUCED, kernel, padding=spread * (kernel // 2), dilation=spread)
    return [convolution, nn.BatchNorm2d(REDUCED), nn.ReLU()]


def read_official(
    tensors: dict[str, Tensor], renames: list[tuple[str, str]]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the options that a checkpoint of the authors implies, and its tensors under our names.

    tensors: name -> float tensor of its layer's shape, with or without the prefix of a data-parallel wrapper; renames:
    pattern of the authors' names -> ours.
    """
    ours = rename_tensors({name.removeprefix("module."): tensor for name, tensor in tensors.items()}, renames)
    return {"num_classes": len(ours["trunk.fc.bias"])} if "trunk.fc.bias" in ours else {}, ours

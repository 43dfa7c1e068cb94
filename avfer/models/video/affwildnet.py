"""affwildnet_vgg_gru and affwildnet_resnet_gru: valence and arousal of faces over time, trained on Aff-Wild.

AffWildNet: Kollias et al., "Deep Affect Prediction in-the-wild", IJCV 2019, arXiv 1804.10938. Layers are those of
github.com/dkollias/Aff-Wild-models (TensorFlow 1.8); the clamp of outputs to [-1, 1] outside of training is our choice.
"""

from collections import OrderedDict
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from avfer.models.affect.time_networks import TfGru
from avfer.models.backbones import vgg_face
from avfer.models.backbones.affwildnet_vgg import CHECKED, CODE, DUMPED, LEVEL, PAPER, TERMS
from avfer.models.backbones.vgg_face import NUM_FEATURES, WIDTH, VggFace
from avfer.models.card import Card, Published, changed_options
from avfer.models.network import AffectModel, FaceNetwork, StartPart
from avfer.models.prediction import Prediction
from avfer.models.tensor_files import from_tensorflow

NUM_HIDDEN = 128  # of each of two layers
TABLE = (  # TensorFlow's names of the recurrent part, any scope before them
    (r".*cell_(\d+)/gru_cell/(gates|candidate)\.", r"gru.cells.\1.\2."),
    (r"(?:.*/)?weights_(?:rnn|output)$", "output.weight"),
    (r"(?:.*/)?biases_(?:rnn|output)$", "output.bias"),
)
RESNET_DEPTHS, RESNET_WIDTH = (3, 4, 6, 3), 64
RESNET_TABLE = (  # TensorFlow's names of the ResNet, any scope before them
    (r"(?:.*/)?resnet_v1_50/block(\d)/unit_(\d)/bottleneck_v1/", r"trunk.block\1.unit_\2."),
    (r"(?:.*/)?resnet_v1_50/", r"trunk."),
    (r"(.*\.)conv(\d)/BatchNorm\.", r"\1bn\2."),
    (r"(.*\.)shortcut/BatchNorm\.", r"\1downsample.1."),
    (r"(.*\.)shortcut\.", r"\1downsample.0."),
)
WITH_LANDMARKS = {"valence": 0.57, "arousal": 0.43}
PUBLISHED = [
    Published(data="Aff-Wild test, the form that also reads 68 landmarks", value=value, mark="R", metric=f"CCC {what}")
    for what, value in WITH_LANDMARKS.items()
]


class AffWildNet(FaceNetwork, AffectModel):
    """A trunk, two layers of TensorFlow's GRU, and a linear output of valence and arousal.

    A pipeline names it twice: `features` make it the backbone, `start` and `step` the affect model.
    num_features: features that the trunk makes of a frame; num_hidden: units of each layer of the GRU.
    """

    def __init__(self, trunk: nn.Module, num_features: int, num_hidden: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.gru = TfGru(num_features, num_hidden)
        self.output = nn.Linear(num_hidden, 2)

    def features(self, crops: Tensor) -> Tensor:
        """Return the input of the GRU. crops: (N, 3, 96, 96) normalised as the card says -> (N, D)."""
        return self.trunk(crops)

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, 96, 96) -> features (N, D) alone; `sequence` reads them over time."""
        return Prediction(self.features(crops))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (B, T, 3, 96, 96), frames of B videos in order -> valence and arousal (B, T, 2), without a bound."""
        features = self.features(crops.flatten(0, 1)).unflatten(0, crops.shape[:2])
        return self.output(self.gru(features))

    def start(self, n: int) -> Tensor:
        """Return the zero state (n, H) of n new tracks."""
        return self.gru.start(n)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """face: (N, D), has_face: (N,) bool, hidden: (N, H) -> N rows, hidden (N, H); the voice is not used."""
        x, after = self.gru.step(face, hidden)
        return self._prediction(x), torch.where(has_face[:, None], after, hidden)

    def sequence(
        self,
        face: Tensor,
        voice: Tensor,
        has_face: Tensor,
        has_voice: Tensor,
        valid: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Prediction:
        """face: (B, T, D), has_face, valid: (B, T) bool -> (B, T) steps; voice and times are not used.

        The state stays the same over instants without a face and over those that are not valid.
        """
        return self._prediction(self.gru(face, has_face if valid is None else has_face & valid))

    def _prediction(self, x: Tensor) -> Prediction:
        """(..., W) -> valence and arousal (..., 2), clamped to [-1, 1] outside of training."""
        return Prediction(valence_arousal=self.output(x) if self.training else self.output(x).clamp(-1, 1))


class AffWildNetVggGru(AffWildNet):
    """AffWildNet with VGG-Face and one full layer; 35,314,498 parameters.

    num_hidden: units of each layer of the GRU; num_features: units of the full layer; width: channels of the first
    convolution, which the others are multiples of.
    """

    def __init__(self, num_hidden: int = NUM_HIDDEN, num_features: int = NUM_FEATURES, width: int = WIDTH) -> None:
        super().__init__(VggFace(width, (num_features,)), num_features, num_hidden)

    @classmethod
    def card(cls, num_hidden: int = NUM_HIDDEN, num_features: int = NUM_FEATURES, width: int = WIDTH) -> Card:
        """Return the card for these constructor options."""
        options = changed_options(AffWildNetVggGru, num_hidden=num_hidden, num_features=num_features, width=width)
        return _card("affwildnet_vgg_gru", options, num_features, (0.811, 0.725), PUBLISHED)

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read a dump of the authors' checkpoint (folder `affwildnet-vggface-gru`), or a file of ours.

        tensors: name -> float tensor in TensorFlow's or in our layout.
        """
        ours = vgg_face.named(tensors, TABLE)
        return vgg_face.implied_options(ours) | _hidden_option(ours), ours

    def start_parts(self) -> dict[str, StartPart]:
        """Return "vgg_face", the convolutions of VGG-Face."""
        return {"vgg_face": StartPart(cast(VggFace, self.trunk).load_vgg_face)}


class AffWildNetResNetGru(AffWildNet):
    """AffWildNet with the ResNet-50 of TF-slim; 24,442,946 parameters.

    num_hidden: units of each layer of the GRU; width: channels of the first convolution, which the others are multiples
    of.
    """

    def __init__(self, num_hidden: int = NUM_HIDDEN, width: int = WIDTH) -> None:
        super().__init__(SlimResNet50(width), 32 * width, num_hidden)

    @classmethod
    def card(cls, num_hidden: int = NUM_HIDDEN, width: int = WIDTH) -> Card:
        """Return the card for these constructor options."""
        options = changed_options(AffWildNetResNetGru, num_hidden=num_hidden, width=width)
        return _card("affwildnet_resnet_gru", options, 32 * width, (0.776, 0.701), [])

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read a dump of the authors' checkpoint (folder `affwildnet-resnet-gru`), or a file of ours.

        tensors: name -> float tensor in TensorFlow's or in our layout.
        """
        ours = from_tensorflow(tensors, (*RESNET_TABLE, *TABLE))
        width = {"width": len(ours["trunk.conv1.weight"])} if "trunk.conv1.weight" in ours else {}
        return width | _hidden_option(ours), ours


class SlimResNet50(nn.Module):
    """ResNet-v1-50 (He et al., CVPR 2016) of TF-slim without its classifier.

    TF-slim halves a map in the last unit of a block, not in the first: where the sides shrink without a change of
    width, the shortcut drops every other pixel. Padding lies outside on both sides, except for the pooling after the
    first convolution, which pads at the end alone. The side of the crops must be even.
    """

    def __init__(self, width: int = RESNET_WIDTH) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)  # on even sides the same as TensorFlow's SAME
        for number, depth in enumerate(RESNET_DEPTHS):
            before = 4 * width * 2 ** (number - 1) if number else width
            block = _resnet_block(before, width * 2**number, depth, stride=1 + (number < 3))
            self.add_module(f"block{number + 1}", block)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, nn.BatchNorm2d):
                layer.momentum = 0.003

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, S, S) -> (N, 32 * width)."""
        x = self.pool(self.relu(self.bn1(self.conv1(crops))))
        for number in range(len(RESNET_DEPTHS)):
            x = self.get_submodule(f"block{number + 1}")(x)
        return x.mean((2, 3))


def _resnet_block(before: int, width: int, depth: int, stride: int) -> nn.Sequential:
    wide = width * Bottleneck.expansion
    project = nn.Sequential(nn.Conv2d(before, wide, 1, bias=False), nn.BatchNorm2d(wide))
    units = OrderedDict[str, nn.Module](unit_1=Bottleneck(before, width, downsample=project))
    for number in range(2, depth):
        units[f"unit_{number}"] = Bottleneck(wide, width)
    shrink = nn.MaxPool2d(1, stride) if stride > 1 else None
    units[f"unit_{depth}"] = Bottleneck(wide, width, stride, shrink)
    return nn.Sequential(units)


def _hidden_option(tensors: dict[str, Tensor]) -> dict[str, int]:
    bias = tensors.get("gru.cells.0.candidate.bias")
    return {} if bias is None else {"num_hidden": len(bias)}


def _card(
    name: str, options: dict[str, Any], num_features: int, checks: tuple[float, float], published: list[Published]
) -> Card:
    checked = [
        Published(data=CHECKED, value=value, mark="C", metric=f"CCC {what}")
        for what, value in zip(("valence", "arousal"), checks, strict=True)
    ]
    return Card(
        name=name,
        task="valence and arousal over time",
        description="Frames of one face in order, as dense as the video's: it was trained on 80 in a row. In a pipeline"
        f" it is named twice, as backbone and as model, with the same weights. {DUMPED}",
        options=options,
        inputs={"face": num_features},
        trained_on={"face": name},
        valence_arousal=True,
        size=vgg_face.SIDE,
        mean=[LEVEL] * 3,
        std=[LEVEL] * 3,
        layout="as in the authors' code",
        data="Aff-Wild: 298 videos of 200 people",
        licence_code=TERMS,
        licence_weights=TERMS,
        sources=[PAPER, CODE],
        published=[*checked, *published],
    )

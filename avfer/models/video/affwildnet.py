"""affwildnet_vgg_gru and affwildnet_resnet_gru: valence and arousal of faces over time, learned on Aff-Wild."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from avfer.models.affect.time_networks import TfGru
from avfer.models.backbones import slim_resnet, vgg_face
from avfer.models.backbones.affwildnet_vgg import CHECKED, CODE, DUMPED, LEVEL, PAPER, TERMS
from avfer.models.backbones.slim_resnet import SlimResNet50
from avfer.models.backbones.vgg_face import NUM_FEATURES, WIDTH, VggFace
from avfer.models.card import Card, Published
from avfer.models.network import AffectModel, FaceNetwork, StartPart
from avfer.models.prediction import Prediction
from avfer.models.tensor_names import from_tensorflow

NUM_HIDDEN = 128  # of each of two layers
TABLE = (  # TensorFlow's names of the recurrent part, any scope before them
    (r".*cell_(\d+)/gru_cell/(gates|candidate)\.", r"gru.cells.\1.\2."),
    (r"(?:.*/)?weights_(?:rnn|output)$", "output.weight"),
    (r"(?:.*/)?biases_(?:rnn|output)$", "output.bias"),
)
WITH_LANDMARKS = {"valence": 0.57, "arousal": 0.43}
PUBLISHED = [
    Published(data="Aff-Wild test, the form that also reads 68 landmarks", value=value, mark="R", metric=f"CCC {what}")
    for what, value in WITH_LANDMARKS.items()
]


class AffWildNet(FaceNetwork, AffectModel):
    """A trunk, two layers of TensorFlow's GRU, and a linear output of valence and arousal.

    It stands in a pipeline twice: `features` as the backbone, `start` and `step` as the affect model.
    """

    def __init__(self, trunk: nn.Module, num_features: int, num_hidden: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.gru = TfGru(num_features, num_hidden)
        self.output = nn.Linear(num_hidden, 2)

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) normalised as the card says -> (N, D), what the GRU reads."""
        return self.trunk(crops)

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, 96, 96) -> features (N, D) alone; `sequence` reads them over time."""
        return Prediction(self.features(crops))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (B, T, 3, 96, 96), frames of B videos in order -> valence and arousal (B, T, 2), without a bound."""
        features = self.features(crops.flatten(0, 1)).unflatten(0, crops.shape[:2])
        return self.output(self.gru(features))

    def start(self, n: int) -> Tensor:
        """(n, H) zeros."""
        return self.gru.start(n)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """face: (N, D), hidden: (N, H); the voice is not read -> outputs (N,), hidden (N, H)."""
        x, after = self.gru.step(face, hidden)
        return self._told(x), torch.where(has_face[:, None], after, hidden)

    def sequence(
        self,
        face: Tensor,
        voice: Tensor,
        has_face: Tensor,
        has_voice: Tensor,
        valid: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Prediction:
        """The same over sequences, for training: face (B, T, D), has_face, valid (B, T) bool -> outputs (B, T).

        The state passes over instants without a face and over those that are not valid.
        """
        return self._told(self.gru(face, has_face if valid is None else has_face & valid))

    def _told(self, x: Tensor) -> Prediction:
        """x: (..., W) -> outputs, within [-1, 1] but while training."""
        return Prediction(valence_arousal=self.output(x) if self.training else self.output(x).clamp(-1, 1))


class AffWildNetVggGru(AffWildNet):
    """AffWildNet with VGG-Face and one full layer; 35,314,498 parameters."""

    def __init__(self, num_hidden: int = NUM_HIDDEN, num_features: int = NUM_FEATURES, width: int = WIDTH) -> None:
        super().__init__(VggFace(width, (num_features,)), num_features, num_hidden)

    @classmethod
    def card(cls, num_hidden: int = NUM_HIDDEN, num_features: int = NUM_FEATURES, width: int = WIDTH) -> Card:
        told = {"num_hidden": (num_hidden, NUM_HIDDEN), "num_features": (num_features, NUM_FEATURES)}
        options = _changed(told | {"width": (width, WIDTH)})
        return _card("affwildnet_vgg_gru", options, num_features, (0.811, 0.725))

    @staticmethod
    def from_official(tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """A dump of the authors' checkpoint (folder `affwildnet-vggface-gru`), or a file of ours."""
        ours = vgg_face.named(tensors, TABLE)
        return vgg_face.form(ours) | _hidden(ours), ours

    def start_parts(self) -> dict[str, StartPart]:
        """Return "vgg_face", the convolutions of VGG-Face."""
        return {"vgg_face": StartPart(cast(VggFace, self.trunk).take_over)}


class AffWildNetResNetGru(AffWildNet):
    """AffWildNet with the ResNet-50 of TF-slim; 24,442,946 parameters."""

    def __init__(self, num_hidden: int = NUM_HIDDEN, width: int = WIDTH) -> None:
        super().__init__(SlimResNet50(width), 32 * width, num_hidden)

    @classmethod
    def card(cls, num_hidden: int = NUM_HIDDEN, width: int = WIDTH) -> Card:
        options = _changed({"num_hidden": (num_hidden, NUM_HIDDEN), "width": (width, WIDTH)})
        return _card("affwildnet_resnet_gru", options, 32 * width, (0.776, 0.701))

    @staticmethod
    def from_official(tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """A dump of the authors' checkpoint (folder `affwildnet-resnet-gru`), or a file of ours."""
        ours = from_tensorflow(tensors, (*slim_resnet.TABLE, *TABLE))
        width = {"width": len(ours["trunk.conv1.weight"])} if "trunk.conv1.weight" in ours else {}
        return width | _hidden(ours), ours


def _hidden(tensors: dict[str, Tensor]) -> dict[str, int]:
    bias = tensors.get("gru.cells.0.candidate.bias")
    return {} if bias is None else {"num_hidden": len(bias)}


def _changed(told: dict[str, tuple[int, int]]) -> dict[str, int]:
    return {name: value for name, (value, default) in told.items() if value != default}


def _card(name: str, options: dict[str, int], num_features: int, checks: tuple[float, float]) -> Card:
    found = [
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
        published=[*found, *(PUBLISHED if name == "affwildnet_vgg_gru" else [])],
    )

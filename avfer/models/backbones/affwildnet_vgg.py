"""affwildnet_vgg: valence and arousal of single pictures, trained on Aff-Wild.

The CNN of AffWildNet: Kollias et al., "Deep Affect Prediction in-the-wild", IJCV 2019, arXiv 1804.10938. Layers are
those of github.com/dkollias/Aff-Wild-models (TensorFlow 1.8); the optional expression head is our choice.
"""

from typing import Any

from torch import Tensor, nn

from avfer.models.backbones import vgg_face
from avfer.models.backbones.vgg_face import NUM_FEATURES, WIDTH, VggFace
from avfer.models.card import Card, Published, changed_options
from avfer.models.network import FaceNetwork, StartPart
from avfer.models.prediction import Prediction

NUM_HIDDEN = 2000
LEVEL = 128 / 255  # pixels are (x - 128) / 128
CODE = "github.com/dkollias/Aff-Wild-models (TensorFlow 1.8)"
PAPER = "Kollias et al., Deep Affect Prediction in-the-wild, IJCV 2019, arXiv 1804.10938"
TERMS = "research only, non-commercial, no redistribution"
DUMPED = "Import the file that tools/dump_affwildnet.py writes from the authors' checkpoint of TensorFlow."
CHECKED = "Aff-Wild training set, every 20th frame, a check by a third party"
TABLE = ((r"(?:.*/)?linear2_1\.", "trunk.full.1."), (r"(?:.*/)?linear3_1\.", "output."))


class AffWildNetVgg(FaceNetwork):
    """VGG-Face, two full layers, and a linear output of valence and arousal.

    num_hidden: units of the second full layer; the authors published 2000 and 4096. num_classes: width of an expression
    head for training on other data, which the published files do not have; 0 for none.

    num_features: units of the first full layer.
    """

    def __init__(
        self,
        num_classes: int = 0,
        num_hidden: int = NUM_HIDDEN,
        num_features: int = NUM_FEATURES,
        width: int = WIDTH,
    ) -> None:
        super().__init__()
        self.trunk = VggFace(width, (num_features, num_hidden))
        self.output = nn.Linear(num_hidden, 2)
        self.expression = nn.Linear(num_hidden, num_classes) if num_classes else None

    @classmethod
    def card(
        cls,
        num_classes: int = 0,
        num_hidden: int = NUM_HIDDEN,
        num_features: int = NUM_FEATURES,
        width: int = WIDTH,
    ) -> Card:
        """Return the card for these constructor options."""
        checks = {2000: (0.841, 0.788), 4096: (0.849, 0.801)}.get(num_hidden, ())
        return Card(
            name="affwildnet_vgg",
            task="valence and arousal",
            description=f"VGG-Face that predicts valence and arousal of one picture, without a bound. {DUMPED}",
            options=changed_options(
                AffWildNetVgg,
                num_classes=num_classes,
                num_hidden=num_hidden,
                num_features=num_features,
                width=width,
            ),
            features=num_hidden,
            valence_arousal=True,
            size=vgg_face.SIDE,
            mean=[LEVEL] * 3,
            std=[LEVEL] * 3,
            layout="as in the authors' code" + ("; the head of expressions is our choice" if num_classes else ""),
            onnx=True,
            data="Aff-Wild: 298 videos of 200 people",
            licence_code=TERMS,
            licence_weights=TERMS,
            sources=[PAPER, CODE],
            published=[
                Published(data=CHECKED, value=value, mark="C", metric=f"CCC {what}")
                for what, value in zip(("valence", "arousal"), checks, strict=False)
            ],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read a dump of the authors' checkpoint (folder `vggface`), or a file of ours.

        tensors: name -> float tensor in TensorFlow's or in our layout.
        """
        ours = vgg_face.named(tensors, TABLE)
        options: dict[str, Any] = vgg_face.implied_options(ours)
        if "trunk.full.1.weight" in ours:
            options["num_hidden"] = len(ours["trunk.full.1.weight"])
        if "expression.bias" in ours:
            options["num_classes"] = len(ours["expression.bias"])
        return options, ours

    def start_parts(self) -> dict[str, StartPart]:
        """Return "vgg_face", the convolutions of VGG-Face."""
        return {"vgg_face": StartPart(self.trunk.load_vgg_face)}

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) normalised as the card says -> output of the second full layer (N, D)."""
        return self.trunk(crops)

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, 96, 96) -> features (N, D), valence and arousal (N, 2); expression logits if it has them."""
        features = self.features(crops)
        return Prediction(features, self.expression(features) if self.expression else None, self.output(features))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 96, 96) -> valence and arousal (N, 2); expression logits (N, K) where it has them."""
        features = self.features(crops)
        return self.expression(features) if self.expression else self.output(features)

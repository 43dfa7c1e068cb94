"""pf_vit: the poker face vision transformer, and the plain one that its authors published.

PF-ViT: Li et al., "Emotion Separation and Recognition from a Facial Expression by Generating the Poker Face with Vision
Transformers", arXiv 2207.11081, IEEE Transactions on Computational Social Systems 2024. Encoder and head are those of
github.com/MSA-LMC/MAE-SFER (no licence file); separator, generator and discriminator are not public and our choice.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from avfer.errors import WeightsError
from avfer.models.backbones import vit
from avfer.models.backbones.mae import Mae
from avfer.models.backbones.poker_face import Discriminator, Generator, Separated, Separator
from avfer.models.backbones.vit import Size
from avfer.models.card import IMAGENET_MEAN, IMAGENET_STD, Card, ClassOrder, Published, changed_options
from avfer.models.class_orders import AFFECTNET_7, AFFECTNET_8, FERPLUS, RAF_DB, classes_of
from avfer.models.network import FaceNetwork, StartPart
from avfer.models.prediction import Prediction

ORDERS = [
    ClassOrder(name="raf_db", classes=RAF_DB),
    AFFECTNET_7,
    AFFECTNET_8,
    ClassOrder(name="ferplus", classes=FERPLUS),
]
DATA = ("RAF-DB", "AffectNet-7", "AffectNet-8", "FERPlus")
SEPARATED = (92.07, 67.23, 64.10, 91.16)  # accuracy %, the best of the paper, base
BASELINE: dict[Size, tuple[float, ...]] = {  # encoder and head alone
    "tiny": (88.72, 64.25, 61.45, 88.67),
    "small": (90.03, 65.53, 62.06, 89.35),
    "base": (91.07, 66.09, 62.42, 90.18),
}
ORTHOGONAL = "no loss made the soft form orthogonal; leave the option out, and train the orthogonal form again"
DESCRIPTION = """A vision transformer whose class token is split into emotion and residue; the emotion is classified, \
and is the features. separator=False is the baseline that the authors published, encoder and head alone: their \
checkpoints are read as that. generator=True adds generator and discriminator, for training. A file \
without a head (a pre-trained encoder) is given a head of zeros for 7 classes, which predicts all expressions as \
equally likely until it is trained. drop_path skips layers of the encoder by chance in training. The authors' small \
size has 32 px patches in its fine-tuned form: patch=32."""


class PfVit(FaceNetwork):
    """An encoder, a separator, a head, and for training a generator and a discriminator.

    num_classes: expressions of the head; size: of the encoder, "tiny", "small" or "base"; patch: px, side of a patch.
    separator: False is the published baseline, encoder and head alone. generator: add generator and discriminator.
    drop_path: chance to skip the last layer of the encoder in training.
    """

    removed: ClassVar[Mapping[str, str]] = {"separation": ORTHOGONAL}

    def __init__(
        self,
        num_classes: int = 7,
        size: Size = "base",
        patch: int = 16,
        separator: bool = True,
        generator: bool = False,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if generator and not separator:
            raise ValueError("generator=True needs the separator; leave separator=False out")
        width = vit.WIDTHS[size]
        self.encoder = vit.encoder(size, patch, drop_path)
        self.separator = Separator(width) if separator else None
        self.head = nn.Linear(width, num_classes)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.generator = Generator(width, patch) if generator else None
        self.discriminator = Discriminator(num_classes) if generator else None
        parts = {"emotion_tokens": separator, "residue_tokens": separator, "generator": generator}
        self.offers = frozenset(name for name, there in parts.items() if there)

    @classmethod
    def card(
        cls,
        num_classes: int = 7,
        size: Size = "base",
        patch: int = 16,
        separator: bool = True,
        generator: bool = False,
        drop_path: float = 0.0,
    ) -> Card:
        """Return the card for these constructor options."""
        results, mark = (SEPARATED if size == "base" else (), "A") if separator else (BASELINE[size], "C")
        return Card(
            name="pf_vit",
            task="expression",
            description=DESCRIPTION,
            options=changed_options(
                PfVit,
                drop_path=drop_path,
                num_classes=num_classes,
                size=size,
                patch=patch,
                separator=separator,
                generator=generator,
            ),
            features=vit.WIDTHS[size],
            classes=classes_of(ORDERS, num_classes),
            orders=ORDERS,
            size=vit.SIDE,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            layout="encoder and head as in the authors' code; separator, generator and discriminator are our choice"
            if separator
            else "as in the authors' code",
            onnx=True,
            licence_code="none stated; it builds on facebookresearch/mae, CC BY-NC 4.0",
            licence_weights="none stated",
            sources=[
                "Li et al., arXiv 2207.11081; IEEE TCSS 2024, doi 10.1109/TCSS.2024.3478839",
                "github.com/MSA-LMC/MAE-SFER@7e91c1dafc82fe2cb95978bc399dac300e8cb697 (encoder and head)",
            ],
            published=[Published(data=d, value=v, mark=mark) for d, v in zip(DATA, results, strict=False)],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read a pre-training checkpoint, a fine-tuned one, or one of ours; a missing head becomes zeros.

        tensors: name -> float tensor of its layer's shape.
        """
        kept = {n: t for n, t in tensors.items() if not n.startswith(("decoder_", "decoder.")) and n != "mask_token"}
        ours = vit.named(kept)
        options: dict[str, Any] = dict(vit.implied_options(ours))
        options["generator"] = any(name.startswith("generator.") for name in ours)
        options["separator"] = options["generator"] or any(name.startswith("separator.") for name in ours)
        if any(name.startswith("separator.mlp.soft.") for name in ours):
            raise WeightsError(f"weights of pf_vit with separation: soft, which was removed: {ORTHOGONAL}")
        token = ours.get("encoder.cls_token")
        if token is not None and not any(name.startswith("head.") for name in ours):
            ours |= {"head.weight": torch.zeros(7, token.shape[-1]), "head.bias": torch.zeros(7)}
        if "head.bias" in ours:
            options["num_classes"] = len(ours["head.bias"])
        return options, ours

    @classmethod
    def inference_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options without generator and discriminator."""
        return {name: value for name, value in options.items() if name != "generator"}

    def start_parts(self) -> dict[str, StartPart]:
        """Return "pretrained", a file of mae."""
        return {"pretrained": StartPart(self.start_pretrained, network="mae")}

    def start_pretrained(self, pretrained: Mae) -> None:
        """Load the encoder of a pre-trained network of the same size, and its decoder into the generator."""
        self.encoder.load_state_dict(pretrained.encoder.state_dict())
        if self.generator is not None and pretrained.decoder is not None:
            decoder = pretrained.decoder.state_dict()
            del decoder["mask_token"]
            self.generator.load_state_dict(decoder, strict=False)

    def separate(self, crops: Tensor) -> Separated:
        """crops: (N, 3, 224, 224) normalised as the card says -> emotion and residue, (N, 1 + P, D) each."""
        if self.separator is None:
            raise RuntimeError("this pf_vit is the baseline without a separator; make it with separator=True")
        return self.separator(self.encoder.forward_features(crops))

    def reconstruct(self, crops: Tensor) -> Tensor:
        """Return the same faces as the generator rebuilds them. crops: (N, 3, 224, 224) -> (N, 3, 224, 224)."""
        parts = self.separate(crops)
        return self._generator()(parts.residue, parts.emotion)

    def poker_face(self, crops: Tensor) -> Tensor:
        """Return the same faces without emotion. crops: (N, 3, 224, 224) -> (N, 3, 224, 224), normalised alike."""
        return self._generator()(self.separate(crops).residue)

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> emotion of the class token (N, D); for the baseline the token itself."""
        token = self.encoder.forward_features(crops)[:, :1]
        return (token if self.separator is None else self.separator(token).emotion)[:, 0]

    def predict(self, crops: Tensor) -> Prediction:
        """Compute features (N, D) and expression logits (N, K) of crops (N, 3, 224, 224).

        extras with a separator: "emotion_tokens" and "residue_tokens", (N, 1 + P, D) each, whose sum is the encoder's.
        """
        tokens = self.encoder.forward_features(crops)
        if self.separator is None:
            return Prediction(tokens[:, 0], self.head(tokens[:, 0]))
        emotion, residue = self.separator(tokens)
        # The class token is separated alone, as in `features`, because rounding differs among all tokens. With a
        # generator, as in training, the tokens are separated only once.
        features = (emotion if self.generator else self.separator(tokens[:, :1]).emotion)[:, 0]
        extras = {"emotion_tokens": emotion, "residue_tokens": residue}
        return Prediction(features, self.head(features), extras=extras)

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> expression logits (N, K)."""
        return self.head(self.features(crops))

    def _generator(self) -> Generator:
        if self.generator is None:
            raise RuntimeError("this pf_vit has no generator; make it with generator=True")
        return self.generator

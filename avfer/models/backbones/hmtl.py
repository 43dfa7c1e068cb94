"""hmtl: a network trained on expressions and on pretext tasks at the same time.

HMTL: Pourmirzaei, Montazer, Esmaili, "Using Self-Supervised Auxiliary Tasks to Improve Fine-Grained Facial
Representation", arXiv 2105.06421. Puzzle and expression heads follow the public code
(github.com/mahdip72/AffectNet-with-Self-Supervised-auxiliary-tasks, TensorFlow, MIT), which has neither the paper's
trunk nor its in-painting. The in-painting decoder, the valence-arousal head and the normalisation are our choice.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import timm
import torch
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn

from avfer.models.card import IMAGENET_MEAN, IMAGENET_STD, Card, Published, changed_options
from avfer.models.class_orders import AFFECTNET_7, AFFECTNET_8, classes_of
from avfer.models.network import FaceNetwork
from avfer.models.prediction import Prediction

Trunk = Literal["efficientnet_b0", "efficientnet_b2"]
Head = Literal["expression", "valence_arousal", "puzzle", "inpainting"]
WIDTHS: dict[Trunk, int] = {"efficientnet_b0": 1280, "efficientnet_b2": 1408}
HEADS: tuple[Head, ...] = ("expression", "valence_arousal", "puzzle", "inpainting")
SUPERVISED: tuple[Head, ...] = ("expression", "valence_arousal")
ORDERS = [AFFECTNET_8, AFFECTNET_7]
PUBLISHED: dict[Trunk, dict[str, float]] = {  # accuracy % on 8 classes
    "efficientnet_b0": {
        "AffectNet-8, with in-painting": 61.72,
        "AffectNet-8, with puzzles": 61.09,
        "AffectNet-8, labels alone": 60.34,
        "AffectNet-8, 20 % of the data, with in-painting": 55.36,
        "AffectNet-8, 20 % of the data, labels alone": 52.46,
    },
    "efficientnet_b2": {"AffectNet-8, with puzzles": 61.32},
}


class PuzzleHead(nn.Module):
    """For each of P positions of a puzzle, a classifier of the tile that lies there.

    width: channels of the feature map; grid: tiles in a row and in a column, P = grid².
    """

    def __init__(self, width: int, grid: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.2)
        self.positions = nn.ModuleList(nn.Linear(width, grid * grid) for _ in range(grid * grid))

    def forward(self, features: Tensor) -> Tensor:
        """features: (N, D) -> logits (N, P, P), position before tile."""
        x = self.dropout(features)
        return torch.stack([position(x) for position in self.positions], 1)


class InpaintingDecoder(nn.Sequential):
    """Decoder of the last feature map (N, D, S / 32, S / 32) to a picture (N, 3, S, S) in [0, 1].

    width: D, channels of the feature map.
    """

    def __init__(self, width: int) -> None:
        layers: list[nn.Module] = []
        for wider, narrower in zip((width, 512, 256, 128, 64), (512, 256, 128, 64, 32), strict=True):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(wider, narrower, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(narrower), nn.SiLU()]
        super().__init__(*layers, nn.Conv2d(32, 3, 3, padding=1), nn.Sigmoid())


class Hmtl(FaceNetwork):
    """An EfficientNet with any of four heads, one of the first two among them.

    heads: "expression", "valence_arousal", and for training alone "puzzle" and "inpainting"; `inference_options`
    leaves the latter out. grid: tiles of a puzzle in a row and in a column.

    num_classes: expressions of the head; backbone: EfficientNet of timm.
    """

    def __init__(
        self,
        num_classes: int = 8,
        backbone: Trunk = "efficientnet_b0",
        heads: Sequence[Head] = ("expression",),
        grid: Literal[2, 3] = 3,
    ) -> None:
        super().__init__()
        if not set(heads) <= set(HEADS) or not set(heads) & set(SUPERVISED):
            known = f"{', '.join(HEADS)}, one of the first two among them"
            raise ValueError(f"heads: must be of {known}; got {list(heads)}")
        width = WIDTHS[backbone]
        self.grid: Literal[2, 3] = grid
        self.heads = tuple(head for head in HEADS if head in heads)
        self.trunk = cast(EfficientNet, timm.create_model(backbone, pretrained=False, num_classes=0))
        self.dropout = nn.Dropout(0.3)
        self.expression = nn.Linear(width, num_classes) if "expression" in heads else None
        self.valence_arousal = nn.Linear(width, 2) if "valence_arousal" in heads else None
        self.puzzle = PuzzleHead(width, grid) if "puzzle" in heads else None
        self.inpainting = InpaintingDecoder(width) if "inpainting" in heads else None
        self.offers = frozenset(head for head in self.heads if head not in SUPERVISED)

    @classmethod
    def card(
        cls,
        num_classes: int = 8,
        backbone: Trunk = "efficientnet_b0",
        heads: Sequence[Head] = ("expression",),
        grid: Literal[2, 3] = 3,
    ) -> Card:
        """Return the card for these constructor options."""
        known = ORDERS if "expression" in heads else []
        return Card(
            name="hmtl",
            task=" and ".join(head.replace("_", " and ") for head in SUPERVISED if head in heads),
            description="EfficientNet trained on labels and on pretext tasks at once: heads=[expression, puzzle,"
            " inpainting] adds those of training, valence_arousal the other supervised one. The authors published no"
            " weights, and code for expression and puzzles alone.",
            options=changed_options(Hmtl, num_classes=num_classes, backbone=backbone, heads=list(heads), grid=grid),
            features=WIDTHS[backbone],
            classes=classes_of(known, num_classes),
            orders=known,
            valence_arousal="valence_arousal" in heads,
            size=224,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            layout="trunk as in the paper, puzzle and expression heads as in the authors' code; normalisation,"
            " valence-arousal head and in-painting decoder are our choice",
            onnx=True,
            licence_code="MIT",
            licence_weights="none published",
            sources=[
                "Pourmirzaei, Montazer, Esmaili, arXiv 2105.06421",
                "github.com/mahdip72/AffectNet-with-Self-Supervised-auxiliary-tasks (TensorFlow, an earlier form)",
            ],
            published=[Published(data=data, value=value, mark="I") for data, value in PUBLISHED[backbone].items()],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read one of our own files; no official weights are public.

        tensors: name -> float tensor of its layer's shape.
        """
        options: dict[str, Any] = {}
        heads = [head for head in HEADS if any(name.startswith(f"{head}.") for name in tensors)]
        if set(heads) & set(SUPERVISED):
            options["heads"] = heads
        if "expression.bias" in tensors:
            options["num_classes"] = len(tensors["expression.bias"])
        if "puzzle.positions.0.bias" in tensors and len(tensors["puzzle.positions.0.bias"]) == 4:
            options["grid"] = 2
        last = tensors.get("trunk.conv_head.weight")
        trunks = [name for name, width in WIDTHS.items() if last is not None and len(last) == width]
        return options | ({"backbone": trunks[0]} if trunks else {}), tensors

    @classmethod
    def inference_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options without the heads of pretext tasks; the other outputs stay the same to the bit."""
        kept = [head for head in options.get("heads", ()) if head in SUPERVISED]
        return dict(options) | ({"heads": kept} if "heads" in options else {})

    def puzzle_logits(self, crops: Tensor) -> Tensor:
        """Classify the tile at each position. crops: (N, 3, S, S), shuffled by the puzzle loss -> (N, P, P)."""
        if self.puzzle is None:
            raise RuntimeError("this hmtl has no puzzle head; make it with heads=['expression', 'puzzle']")
        return self.puzzle(self.features(crops))

    def restore(self, crops: Tensor) -> Tensor:
        """Fill in a part that was cut out. crops: (N, 3, S, S), S a multiple of 32 -> (N, 3, S, S) in [0, 1]."""
        if self.inpainting is None:
            raise RuntimeError("this hmtl has no in-painting head; make it with heads=['expression', 'inpainting']")
        return self.inpainting(self.trunk.forward_features(crops))

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) normalised as the card says -> features (N, D)."""
        return self.trunk(crops)

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, 224, 224) -> features (N, D), expression logits (N, K), valence and arousal (N, 2)."""
        features = self.features(crops)
        x = self.dropout(features)
        expression = None if self.expression is None else self.expression(x)
        return Prediction(
            features, expression, None if self.valence_arousal is None else self.valence_arousal(x).tanh()
        )

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> expression logits (N, K), or valence and arousal (N, 2) for that head alone."""
        prediction = self.predict(crops)
        outputs = prediction.valence_arousal if self.expression is None else prediction.expression_logits
        assert outputs is not None, "the constructor demands a supervised head"
        return outputs

"""poster: a face and its landmarks, fused at three scales by a pyramid of transformers."""

from typing import Any, Literal

from torch import Tensor, nn

from avfer.models.backbones.cross_attention import Gate
from avfer.models.backbones.ir50 import ROW, Ir50
from avfer.models.backbones.mobilefacenet import MobileFaceNet
from avfer.models.backbones.pyramid import WIDTH, Pyramid
from avfer.models.card import Card, ClassOrder, Published, changed_options
from avfer.models.network import FaceNetwork, StartPart
from avfer.models.prediction import Prediction
from avfer.models.tensor_names import rename_tensors

Variant = Literal["raf_db", "affectnet"]
RAF_DB = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
AFFECTNET = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]
ORDERS: dict[Variant, list[ClassOrder]] = {
    "raf_db": [ClassOrder(name="raf_db", classes=RAF_DB)],
    "affectnet": [
        ClassOrder(name="affectnet_8", classes=AFFECTNET),
        ClassOrder(name="affectnet_7", classes=AFFECTNET[:7]),
    ],
}
PUBLISHED: dict[Variant, dict[str, float]] = {  # accuracy %
    "raf_db": {"RAF-DB": 92.05, "FERPlus": 91.62},
    "affectnet": {"AffectNet-7": 67.31, "AffectNet-8": 63.34},
}
DEPTHS = {4: "small", 6: "base", 8: "large"}
PLACES = 49  # of a 7 x 7 map
RENAMES = [
    (r"^face_landback\.", "landmarks."),
    (r"^ir_back\.", "trunk."),
    *ROW,
    (r"^ir_layer\.", "narrow."),
    (r"^pyramid_fuse\.", "pyramid."),
    (r"\.block_l\.", ".large."),
    (r"\.block_m\.", ".medium."),
    (r"\.block_s\.", ".small."),
    (r"\.(large|medium|small)\.conv\.", r".\1.mix."),
    (r"\.norm1\.", ".picture.norm."),
    (r"\.attn_img\.", ".picture.attention."),
    (r"\.norm2\.", ".picture.mlp_norm."),
    (r"\.mlp1\.", ".picture.mlp."),
    (r"\.norm3\.", ".landmarks.norm."),
    (r"\.attn_lm\.", ".landmarks.attention."),
    (r"\.norm4\.", ".landmarks.mlp_norm."),
    (r"\.mlp2\.", ".landmarks.mlp."),
    (r"^se_block\.", "gate."),
    (r"^head\.linear\.", "head."),
]
DESCRIPTION = """Cross-attention between the maps of a face network and of a landmark network, at three scales. \
variant=raf_db (its blocks mix tokens, and it reads BGR) or affectnet; depth=8 is the published size. The landmark \
network is frozen, as in the authors' code. So are tensors that their files hold and nothing reads: \
trunk.output_layer, pyramid.cls_token."""


class Poster(FaceNetwork):
    """POSTER: Zheng, Mendieta, Chen, "A Pyramid Cross-Fusion Transformer Network for Facial Expression Recognition".

    ICCV workshops 2023, arXiv 2204.04083. The two modules of github.com/zczcwh/POSTER differ in one layer of each
    block and in the order of the colours; `variant` tells them apart.
    """

    def __init__(self, num_classes: int = 7, variant: Variant = "raf_db", depth: int = 8) -> None:
        super().__init__()
        if variant not in ORDERS or depth not in DEPTHS:
            raise ValueError(f"variant is raf_db or affectnet, depth 4, 6 or 8; not {variant}, {depth}")
        self.landmarks = MobileFaceNet()
        self.trunk = Ir50()
        self.narrow = nn.Linear(1024, WIDTH)
        self.pyramid = Pyramid(depth, mixing=variant == "raf_db")
        self.gate = Gate(WIDTH)
        self.head = nn.Linear(WIDTH, num_classes)

    @classmethod
    def card(cls, num_classes: int = 7, variant: Variant = "raf_db", depth: int = 8) -> Card:
        told = {"num_classes": (num_classes, 7), "variant": (variant, "raf_db"), "depth": (depth, 8)}
        orders = ORDERS[variant]
        results = PUBLISHED[variant] if depth == 8 else {}
        return Card(
            name="poster",
            task="expression",
            description=DESCRIPTION,
            options=changed_options(told),
            features=WIDTH,
            classes=next((order.classes for order in orders if len(order.classes) == num_classes), []),
            orders=orders,
            size=224,
            colour="bgr" if variant == "raf_db" else "rgb",  # mean and std are those of RGB all the same
            mean=[0.485, 0.456, 0.406],
            std=[0.229, 0.224, 0.225],
            layout="as in the authors' code",
            onnx=True,
            licence_code="Apache-2.0",
            licence_weights="none stated; RAF-DB and AffectNet are for non-commercial research",
            sources=[
                "Zheng, Mendieta, Chen, ICCV workshops 2023, arXiv 2204.04083",
                "github.com/zczcwh/POSTER@ba2e3e9868fc8a4023e947ab0d2875269d55b5e0",
            ],
            published=[Published(data=data, value=value, mark="R") for data, value in results.items()],
        )

    @staticmethod
    def from_official(tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """A checkpoint of the authors, whichever module and depth, or one of ours."""
        ours = rename_tensors(tensors, RENAMES)
        options: dict[str, Any] = {}
        if "pyramid.pos_embed" in ours:
            options["variant"] = "raf_db" if "pyramid.blocks.0.large.mix.weight" in ours else "affectnet"
            blocks = {name.split(".")[2] for name in ours if name.startswith("pyramid.blocks.")}
            options |= {"depth": len(blocks)} if len(blocks) in DEPTHS else {}
        if "head.bias" in ours:
            options["num_classes"] = len(ours["head.bias"])
        return options, ours

    def start_parts(self) -> dict[str, StartPart]:
        """Return "trunk" (`ir50.pth`) and "landmarks" (`mobilefacenet_model_best.pth.tar`), both pretrained."""
        return {"trunk": StartPart(self.trunk.start_from), "landmarks": StartPart(self.landmarks.load_state_dict)}

    def fuse(self, picture: Tensor, landmarks: Tensor) -> Tensor:
        """Coarse maps of the trunk (N, 256, 14, 14) and of the landmark network (N, 512, 7, 7) -> (N, 512)."""
        # Tokens cut the map's numbers in the order channel, row, column: they are no places of the face.
        tokens = self.narrow(picture.reshape(len(picture), PLACES, -1))  # (N, 49, 512)
        return self.gate(self.pyramid(tokens, landmarks.flatten(2).transpose(1, 2)))

    def points(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> (N, 136), the 68 points of the landmark network as it tells them."""
        return self.landmarks.points(self.landmarks(crops[..., ::2, ::2]))

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) normalised as the card says -> (N, 512)."""
        small = crops[..., ::2, ::2]
        return self.fuse(self.trunk(small).coarse, self.landmarks(small).coarse)

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, 224, 224) -> features (N, 512) and expression logits (N, K)."""
        features = self.features(crops)
        return Prediction(features, self.head(features))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> (N, K) expression logits."""
        return self.head(self.features(crops))

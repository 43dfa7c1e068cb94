"""poster_v2: POSTER++, a face read by its landmarks at three scales, then by a small vision transformer."""

from typing import Any

import torch
from torch import Tensor, nn

from avfer.models.backbones import vit
from avfer.models.backbones.cross_attention import Gate
from avfer.models.backbones.ir50 import ROW, FaceMaps, Ir50
from avfer.models.backbones.mobilefacenet import LandmarkMaps, MobileFaceNet
from avfer.models.backbones.window_fusion import WindowFusion, sequence
from avfer.models.card import Card, ClassOrder, Published
from avfer.models.network import FaceNetwork, StartPart
from avfer.models.prediction import Prediction
from avfer.models.tensor_names import rename_tensors

WIDTH = 768
TOKENS = 3 * 49  # of three maps of 7 x 7
SCALES = ((64, 28, 0.0), (128, 14, 0.125), (256, 7, 0.25))  # channels, side, drop-path
RAF_DB = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
AFFECTNET = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]
ALPHABETICAL = sorted(AFFECTNET)
ORDERS = [
    ClassOrder(name="raf_db", classes=RAF_DB),  # row sums of the authors' confusion matrix are RAF-DB's counts
    ClassOrder(name="affectnet_7", classes=AFFECTNET[:7], proven=False),
    ClassOrder(name="affectnet_8", classes=AFFECTNET, proven=False),
    ClassOrder(name="alphabetical_7", classes=[c for c in ALPHABETICAL if c != "contempt"], proven=False),
    ClassOrder(name="alphabetical_8", classes=ALPHABETICAL, proven=False),
]
PUBLISHED = {"RAF-DB": 92.21, "AffectNet-7": 67.49, "AffectNet-8": 63.77, "CAER-S": 93.00}  # accuracy %
RENAMES = [
    (r"^face_landback\.", "landmarks."),
    (r"^ir_back\.", "trunk."),
    *ROW,
    (r"^last_face_conv\.", "narrow."),
    (r"^(conv|window|attn|ffn)1\.", r"scales.0.\1."),
    (r"^(conv|window|attn|ffn)2\.", r"scales.1.\1."),
    (r"^(conv|window|attn|ffn)3\.", r"scales.2.\1."),
    (r"^(scales\.\d)\.conv\.", r"\1.halve."),
    (r"^(scales\.\d)\.window\.norm\.", r"\1.norm."),
    (r"^(scales\.\d)\.attn\.relative_position_bias_table$", r"\1.bias.table"),
    (r"^(scales\.\d)\.attn\.qkv\.", r"\1.attention.kv."),
    (r"^(scales\.\d)\.attn\.", r"\1.attention."),
    (r"^(scales\.\d)\.ffn\.gamma1$", r"\1.attention_scale"),
    (r"^(scales\.\d)\.ffn\.gamma2$", r"\1.mlp_scale"),
    (r"^(scales\.\d)\.ffn\.norm\.", r"\1.mlp_norm."),
    (r"^(scales\.\d)\.ffn\.", r"\1."),
    (r"^embed_q\.", "embed.0."),
    (r"^embed_k\.0\.", "embed.1."),
    (r"^embed_v\.proj\.", "embed.2."),
    (r"^VIT\.blocks\.(\d)\.conv\.", r"unused.mix\1."),
    (r"^VIT\.(patch_embed|eca_block|CON1|IRLinear1|IRLinear2)\.", r"unused.\1."),
    (r"^VIT\.head\.linear\.", "head."),
    (r"^VIT\.se_block\.", "gate."),
    (r"^VIT\.", "vit."),
]
COMPUTED = ".relative_position_index"  # in the authors' files; PositionBias computes the same
DESCRIPTION = """Window cross-attention from the maps of a landmark network to those of a face network, then a vision \
transformer of two blocks. The landmark network is frozen, as in the authors' code. So are tensors that their files \
hold and nothing reads: trunk.output_layer, unused. Published figures for AffectNet are the authors' claims: others \
report about 65 % with the 7-class file."""


class TokenTransformer(nn.Module):
    """Tokens (N, 147, 768) -> what a class token gathers of them, (N, 768)."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + TOKENS, WIDTH))
        self.blocks = vit.blocks(WIDTH, depth=2, num_heads=8)
        self.norm = vit.Norm(WIDTH)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], 1) + self.pos_embed
        return self.norm(self.blocks(x)[:, 0])


class PosterV2(FaceNetwork):
    """POSTER++: Mao et al., "POSTER++: A Simpler and Stronger Facial Expression Recognition Network".

    Pattern Recognition 2024, arXiv 2301.12149; github.com/Talented-Q/POSTER_V2.
    """

    def __init__(self, num_classes: int = 7) -> None:
        super().__init__()
        self.landmarks = MobileFaceNet()
        self.trunk = Ir50()
        self.narrow = nn.Conv2d(512, 256, 3, padding=1)
        self.scales = nn.ModuleList(WindowFusion(*scale) for scale in SCALES)
        self.embed = nn.ModuleList(
            [nn.Sequential(halving(64), halving(WIDTH)), halving(128), nn.Conv2d(256, WIDTH, 1)]
        )  # each scale to 7 x 7
        self.vit = TokenTransformer()
        self.gate = Gate(WIDTH)
        self.head = nn.Linear(WIDTH, num_classes)
        self.unused = unused()
        for part in (self.vit, self.gate, self.head):
            part.apply(initialise)

    @classmethod
    def card(cls, num_classes: int = 7) -> Card:
        return Card(
            name="poster_v2",
            task="expression",
            description=DESCRIPTION,
            options={"num_classes": num_classes},  # always: a file's card may have to leave the classes open
            features=WIDTH,
            classes=next((order.classes for order in ORDERS if len(order.classes) == num_classes), []),
            orders=ORDERS,
            size=224,
            mean=[0.485, 0.456, 0.406],
            std=[0.229, 0.224, 0.225],
            layout="as in the authors' code",
            onnx=True,
            licence_code="MIT",
            licence_weights="none stated; RAF-DB and AffectNet are for non-commercial research",
            sources=[
                "Mao et al., Pattern Recognition 2024, arXiv 2301.12149",
                "github.com/Talented-Q/POSTER_V2@18de5591c3fa0b7b22bb9fe2d61e7f813e6e3b08",
            ],
            published=[
                Published(data=data, value=value, mark="R" if data == "CAER-S" else "C")
                for data, value in PUBLISHED.items()
            ],
        )

    @staticmethod
    def from_official(tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """A checkpoint of the authors, with 7 or 8 classes, or one of ours."""
        ours = rename_tensors({name: t for name, t in tensors.items() if not name.endswith(COMPUTED)}, RENAMES)
        return {"num_classes": len(ours["head.bias"])} if "head.bias" in ours else {}, ours

    def start_parts(self) -> dict[str, StartPart]:
        """Return "trunk" (`ir50.pth`) and "landmarks" (`mobilefacenet_model_best.pth.tar`), both pretrained."""
        return {"trunk": StartPart(self.trunk.start_from), "landmarks": StartPart(self.landmarks.load_state_dict)}

    def fuse(self, picture: FaceMaps, landmarks: LandmarkMaps) -> Tensor:
        """Maps of the trunk and of the landmark network -> (N, 768)."""
        pointed = landmarks._replace(coarse=self.narrow(landmarks.coarse))
        parts = zip(self.embed, self.scales, picture, pointed, strict=True)
        tokens = [sequence(embed(scale(seen, points))) for embed, scale, seen, points in parts]
        return self.gate(self.vit(torch.cat(tokens, 1)))

    def points(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> (N, 136), the 68 points of the landmark network as it tells them."""
        return self.landmarks.points(self.landmarks(crops[..., ::2, ::2]))

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) normalised as the card says -> (N, 768)."""
        small = crops[..., ::2, ::2]
        return self.fuse(self.trunk(small), self.landmarks(small))

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, 224, 224) -> features (N, 768) and expression logits (N, K)."""
        features = self.features(crops)
        return Prediction(features, self.head(features))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> (N, K) expression logits."""
        return self.head(self.features(crops))


def halving(width: int) -> nn.Conv2d:
    """(N, C, 2S, 2S) -> (N, 768, S, S)."""
    return nn.Conv2d(width, WIDTH, 3, stride=2, padding=1)


def unused() -> nn.ModuleDict:
    """Layers that stand in the authors' files and never run; carried, so that files go in and out whole."""
    layers: dict[str, nn.Module] = {
        "patch_embed": nn.ModuleDict({"proj": nn.Conv2d(256, WIDTH, 1)}),
        "eca_block": nn.ModuleDict({"conv": nn.Conv1d(1, 1, 5, bias=False)}),
        "CON1": nn.Conv2d(256, WIDTH, 1, bias=False),
        "IRLinear1": nn.Linear(1024, WIDTH),
        "IRLinear2": nn.Linear(WIDTH, 512),
        "mix0": nn.Conv1d(1 + TOKENS, 1 + TOKENS, 1),
        "mix1": nn.Conv1d(1 + TOKENS, 1 + TOKENS, 1),
    }
    return nn.ModuleDict(layers).requires_grad_(False)


def initialise(module: nn.Module) -> None:
    """Start values of the authors for linear layers."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)

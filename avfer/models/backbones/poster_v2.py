"""poster_v2: POSTER++, a face read by its landmarks at three scales, then by a small vision transformer."""

from typing import Any

import torch
from timm.layers.drop import DropPath
from timm.layers.mlp import Mlp
from torch import Tensor, nn

from avfer.models.backbones import vit
from avfer.models.backbones.poster_parts import ROW, CrossAttention, FaceMaps, Gate, Ir50, LandmarkMaps, MobileFaceNet
from avfer.models.card import IMAGENET_MEAN, IMAGENET_STD, Card, ClassOrder, Published
from avfer.models.class_orders import AFFECTNET, RAF_DB, classes_of
from avfer.models.network import FaceNetwork, StartPart
from avfer.models.prediction import Prediction
from avfer.models.tensor_files import rename_tensors

WIDTH = 768
TOKENS = 3 * 49  # of three maps of 7 x 7
HEAD_WIDTH = 32  # of window attention
SCALES = ((64, 28, 0.0), (128, 14, 0.125), (256, 7, 0.25))  # channels, side, drop-path
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
hold and no layer reads: trunk.output_layer, unused. Published figures for AffectNet are the authors' claims: others \
report about 65 % with the 7-class file."""


class TokenTransformer(nn.Module):
    """A vision transformer of two blocks over the tokens of all scales; the result is its class token."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + TOKENS, WIDTH))
        self.blocks = vit.blocks(WIDTH, depth=2, num_heads=8)
        self.norm = vit.Norm(WIDTH)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (N, 147, 768) -> (N, 768)."""
        x = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], 1) + self.pos_embed
        return self.norm(self.blocks(x)[:, 0])


class PosterV2(FaceNetwork):
    """POSTER++ for crops of 224 px, with IR-50 and a frozen MobileFaceNet as trunks.

    num_classes: expressions of the head.
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
        """Return the card for this constructor option."""
        return Card(
            name="poster_v2",
            task="expression",
            description=DESCRIPTION,
            options={"num_classes": num_classes},  # always: a file's card may have to leave the classes open
            features=WIDTH,
            classes=classes_of(ORDERS, num_classes),
            orders=ORDERS,
            size=224,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
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

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read a checkpoint of the authors, with 7 or 8 classes, or one of ours.

        tensors: name -> float tensor of its layer's shape.
        """
        ours = rename_tensors({name: t for name, t in tensors.items() if not name.endswith(COMPUTED)}, RENAMES)
        return {"num_classes": len(ours["head.bias"])} if "head.bias" in ours else {}, ours

    def start_parts(self) -> dict[str, StartPart]:
        """Return "trunk" (`ir50.pth`) and "landmarks" (`mobilefacenet_model_best.pth.tar`), both pretrained."""
        return {"trunk": StartPart(self.trunk.start_from), "landmarks": StartPart(self.landmarks.load_state_dict)}

    def fuse(self, face: FaceMaps, landmarks: LandmarkMaps) -> Tensor:
        """Fuse the maps of the trunk and of the landmark network, (N, C, S, S) each -> (N, 768)."""
        narrowed = landmarks._replace(coarse=self.narrow(landmarks.coarse))
        parts = zip(self.embed, self.scales, face, narrowed, strict=True)
        tokens = [sequence(embed(scale(image, points))) for embed, scale, image, points in parts]
        return self.gate(self.vit(torch.cat(tokens, 1)))

    def points(self, crops: Tensor) -> Tensor:
        """Return the 68 landmarks of the landmark network. crops: (N, 3, 224, 224) -> (N, 136)."""
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
        """crops: (N, 3, 224, 224) -> expression logits (N, K)."""
        return self.head(self.features(crops))


class WindowFusion(nn.Module):
    """One scale: tokens of the face attended by landmark tokens of the same scale, then an MLP.

    Attention acts within a window, which at 224 px is the whole map. The residual is the normalised map.

    width: channels of both maps; side: places in a row of the window; drop_path: chance to skip a residual branch in
    training.
    """

    def __init__(self, width: int, side: int, drop_path: float) -> None:
        super().__init__()
        self.side = side
        self.halve = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(width)
        self.bias = PositionBias(side, width // HEAD_WIDTH)
        self.attention = CrossAttention(width, width // HEAD_WIDTH)
        self.attention_scale = nn.Parameter(torch.full((width,), 1e-5))
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width)
        self.mlp_scale = nn.Parameter(torch.full((width,), 1e-5))
        self.drop_path = DropPath(drop_path)

    def forward(self, face: Tensor, landmarks: Tensor) -> Tensor:
        """face: (N, C, 2S, 2S), landmarks: (N, C, S, S) -> (N, C, S, S)."""
        x = self.norm(sequence(self.halve(face)))  # (N, S², C)
        x = x + self.drop_path(self.attention_scale * self.attention(sequence(landmarks), x, self.bias()))
        x = x + self.drop_path(self.mlp_scale * self.mlp(self.mlp_norm(x)))
        return x.transpose(1, 2).unflatten(2, (self.side, self.side))


class PositionBias(nn.Module):
    """A learned number for each offset from a query's place to a key's place.

    side: places in a row of the window; num_heads: heads of the attention, each with numbers of its own.
    """

    index: Tensor  # (S², S²) int64, rows of the table

    def __init__(self, side: int, num_heads: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty((2 * side - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.table, std=0.02)
        self.register_buffer("index", offsets(side), persistent=False)

    def forward(self) -> Tensor:
        """() -> (heads, S², S²)."""
        return self.table[self.index].permute(2, 0, 1)


def offsets(side: int) -> Tensor:
    """Return the row of the table for query place i and key place j, counted row by row: (S², S²) int64."""
    rows = torch.arange(side).repeat_interleave(side)
    columns = torch.arange(side).repeat(side)
    down = rows[:, None] - rows + side - 1
    right = columns[:, None] - columns + side - 1
    return down * (2 * side - 1) + right


def sequence(maps: Tensor) -> Tensor:
    """Turn a map into tokens, row by row. maps: (N, C, H, W) -> (N, H * W, C)."""
    return maps.flatten(2).transpose(1, 2)


def halving(width: int) -> nn.Conv2d:
    """Return a convolution that halves the sides: (N, C, 2S, 2S) -> (N, 768, S, S)."""
    return nn.Conv2d(width, WIDTH, 3, stride=2, padding=1)


def unused() -> nn.ModuleDict:
    """Return layers that the authors' files hold and that never run, so that such files load and save completely."""
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
    """Set the authors' start values of a linear layer."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)

"""poster: a face and its landmarks, fused at three scales by a pyramid of transformers.

POSTER: Zheng, Mendieta, Chen, "A Pyramid Cross-Fusion Transformer Network for Facial Expression Recognition", ICCV
workshops 2023, arXiv 2204.04083. Layers are those of github.com/zczcwh/POSTER; nothing is our choice.
"""

from functools import partial
from typing import Any, Literal, cast

import torch
from timm.layers.drop import DropPath
from timm.layers.mlp import Mlp
from torch import Tensor, nn

from avfer.models.backbones.poster_parts import ROW, CrossAttention, Gate, Ir50, MobileFaceNet
from avfer.models.card import IMAGENET_MEAN, IMAGENET_STD, Card, ClassOrder, Published, changed_options
from avfer.models.class_orders import AFFECTNET_7, AFFECTNET_8, RAF_DB, classes_of
from avfer.models.network import FaceNetwork, StartPart
from avfer.models.prediction import Prediction
from avfer.models.tensor_files import count_numbered, rename_tensors

Variant = Literal["raf_db", "affectnet"]
WIDTH = 512
TOKENS = 50  # of each stream: a mean, then 7 x 7 places
BOTH = 2 * TOKENS
NUM_HEADS = 8
MLP_RATIO = 2
DROP_PATH = 0.1  # of the last block; the first drops nothing
DEPTHS = (4, 6, 8)  # blocks of the small, base and large size
PLACES = 49  # of a 7 x 7 map
ORDERS: dict[Variant, list[ClassOrder]] = {
    "raf_db": [ClassOrder(name="raf_db", classes=RAF_DB)],
    "affectnet": [AFFECTNET_8, AFFECTNET_7],
}
PUBLISHED: dict[Variant, dict[str, float]] = {  # accuracy %
    "raf_db": {"RAF-DB": 92.05, "FERPlus": 91.62},
    "affectnet": {"AffectNet-7": 67.31, "AffectNet-8": 63.34},
}
RENAMES = [  # the authors' names -> ours
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
Norm = cast(type[nn.LayerNorm], partial(nn.LayerNorm, eps=1e-6))
Scales = tuple[Tensor, Tensor, Tensor]  # (N, 100, 512), (N, 100, 256), (N, 100, 128)
DESCRIPTION = """Cross-attention between the maps of a face network and of a landmark network, at three scales. \
variant=raf_db (its blocks mix tokens, and it reads BGR) or affectnet; depth=8 is the published size. The landmark \
network is frozen, as in the authors' code. So are tensors that their files hold and no layer reads: \
trunk.output_layer, pyramid.cls_token."""


class Poster(FaceNetwork):
    """POSTER for crops of 224 px.

    The two modules of the authors' code differ in one layer of each block and in the order of the colours; `variant`
    chooses between them. depth: blocks of the pyramid, 4, 6 or 8.

    num_classes: expressions of the head.
    """

    def __init__(self, num_classes: int = 7, variant: Variant = "raf_db", depth: int = 8) -> None:
        super().__init__()
        if variant not in ORDERS or depth not in DEPTHS:
            raise ValueError(f"variant must be raf_db or affectnet, depth 4, 6 or 8; got {variant}, {depth}")
        self.landmarks = MobileFaceNet()
        self.trunk = Ir50()
        self.narrow = nn.Linear(1024, WIDTH)
        self.pyramid = Pyramid(depth, mixing=variant == "raf_db")
        self.gate = Gate(WIDTH)
        self.head = nn.Linear(WIDTH, num_classes)

    @classmethod
    def card(cls, num_classes: int = 7, variant: Variant = "raf_db", depth: int = 8) -> Card:
        """Return the card for these constructor options."""
        orders = ORDERS[variant]
        results = PUBLISHED[variant] if depth == 8 else {}
        return Card(
            name="poster",
            task="expression",
            description=DESCRIPTION,
            options=changed_options(Poster, num_classes=num_classes, variant=variant, depth=depth),
            features=WIDTH,
            classes=classes_of(orders, num_classes),
            orders=orders,
            size=224,
            colour="bgr" if variant == "raf_db" else "rgb",  # mean and std are those of RGB all the same
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
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

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read a checkpoint of the authors, of either module and any depth, or one of ours.

        tensors: name -> float tensor of its layer's shape.
        """
        ours = rename_tensors(tensors, RENAMES)
        options: dict[str, Any] = {}
        if "pyramid.pos_embed" in ours:
            options["variant"] = "raf_db" if "pyramid.blocks.0.large.mix.weight" in ours else "affectnet"
            depth = count_numbered(ours, "pyramid.blocks.")
            options |= {"depth": depth} if depth in DEPTHS else {}
        if "head.bias" in ours:
            options["num_classes"] = len(ours["head.bias"])
        return options, ours

    def start_parts(self) -> dict[str, StartPart]:
        """Return "trunk" (`ir50.pth`) and "landmarks" (`mobilefacenet_model_best.pth.tar`), both pretrained."""
        return {"trunk": StartPart(self.trunk.start_from), "landmarks": StartPart(self.landmarks.load_state_dict)}

    def fuse(self, face: Tensor, landmarks: Tensor) -> Tensor:
        """Fuse coarse maps of the trunk (N, 256, 14, 14) and of the landmark network (N, 512, 7, 7) -> (N, 512)."""
        # Tokens cut the map's numbers in the order channel, row, column: they are no places of the face.
        tokens = self.narrow(face.reshape(len(face), PLACES, -1))  # (N, 49, 512)
        return self.gate(self.pyramid(tokens, landmarks.flatten(2).transpose(1, 2)))

    def points(self, crops: Tensor) -> Tensor:
        """Return the 68 landmarks of the landmark network. crops: (N, 3, 224, 224) -> (N, 136)."""
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
        """crops: (N, 3, 224, 224) -> expression logits (N, K)."""
        return self.head(self.features(crops))


class Pyramid(nn.Module):
    """Two streams of tokens that attend to each other at three widths; the result is the first token of the face.

    depth: number of blocks; mixing: add the last layer of `CrossFusion`.
    """

    def __init__(self, depth: int, mixing: bool) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH), requires_grad=False)  # in the files, never used
        self.pos_embed = nn.Parameter(torch.zeros(1, TOKENS, WIDTH))
        self.downsample_m = nn.Conv1d(BOTH, BOTH, 2, stride=2)
        self.downsample_s = nn.Conv1d(BOTH, BOTH, 4, stride=4)
        self.blocks = nn.ModuleList(PyramidBlock(DROP_PATH * k / (depth - 1), mixing) for k in range(depth))
        self.norm = Norm(WIDTH)

    def forward(self, face: Tensor, landmarks: Tensor) -> Tensor:
        """face, landmarks: (N, 49, 512) tokens -> (N, 512)."""
        large = torch.cat([mean_first(face) + self.pos_embed, mean_first(landmarks)], 1)
        scales: Scales = (large, self.downsample_m(large), self.downsample_s(large))
        for block in self.blocks:
            scales = block(scales)
        return self.norm(scales[0][:, 0])


class PyramidBlock(nn.Module):
    """Cross-fusion at each scale; then the results of the smaller scales are added to the larger ones.

    drop_path: chance to skip a residual branch in training; mixing: add the last layer of `CrossFusion`.
    """

    def __init__(self, drop_path: float, mixing: bool) -> None:
        super().__init__()
        self.large = CrossFusion(WIDTH, drop_path, mixing)
        self.medium = CrossFusion(WIDTH // 2, drop_path, mixing)
        self.small = CrossFusion(WIDTH // 4, drop_path, mixing)
        self.upsample_m = nn.ConvTranspose1d(BOTH, BOTH, 2, stride=2)
        self.upsample_s = nn.ConvTranspose1d(BOTH, BOTH, 2, stride=2)

    def forward(self, scales: Scales) -> Scales:
        """scales: (N, 100, 512), (N, 100, 256), (N, 100, 128) -> the same shapes."""
        large, medium, small = self.large(scales[0]), self.medium(scales[1]), self.small(scales[2])
        medium = medium + self.upsample_s(small)
        return large + self.upsample_m(medium), medium, small


class CrossFusion(nn.Module):
    """Both streams of tokens of one width: the tokens of each are the queries of the other.

    `mixing` adds a last layer that mixes all tokens, feature by feature.

    drop_path: chance to skip a residual branch in training.
    """

    def __init__(self, width: int, drop_path: float, mixing: bool) -> None:
        super().__init__()
        self.picture = TokenStream(width, drop_path)
        self.landmarks = TokenStream(width, drop_path)
        self.mix = nn.Conv1d(BOTH, BOTH, 1) if mixing else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (N, 100, C), those of the face first -> (N, 100, C)."""
        face, landmarks = tokens.chunk(2, dim=1)
        return self.mix(torch.cat([self.picture(face, landmarks), self.landmarks(landmarks, face)], 1))


class TokenStream(nn.Module):
    """Cross-attention, then an MLP.

    width: features of a token; drop_path: chance to skip a residual branch in training.
    """

    def __init__(self, width: int, drop_path: float) -> None:
        super().__init__()
        self.norm = Norm(width)
        self.attention = CrossAttention(width, NUM_HEADS)
        self.mlp_norm = Norm(width)
        self.mlp = Mlp(width, MLP_RATIO * width)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor, others: Tensor) -> Tensor:
        """tokens, others: (N, 50, C), `others` of the other stream are the queries -> (N, 50, C)."""
        tokens = tokens + self.drop_path(self.attention(self.norm(others), self.norm(tokens)))
        return tokens + self.drop_path(self.mlp(self.mlp_norm(tokens)))


def mean_first(tokens: Tensor) -> Tensor:
    """Put the mean of the tokens before them. tokens: (N, T, C) -> (N, 1 + T, C)."""
    return torch.cat([tokens.mean(1, keepdim=True), tokens], 1)

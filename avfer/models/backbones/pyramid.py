"""The pyramid of POSTER: two streams of tokens that attend to each other, at three widths at once."""

from functools import partial
from typing import cast

import torch
from timm.layers.drop import DropPath
from timm.layers.mlp import Mlp
from torch import Tensor, nn

from avfer.models.backbones.cross_attention import CrossAttention

WIDTH = 512
TOKENS = 50  # of each stream: a mean, then 7 x 7 places
BOTH = 2 * TOKENS
NUM_HEADS = 8
MLP_RATIO = 2
DROP_PATH = 0.1  # of the last block; the first drops nothing
Norm = cast(type[nn.LayerNorm], partial(nn.LayerNorm, eps=1e-6))
Scales = tuple[Tensor, Tensor, Tensor]  # (N, 100, 512), (N, 100, 256), (N, 100, 128)


class Pyramid(nn.Module):
    """Picture and landmark tokens (N, 49, 512) each -> one feature (N, 512), where the mean of the picture stood."""

    def __init__(self, depth: int, mixing: bool) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH), requires_grad=False)  # in the files, never used
        self.pos_embed = nn.Parameter(torch.zeros(1, TOKENS, WIDTH))
        self.downsample_m = nn.Conv1d(BOTH, BOTH, 2, stride=2)
        self.downsample_s = nn.Conv1d(BOTH, BOTH, 4, stride=4)
        self.blocks = nn.ModuleList(Block(DROP_PATH * k / (depth - 1), mixing) for k in range(depth))
        self.norm = Norm(WIDTH)

    def forward(self, picture: Tensor, landmarks: Tensor) -> Tensor:
        large = torch.cat([mean_first(picture) + self.pos_embed, mean_first(landmarks)], 1)
        scales: Scales = (large, self.downsample_m(large), self.downsample_s(large))
        for block in self.blocks:
            scales = block(scales)
        return self.norm(scales[0][:, 0])


class Block(nn.Module):
    """Cross-fusion at each scale; then what the smaller scales found is added to the larger ones."""

    def __init__(self, drop_path: float, mixing: bool) -> None:
        super().__init__()
        self.large = CrossFusion(WIDTH, drop_path, mixing)
        self.medium = CrossFusion(WIDTH // 2, drop_path, mixing)
        self.small = CrossFusion(WIDTH // 4, drop_path, mixing)
        self.upsample_m = nn.ConvTranspose1d(BOTH, BOTH, 2, stride=2)
        self.upsample_s = nn.ConvTranspose1d(BOTH, BOTH, 2, stride=2)

    def forward(self, scales: Scales) -> Scales:
        large, medium, small = self.large(scales[0]), self.medium(scales[1]), self.small(scales[2])
        medium = medium + self.upsample_s(small)
        return large + self.upsample_m(medium), medium, small


class CrossFusion(nn.Module):
    """Both streams in one, (N, 100, C) to the same: each asks itself what the other's tokens look for.

    `mixing` adds a last layer that mixes all tokens, feature by feature.
    """

    def __init__(self, width: int, drop_path: float, mixing: bool) -> None:
        super().__init__()
        self.picture = Stream(width, drop_path)
        self.landmarks = Stream(width, drop_path)
        self.mix = nn.Conv1d(BOTH, BOTH, 1) if mixing else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        picture, landmarks = tokens.chunk(2, dim=1)
        return self.mix(torch.cat([self.picture(picture, landmarks), self.landmarks(landmarks, picture)], 1))


class Stream(nn.Module):
    """Tokens (N, 50, C) -> the same number: cross-attention, then an MLP."""

    def __init__(self, width: int, drop_path: float) -> None:
        super().__init__()
        self.norm = Norm(width)
        self.attention = CrossAttention(width, NUM_HEADS)
        self.mlp_norm = Norm(width)
        self.mlp = Mlp(width, MLP_RATIO * width)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor, others: Tensor) -> Tensor:
        """`others` are those of the other stream, the queries; both go through the same norm."""
        tokens = tokens + self.drop_path(self.attention(self.norm(others), self.norm(tokens)))
        return tokens + self.drop_path(self.mlp(self.mlp_norm(tokens)))


def mean_first(tokens: Tensor) -> Tensor:
    """(N, T, C) -> (N, 1 + T, C)."""
    return torch.cat([tokens.mean(1, keepdim=True), tokens], 1)

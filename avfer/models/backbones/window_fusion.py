"""One scale of POSTER++: a map of the face network, read by the landmark network's map of the same size."""

import torch
from timm.layers.drop import DropPath
from timm.layers.mlp import Mlp
from torch import Tensor, nn

from avfer.models.backbones.cross_attention import CrossAttention

HEAD_WIDTH = 32


class WindowFusion(nn.Module):
    """Cross-attention within a window, which at 224 px is the whole map; then an MLP.

    What is added to is the normalised map, not the map itself.
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

    def forward(self, picture: Tensor, landmarks: Tensor) -> Tensor:
        """picture: (N, C, 2S, 2S), landmarks: (N, C, S, S) -> (N, C, S, S)."""
        x = self.norm(sequence(self.halve(picture)))  # (N, S², C)
        x = x + self.drop_path(self.attention_scale * self.attention(sequence(landmarks), x, self.bias()))
        x = x + self.drop_path(self.mlp_scale * self.mlp(self.mlp_norm(x)))
        return x.transpose(1, 2).unflatten(2, (self.side, self.side))


class PositionBias(nn.Module):
    """() -> (heads, S², S²): a learned number for each offset from a query's place to a key's."""

    index: Tensor

    def __init__(self, side: int, num_heads: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty((2 * side - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.table, std=0.02)
        self.register_buffer("index", offsets(side), persistent=False)

    def forward(self) -> Tensor:
        return self.table[self.index].permute(2, 0, 1)


def offsets(side: int) -> Tensor:
    """(S², S²) int64: the row of the table for query place i and key place j, both counted row by row."""
    rows = torch.arange(side).repeat_interleave(side)
    columns = torch.arange(side).repeat(side)
    down = rows[:, None] - rows + side - 1
    right = columns[:, None] - columns + side - 1
    return down * (2 * side - 1) + right


def sequence(maps: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H * W, C), row by row."""
    return maps.flatten(2).transpose(1, 2)

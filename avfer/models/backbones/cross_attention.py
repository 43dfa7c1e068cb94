"""What POSTER and POSTER++ share after their trunks: attention from one set of tokens to another, and a gate."""

import torch.nn.functional as F
from torch import Tensor, nn


class CrossAttention(nn.Module):
    """Queries are taken as they are, head after head of their channels; keys and values are projected."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, queries: Tensor, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """queries: (N, Q, C), tokens: (N, T, C), bias added to the scores: (heads, Q, T) -> (N, Q, C)."""
        keys, values = self.kv(tokens).chunk(2, dim=-1)
        mixed = F.scaled_dot_product_attention(self._heads(queries), self._heads(keys), self._heads(values), bias)
        return self.proj(mixed.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        """(N, T, C) -> (N, heads, T, C / heads)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class Gate(nn.Module):
    """Squeeze and excitation of a vector: (N, D) -> (N, D), each feature times a share that all of them decide."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, width)
        self.linear2 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.linear2(self.linear1(x).relu()).sigmoid()

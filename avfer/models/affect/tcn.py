"""Dilated convolutions over time."""

import torch.nn.functional as F
from torch import Tensor, nn

KERNEL = 5


class Tcn(nn.Module):
    """Residual blocks of dilated convolutions (Bai et al. 2018, arXiv 1803.01271), with layer normalisation.

    Block i has dilation 2 ** i. A causal network reads `past` rows before a row; a centred one half of them before and
    half after.
    """

    causal = False

    def __init__(self, inputs: int, hidden: int, layers: int, centred: bool, dropout: float) -> None:
        super().__init__()
        self.width = hidden
        self.into = nn.Linear(inputs, hidden)
        self.blocks = nn.ModuleList(_Block(hidden, 2**i, centred, dropout) for i in range(layers))
        reach = (KERNEL - 1) * (2**layers - 1)
        self.ahead = reach // 2 if centred else 0
        self.past = reach - self.ahead

    def forward(self, x: Tensor, valid: Tensor, times: Tensor) -> Tensor:
        """x (B, T, D), valid (B, T) bool -> (B, T, W), 0 where not valid."""
        there = valid[..., None]
        x = self.into(x) * there
        for block in self.blocks:
            x = block(x) * there
        return x


class _Block(nn.Module):
    def __init__(self, width: int, dilation: int, centred: bool, dropout: float) -> None:
        super().__init__()
        reach = (KERNEL - 1) * dilation
        self.pad = (reach - reach // 2, reach // 2) if centred else (reach, 0)
        self.convolution = nn.Conv1d(width, width, KERNEL, dilation=dilation)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, W) -> (B, T, W)."""
        read = self.convolution(F.pad(x.transpose(1, 2), self.pad)).transpose(1, 2)
        return x + self.dropout(self.norm(read).relu())

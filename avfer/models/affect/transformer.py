"""Self-attention over time that knows how many seconds lie between two rows, not which number a row has."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALES = (0.1, 0.3, 1.0, 3.0, 10.0)  # s, over which what is near fades
HEADS = 4
REACH = 100  # rows that one layer reads before a row (and after it, if it is centred)


class Transformer(nn.Module):
    """Encoder layers (Vaswani et al. 2017, arXiv 1706.03762) with attention to near rows and a bias of their distance.

    The bias of a head is a learned sum of exp(-|s| / scale) over `SCALES`, with weights of its own for the past and
    the future: it depends on the seconds s between two rows alone, so that frame rates may differ.
    """

    causal = False

    def __init__(self, inputs: int, hidden: int, layers: int, centred: bool, dropout: float) -> None:
        super().__init__()
        if hidden % HEADS:
            raise ValueError(f"a transformer needs a width that {HEADS} divides, not {hidden}")
        self.width = hidden
        self.centred = centred
        self.into = nn.Linear(inputs, hidden)
        self.layers = nn.ModuleList(_Layer(hidden, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.past = layers * REACH
        self.ahead = self.past if centred else 0

    def forward(self, x: Tensor, valid: Tensor, times: Tensor) -> Tensor:
        """x (B, T, D), valid (B, T) bool, times (B, T) s -> (B, T, W), 0 where not valid."""
        rows = torch.arange(x.shape[1], device=x.device)
        behind = rows[:, None] - rows[None, :]  # how far a key lies before a query
        near = (behind.abs() <= REACH) if self.centred else (behind >= 0) & (behind <= REACH)
        # A row that is not valid reads itself, so that no softmax is empty.
        open_ = (near & valid[:, None, :]) | (behind == 0)
        seconds = times[:, :, None] - times[:, None, :]
        x = self.into(x)
        for layer in self.layers:
            x = layer(x, seconds, open_)
        return self.norm(x) * valid[..., None]


class _Layer(nn.Module):
    scales: Tensor

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("scales", torch.tensor(SCALES), persistent=False)
        self.fade = nn.Parameter(torch.zeros(2, len(SCALES), HEADS))  # of the past and the future
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width)
        self.told = nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, seconds: Tensor, open_: Tensor) -> Tensor:
        """x (B, T, W), seconds (B, T, T), open_ (B, T, T) bool -> (B, T, W)."""
        parts = self.ask(self.before(x)).chunk(3, -1)
        query, key, value = (p.unflatten(-1, (HEADS, -1)).transpose(1, 2) for p in parts)
        bias = self._bias(seconds).masked_fill(~open_[:, None], float("-inf"))
        seen = F.scaled_dot_product_attention(query, key, value, bias).transpose(1, 2).flatten(2)
        x = x + self.dropout(self.told(seen))
        return x + self.dropout(self.think(self.after(x)))

    def _bias(self, seconds: Tensor) -> Tensor:
        """(B, T, T) -> (B, HEADS, T, T)."""
        fading = torch.exp(-seconds.abs()[..., None] / self.scales)
        past, future = (fading @ weights for weights in self.fade)
        return torch.where((seconds >= 0)[..., None], past, future).permute(0, 3, 1, 2)

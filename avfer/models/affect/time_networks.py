"""Networks over time: recurrent, convolutional and attention, and the GRU as TensorFlow computes it.

`Recurrent`, `Tcn` and `Transformer` read features (B, T, D) with `valid` (B, T) and `times` (B, T) s and declare, as
`AffectModel` does, whether they are `causal` and how many rows they reach into the past and ahead.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

Cell = Literal["gru", "lstm"]
REACH_BOTH = 128  # rows before and after a row that a bidirectional recurrent network is given
KERNEL = 5  # rows of a convolution
SCALES = (0.1, 0.3, 1.0, 3.0, 10.0)  # s, over which the influence of a row fades
HEADS = 4  # of attention
REACH = 100  # rows that one attention layer reads before a row (and after it, if it is centred)


class Recurrent(nn.Module):
    """GRU (Cho et al. 2014) or LSTM (Hochreiter and Schmidhuber 1997) of one or more layers.

    The hidden state of N rows is one tensor (N, L * H) for a GRU and (N, 2 * L * H) for an LSTM, so that a caller can
    split and join rows. A bidirectional network has no such state: it reads stretches.

    cell: "gru" or "lstm"; inputs: features of a row; both: read both directions; dropout: share of the features dropped
    between two layers in training.
    """

    def __init__(self, cell: Cell, inputs: int, hidden: int, layers: int, both: bool, dropout: float) -> None:
        super().__init__()
        kind = nn.GRU if cell == "gru" else nn.LSTM
        between = dropout if layers > 1 else 0.0
        self.network = kind(inputs, hidden, layers, batch_first=True, bidirectional=both, dropout=between)
        self.width = hidden * (1 + both)
        self.past = self.ahead = REACH_BOTH if both else 0
        self.causal = not both

    def forward(self, x: Tensor, valid: Tensor, times: Tensor) -> Tensor:
        """x: (B, T, D), valid: (B, T) bool with all valid rows first -> (B, T, W), 0 where not valid."""
        if not valid.any():
            return x.new_zeros(*x.shape[:2], self.width)
        if self.causal or (self.training and valid.all()):
            return self.network(x)[0] * valid[..., None]
        # What follows a sequence must not reach the direction that reads backwards. Packing costs much in training:
        # the gradients of 300 packed steps take twenty times as long on a CPU.
        lengths = valid.sum(1).cpu().clamp(min=1)
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        outputs, _ = pad_packed_sequence(self.network(packed)[0], batch_first=True, total_length=x.shape[1])
        return outputs * valid[..., None]

    def start(self, n: int) -> Tensor:
        """Return the zero state (n, S) of n new rows."""
        parts = 2 if isinstance(self.network, nn.LSTM) else 1
        size = parts * self.network.num_layers * self.network.hidden_size
        return next(self.network.parameters()).new_zeros(n, size)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x: (N, D), state: (N, S) -> output (N, H) and the next state (N, S)."""
        lstm = isinstance(self.network, nn.LSTM)
        layers = self.network.num_layers
        parts = state.reshape(len(state), (1 + lstm) * layers, -1).unbind(1)
        hidden, cells = list(parts[:layers]), list(parts[layers:])
        for layer, weights in enumerate(self.network.all_weights):
            weight_x, weight_h, bias_x, bias_h = weights
            if lstm:
                before = [hidden[layer], cells[layer]]
                hidden[layer], cells[layer] = torch.lstm_cell(x, before, weight_x, weight_h, bias_x, bias_h)
            else:
                hidden[layer] = torch.gru_cell(x, hidden[layer], weight_x, weight_h, bias_x, bias_h)
            x = hidden[layer]
        return x, torch.cat([*hidden, *cells], 1)


class Tcn(nn.Module):
    """Residual blocks of dilated convolutions (Bai et al. 2018, arXiv 1803.01271), with layer normalisation.

    Block i has dilation 2 ** i. A row depends on `past` rows before it; a centred network reads one half of them before
    and the other half after.

    inputs: features of a row; hidden: channels of the blocks; layers: number of blocks; dropout: share of values
    dropped in training.
    """

    causal = False  # it has no hidden state: it reads stretches

    def __init__(self, inputs: int, hidden: int, layers: int, centred: bool, dropout: float) -> None:
        super().__init__()
        self.width = hidden
        self.into = nn.Linear(inputs, hidden)
        self.blocks = nn.ModuleList(_DilatedBlock(hidden, 2**i, centred, dropout) for i in range(layers))
        reach = (KERNEL - 1) * (2**layers - 1)
        self.ahead = reach // 2 if centred else 0
        self.past = reach - self.ahead

    def forward(self, x: Tensor, valid: Tensor, times: Tensor) -> Tensor:
        """x: (B, T, D), valid: (B, T) bool -> (B, T, W), 0 where not valid."""
        mask = valid[..., None]
        x = self.into(x) * mask
        for block in self.blocks:
            x = block(x) * mask
        return x


class _DilatedBlock(nn.Module):
    def __init__(self, width: int, dilation: int, centred: bool, dropout: float) -> None:
        super().__init__()
        reach = (KERNEL - 1) * dilation
        self.pad = (reach - reach // 2, reach // 2) if centred else (reach, 0)
        self.convolution = nn.Conv1d(width, width, KERNEL, dilation=dilation)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, W) -> (B, T, W)."""
        y = self.convolution(F.pad(x.transpose(1, 2), self.pad)).transpose(1, 2)
        return x + self.dropout(self.norm(y).relu())


class Transformer(nn.Module):
    """Encoder layers (Vaswani et al. 2017, arXiv 1706.03762) with attention to near rows and a bias of their distance.

    The bias of a head is a learned sum of exp(-|s| / scale) over `SCALES`, with weights of its own for the past and
    the future. It depends on the seconds s between two rows and not on their numbers, so that frame rates may differ.
    The bias is our choice.

    inputs: features of a row; hidden: features of a layer; centred: attend to later rows too; dropout: share of
    features dropped in training.
    """

    causal = False  # it has no hidden state: it reads stretches

    def __init__(self, inputs: int, hidden: int, layers: int, centred: bool, dropout: float) -> None:
        super().__init__()
        if hidden % HEADS:
            raise ValueError(f"width: a transformer needs a multiple of {HEADS}, got {hidden}")
        self.width = hidden
        self.centred = centred
        self.into = nn.Linear(inputs, hidden)
        self.layers = nn.ModuleList(_AttentionLayer(hidden, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.past = layers * REACH
        self.ahead = self.past if centred else 0

    def forward(self, x: Tensor, valid: Tensor, times: Tensor) -> Tensor:
        """x: (B, T, D), valid: (B, T) bool, times: (B, T) s -> (B, T, W), 0 where not valid."""
        rows = torch.arange(x.shape[1], device=x.device)
        behind = rows[:, None] - rows[None, :]  # rows by which a key lies before a query
        near = (behind.abs() <= REACH) if self.centred else (behind >= 0) & (behind <= REACH)
        # A row that is not valid attends to itself, so that no softmax is empty.
        allowed = (near & valid[:, None, :]) | (behind == 0)
        seconds = times[:, :, None] - times[:, None, :]
        x = self.into(x)
        for layer in self.layers:
            x = layer(x, seconds, allowed)
        return self.norm(x) * valid[..., None]


class _AttentionLayer(nn.Module):
    scales: Tensor

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("scales", torch.tensor(SCALES), persistent=False)
        self.fade = nn.Parameter(torch.zeros(2, len(SCALES), HEADS))  # of the past and the future
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)  # projection to queries, keys and values
        self.output = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, seconds: Tensor, allowed: Tensor) -> Tensor:
        """x: (B, T, W), seconds: (B, T, T), allowed: (B, T, T) bool -> (B, T, W)."""
        parts = self.qkv(self.before(x)).chunk(3, -1)
        query, key, value = (p.unflatten(-1, (HEADS, -1)).transpose(1, 2) for p in parts)
        bias = self._bias(seconds).masked_fill(~allowed[:, None], float("-inf"))
        attended = F.scaled_dot_product_attention(query, key, value, bias).transpose(1, 2).flatten(2)
        x = x + self.dropout(self.output(attended))
        return x + self.dropout(self.mlp(self.after(x)))

    def _bias(self, seconds: Tensor) -> Tensor:
        """(B, T, T) s -> (B, HEADS, T, T)."""
        fading = torch.exp(-seconds.abs()[..., None] / self.scales)
        past, future = (fading @ weights for weights in self.fade)
        return torch.where((seconds >= 0)[..., None], past, future).permute(0, 3, 1, 2)


class TfGruCell(nn.Module):
    """One layer of a GRU (Cho et al. 2014) as in `tf.nn.rnn_cell.GRUCell`, for x (N, D) and h (N, W):

        [r, u] = sigmoid([x, h] K_g + b_g),  c = tanh([x, r h] K_c + b_c),  h' = u h + (1 - u) c

    The reset gate r acts before the recurrent matrix. In PyTorch's GRU it acts after, so that weights of one are of no
    use to the other. Both kernels read the input first, then the state; the gates start open (bias 1).

    width_in: D, features of an input; width: features of the state.
    """

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.gates = nn.Linear(width_in + width, 2 * width)
        self.candidate = nn.Linear(width_in + width, width)
        nn.init.xavier_uniform_(self.gates.weight)
        nn.init.xavier_uniform_(self.candidate.weight)
        nn.init.ones_(self.gates.bias)
        nn.init.zeros_(self.candidate.bias)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """x: (N, D), hidden: (N, W) -> hidden (N, W)."""
        reset, update = self.gates(torch.cat([x, hidden], 1)).sigmoid().chunk(2, 1)
        candidate = self.candidate(torch.cat([x, reset * hidden], 1)).tanh()
        return update * hidden + (1 - update) * candidate


class TfGru(nn.Module):
    """Several `TfGruCell` layers; the hidden state is that of all layers side by side, (N, L * W).

    width_in: features of an input; width: W, features of the state of one layer; layers: L.
    """

    def __init__(self, width_in: int, width: int, layers: int = 2) -> None:
        super().__init__()
        self.width = width
        self.cells = nn.ModuleList(TfGruCell(width if i else width_in, width) for i in range(layers))

    def start(self, n: int) -> Tensor:
        """Return the zero state (n, L * W) of n new rows."""
        weight = next(self.parameters())
        return weight.new_zeros(n, self.width * len(self.cells))

    def step(self, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """x: (N, D), hidden: (N, L * W) -> output of the last layer (N, W), hidden (N, L * W)."""
        states: list[Tensor] = []
        for cell, state in zip(self.cells, hidden.split(self.width, 1), strict=True):
            x = cell(x, state)
            states.append(x)
        return x, torch.cat(states, 1)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """x: (B, T, D), valid: (B, T) bool -> outputs (B, T, W); an instant that is not valid keeps the state."""
        hidden, outputs = self.start(len(x)), list[Tensor]()
        for time, now in enumerate(x.unbind(1)):
            after = self.step(now, hidden)[1]
            hidden = after if valid is None else torch.where(valid[:, time, None], after, hidden)
            outputs.append(hidden[:, -self.width :])
        return torch.stack(outputs, 1)

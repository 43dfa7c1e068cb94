"""Recurrent networks over time: one instant after another with a state, or both directions over a stretch."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

Cell = Literal["gru", "lstm"]
SEEN = 128  # rows before and after that a network of both directions is given


class Recurrent(nn.Module):
    """GRU (Cho et al. 2014) or LSTM (Hochreiter and Schmidhuber 1997) of one or more layers.

    The hidden state of N rows is one tensor (N, L * H) for a GRU and (N, 2 * L * H) for an LSTM, so that a caller
    can split and join rows. A network of both directions has no such state: it reads stretches.
    """

    def __init__(self, cell: Cell, inputs: int, hidden: int, layers: int, both: bool, dropout: float) -> None:
        super().__init__()
        kind = nn.GRU if cell == "gru" else nn.LSTM
        between = dropout if layers > 1 else 0.0
        self.network = kind(inputs, hidden, layers, batch_first=True, bidirectional=both, dropout=between)
        self.width = hidden * (1 + both)
        self.past = self.ahead = SEEN if both else 0
        self.causal = not both

    def forward(self, x: Tensor, valid: Tensor, times: Tensor) -> Tensor:
        """x (B, T, D), valid (B, T) bool with all valid rows first -> (B, T, W), 0 where not valid."""
        lengths = valid.sum(1).cpu()
        if not lengths.any():
            return x.new_zeros(*x.shape[:2], self.width)
        some = lengths.clamp(min=1)
        packed = pack_padded_sequence(x, some, batch_first=True, enforce_sorted=False)
        given, _ = pad_packed_sequence(self.network(packed)[0], batch_first=True, total_length=x.shape[1])
        return given * valid[..., None]

    def start(self, n: int) -> Tensor:
        """The state (n, S) of rows not seen before."""
        parts = 2 if isinstance(self.network, nn.LSTM) else 1
        size = parts * self.network.num_layers * self.network.hidden_size
        return next(self.network.parameters()).new_zeros(n, size)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, D), state (N, S) -> (N, H) and the next state (N, S)."""
        lstm = isinstance(self.network, nn.LSTM)
        layers = self.network.num_layers
        parts = state.reshape(len(state), (1 + lstm) * layers, -1).unbind(1)
        hidden, cells = list(parts[:layers]), list(parts[layers:])
        for layer, weights in enumerate(self.network.all_weights):
            into, within, bias_into, bias_within = weights
            if lstm:
                before = [hidden[layer], cells[layer]]
                hidden[layer], cells[layer] = torch.lstm_cell(x, before, into, within, bias_into, bias_within)
            else:
                hidden[layer] = torch.gru_cell(x, hidden[layer], into, within, bias_into, bias_within)
            x = hidden[layer]
        return x, torch.cat([*hidden, *cells], 1)

"""The gated recurrent unit as TensorFlow computes it, which is not PyTorch's."""

import torch
from torch import Tensor, nn


class TfGruCell(nn.Module):
    """One layer (Cho et al. 2014, as in `tf.nn.rnn_cell.GRUCell`), for x (N, D) and h (N, W):

        [r, u] = sigmoid([x, h] K_g + b_g),  c = tanh([x, r h] K_c + b_c),  h' = u h + (1 - u) c

    The reset gate r acts before the recurrent matrix. PyTorch lets it act after, so that weights of one are of no use
    to the other. Both kernels read the input first, then the state; the gates begin open (bias 1).
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
    """Cells one upon the other; the hidden state is that of all layers side by side, (N, L * W)."""

    def __init__(self, width_in: int, width: int, layers: int = 2) -> None:
        super().__init__()
        self.width = width
        self.cells = nn.ModuleList(TfGruCell(width if i else width_in, width) for i in range(layers))

    def start(self, n: int) -> Tensor:
        """(n, L * W) zeros."""
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
        """x: (B, T, D), valid: (B, T) bool -> outputs (B, T, W); an instant that is not valid leaves the state."""
        hidden, outputs = self.start(len(x)), list[Tensor]()
        for time, now in enumerate(x.unbind(1)):
            after = self.step(now, hidden)[1]
            hidden = after if valid is None else torch.where(valid[:, time, None], after, hidden)
            outputs.append(hidden[:, -self.width :])
        return torch.stack(outputs, 1)

"""PyTorch's recurrent networks over padded rows, and TensorFlow's unit against its equations by hand and in NumPy."""

import numpy as np
import pytest
import torch

from avfer.models.affect.time_networks import Cell, Recurrent, TfGru, TfGruCell
from tests.models import as_tensorflow


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


@pytest.fixture(scope="module")
def gru() -> TfGru:
    torch.manual_seed(0)
    return TfGru(5, 4).eval()


def test_two_steps_of_one_unit_are_those_worked_out_by_hand():
    cell = TfGruCell(1, 1)
    state = {"gates.weight": [[1.0, 2.0], [-1.0, 0.5]], "gates.bias": [0.5, 0.25]}
    state |= {"candidate.weight": [[0.75, -3.0]], "candidate.bias": [0.1]}
    cell.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    hidden, wanted = torch.tensor([[0.2]]), 0.2
    for x in (1.0, -0.5):
        reset, update = sigmoid(x + 2 * wanted + 0.5), sigmoid(-x + 0.5 * wanted + 0.25)
        wanted = update * wanted + (1 - update) * np.tanh(0.75 * x - 3 * reset * wanted + 0.1)
        hidden = cell(torch.tensor([[x]]), hidden)
        assert hidden.item() == pytest.approx(wanted, abs=1e-6)


def test_the_reset_gate_acts_before_the_recurrent_matrix():
    """With a bias on the candidate and a closed gate nothing of the state is left; PyTorch would keep its bias."""
    cell = TfGruCell(1, 2)
    with torch.no_grad():
        cell.gates.bias[:] = torch.tensor([-40.0, -40, -40, -40])  # reset and update closed
        cell.gates.weight[:] = 0
    hidden = torch.tensor([[0.9, -0.3]])
    assert torch.allclose(cell(torch.ones(1, 1), hidden), cell(torch.ones(1, 1), torch.zeros(1, 2)), atol=1e-6)
    with torch.no_grad():
        cell.gates.bias[:] = torch.tensor([40.0, 40, -40, -40])  # reset open
    assert not torch.allclose(cell(torch.ones(1, 1), hidden), cell(torch.ones(1, 1), torch.zeros(1, 2)), atol=1e-3)


def test_a_new_cell_begins_with_open_gates():
    assert TfGruCell(3, 2).gates.bias.tolist() == [1.0] * 4
    assert TfGruCell(3, 2).candidate.bias.tolist() == [0.0] * 2


def test_two_layers_agree_with_numpy():
    torch.manual_seed(1)
    variables = as_tensorflow.gru_variables("rnn", 5, 4, "rnn")
    gru = TfGru(5, 4)
    for layer, cell in enumerate(gru.cells):
        for part in ("gates", "candidate"):
            place = f"rnn/rnn/multi_rnn_cell/cell_{layer}/gru_cell/{part}"
            getattr(cell, part).weight.data = variables[f"{place}/kernel"].T
            getattr(cell, part).bias.data = variables[f"{place}/bias"]
    x = torch.randn(3, 7, 5)
    found = gru(x) @ variables["rnn/weights_rnn"] + variables["rnn/biases_rnn"]
    wanted = as_tensorflow.gru(variables, "rnn", x.double().numpy(), "rnn")
    np.testing.assert_allclose(found.detach().numpy(), wanted, atol=1e-5)


def test_a_sequence_equals_its_steps(gru):
    x, hidden = torch.randn(3, 6, 5), gru.start(3)
    whole = gru(x)
    for time in range(6):
        now, hidden = gru.step(x[:, time], hidden)
        assert torch.allclose(now, whole[:, time], atol=1e-6)
    assert hidden.shape == (3, 8)


def test_the_future_changes_no_output(gru):
    x = torch.randn(1, 6, 5)
    later = x.clone()
    later[:, 3:] += 1
    assert torch.equal(gru(x)[:, :3], gru(later)[:, :3])
    assert (gru(x)[:, 3:] != gru(later)[:, 3:]).any()


def test_an_instant_that_is_not_valid_leaves_the_state(gru):
    x, valid = torch.randn(1, 6, 5), torch.tensor([[True, True, False, False, True, True]])
    found = gru(x, valid)
    assert torch.allclose(found[:, valid[0]], gru(x[:, valid[0]]), atol=1e-6)
    assert torch.equal(found[:, 2], found[:, 1])


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("short", [6, 4])
def test_gradients_of_padded_rows_are_those_of_each_sequence_alone(cell: Cell, both: bool, short: int):
    torch.manual_seed(2)
    network = Recurrent(cell, 5, 4, 2, both, 0.0).train()
    x, valid = torch.randn(2, 6, 5), torch.arange(6) < torch.tensor([[6], [short]])

    def gradients(*batches: tuple[torch.Tensor, torch.Tensor]) -> list[torch.Tensor]:
        network.zero_grad()
        for rows, known in batches:
            network(rows, known, torch.zeros(known.shape)).square().sum().backward()
        return [weight.grad.clone() for weight in network.parameters() if weight.grad is not None]

    together = gradients((x, valid))
    alone = gradients((x[:1], valid[:1]), (x[1:, :short], valid[1:, :short]))
    assert len(together) == len(alone) == len(list(network.parameters()))
    for found, wanted in zip(together, alone, strict=True):
        assert torch.allclose(found, wanted, atol=1e-5)

"""The temperature of a head."""

import pytest
import torch
import torch.nn.functional as F

from avfer.models.card import Card
from avfer.models.card_files import read_card
from tools.train.temperature import fit_temperature, write_temperature


def test_the_temperature_at_which_logits_were_drawn_is_found() -> None:
    g = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(20_000, 4, generator=g, dtype=torch.float64)
    labels = torch.multinomial((logits / 2).softmax(1), 1, generator=g)[:, 0]
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(2, rel=0.03)
    costs = [F.cross_entropy(logits / t, labels) for t in (0.99 * found, found, 1.01 * found)]
    assert costs[1] == min(costs)


def test_writing_a_temperature_keeps_all_else_of_the_card(tmp_path) -> None:
    path = tmp_path / "toy.json"
    card = Card(name="toy", task="t", description="d", classes=["a", "b"], sha256="0" * 64)
    path.write_text(card.model_dump_json(exclude_defaults=True))
    write_temperature(path, 0.81234)
    assert read_card(path) == card.model_copy(update={"temperature": 0.812})

"""hmtl: supervised heads, puzzles and in-painting on one trunk."""

import math

import pytest
import torch
import torch.nn.functional as F

from avfer.losses.hmtl_losses import puzzle, puzzle_loss, random_orders
from avfer.models.backbones.hmtl import HEADS, WIDTHS, Hmtl, PuzzleHead
from avfer.models.factory import from_tensors
from avfer.models.weights import card_of


@pytest.fixture(scope="module")
def whole() -> Hmtl:
    torch.manual_seed(0)
    return Hmtl(heads=HEADS).eval()


@pytest.fixture(scope="module")
def crops() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("backbone", "count"), [("efficientnet_b0", 4_017_796), ("efficientnet_b2", 7_712_266)])
def test_the_supervised_network_is_the_trunk_and_one_head(backbone, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in Hmtl(backbone=backbone).parameters()) == count


@pytest.mark.parametrize("grid", [2, 3])
def test_each_head_returns_its_output(crops, grid):
    torch.manual_seed(0)
    network = Hmtl(num_classes=7, heads=HEADS, grid=grid).eval()
    with torch.inference_mode():
        prediction = network.predict(crops)
        assert prediction.features.shape == (2, 1280) and prediction.expression_logits.shape == (2, 7)
        assert prediction.valence_arousal.shape == (2, 2) and prediction.valence_arousal.abs().max() <= 1
        assert prediction.action_unit_logits is None and network.offers == {"puzzle", "inpainting"}
        assert network.puzzle_logits(crops).shape == (2, grid**2, grid**2)
        restored = network.restore(crops)
        assert restored.shape == crops.shape
        assert restored.min() >= 0 and restored.max() <= 1


@pytest.mark.parametrize("training", [False, True])
def test_without_pretext_heads_emotions_are_the_same_to_the_bit(whole, crops, training):
    options = Hmtl.inference_options({"heads": list(HEADS)})
    lean = Hmtl(**options)
    lean.load_state_dict({name: whole.state_dict()[name] for name in lean.state_dict()})
    whole.train(training)
    lean.train(training)
    assert lean.puzzle is None and lean.inpainting is None and not lean.offers
    results = []
    for network in (whole, lean):
        torch.manual_seed(5)
        with torch.no_grad():
            results.append(network.predict(crops).tensors())
    whole.eval()
    assert results[0].keys() == results[1].keys() == {"features", "expression_logits", "valence_arousal"}
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())
    assert sum(p.numel() for p in lean.parameters()) == 4_017_796 + 1280 * 2 + 2


def test_training_reaches_every_tensor(crops):
    torch.manual_seed(0)
    network = Hmtl(heads=HEADS).eval()
    order = random_orders(2, 3, torch.Generator().manual_seed(0))
    prediction = network.predict(crops)
    heads = prediction.expression_logits.square().sum() + prediction.valence_arousal.square().sum()
    loss = heads + network.restore(crops).square().mean()
    (loss + puzzle_loss(network.puzzle_logits(puzzle(crops, order)), order)).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


def test_a_network_with_one_head_returns_valence_and_arousal(crops):
    network = Hmtl(heads=["valence_arousal"]).eval()
    torch.nn.init.constant_(network.valence_arousal.bias, 3.0)
    card = card_of("hmtl", heads=["valence_arousal"])
    assert network(crops).shape == (2, 2)
    assert 0.9 < network(crops).min() <= network(crops).max() <= 1
    assert card.valence_arousal and not card.classes and not card.orders


@pytest.mark.parametrize("heads", [["puzzle"], ["expression", "rotation"], []])
def test_heads_without_a_supervised_one_raise_an_error(heads):
    with pytest.raises(ValueError, match="heads: must be of"):
        Hmtl(heads=heads)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_classes": 7, "heads": ["expression", "puzzle"], "grid": 2},
        {"backbone": "efficientnet_b2", "heads": ["valence_arousal", "inpainting"]},
    ],
)
def test_a_file_implies_its_options(options):
    network = Hmtl(**options)
    again = from_tensors("hmtl", network.state_dict(), "the file")
    assert list(again.state_dict()) == list(network.state_dict())
    assert card_of("hmtl", **Hmtl.from_official(network.state_dict())[0]).options == card_of("hmtl", **options).options


@pytest.mark.slow
def test_puzzles_are_solved_by_the_whole_network_while_it_learns_expressions(monkeypatch):
    """64 pictures whose colour encodes the place in red and green, and the class in blue; chance is one in nine.

    The trunk is the smallest EfficientNet of timm, of the layers of the others.
    """
    monkeypatch.setitem(WIDTHS, "test_efficientnet", 256)
    torch.manual_seed(0)
    label, places = torch.arange(64) % 3, torch.linspace(-2, 2, 33)
    rows, columns = torch.meshgrid(places, places, indexing="ij")
    pictures = torch.stack([rows, columns, torch.zeros(33, 33)]).repeat(64, 1, 1, 1)
    pictures[:, 2] = 2.0 * (label - 1)[:, None, None]
    network, losses, solved = Hmtl(3, "test_efficientnet", ["expression", "puzzle"]).train(), list[float](), 0.0
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for step in range(150):
        order = random_orders(64, 3)
        logits = network.puzzle_logits(puzzle(pictures, order))
        if step == 0:
            assert puzzle_loss(logits, order).item() == pytest.approx(9 * math.log(9), rel=0.05)
        solved = float((logits.argmax(2) == order).float().mean())
        losses.append(F.cross_entropy(network(pictures), label))
        if solved > 0.55:
            break
        optimiser.zero_grad()
        (puzzle_loss(logits, order) + losses[-1]).backward()
        optimiser.step()
    assert solved > 0.5
    assert losses[-1] < 0.2 * losses[0]


def test_a_puzzle_of_places_is_learned():
    """Pictures whose colour encodes the place, pooled as far as possible, read by a trunk of one layer."""
    torch.manual_seed(0)
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 18), torch.linspace(0, 1, 18), indexing="ij")
    pictures = torch.stack([rows, columns, rows * columns]).expand(64, -1, -1, -1)
    order = random_orders(64, 3, torch.Generator().manual_seed(0))
    pooled = F.avg_pool2d(puzzle(pictures, order), 6).flatten(1)
    trunk = torch.nn.Sequential(torch.nn.Linear(27, 64), torch.nn.ReLU())
    head = PuzzleHead(64, 3).eval()
    assert puzzle_loss(head(trunk(pooled)), order).item() == pytest.approx(9 * math.log(9), rel=0.05)
    optimiser = torch.optim.Adam([*trunk.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        puzzle_loss(head(trunk(pooled)), order).backward()
        optimiser.step()
    assert (head(trunk(pooled)).argmax(2) == order).float().mean() > 0.9

"""dan: its heads, what it returns, and the names of its authors' files."""

import math
from pathlib import Path

import pytest
import torch
from timm import create_model

from avfer.goldens.golden_files import read_golden
from avfer.models.backbones.dan import AttentionHead, Dan
from avfer.models.class_orders import assume
from avfer.models.factory import cost_of, from_tensors
from avfer.models.weights import card_of

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def network() -> Dan:
    torch.manual_seed(0)
    return Dan().eval()


@pytest.fixture(scope="module")
def crops() -> torch.Tensor:
    return torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("num_classes", "count"), [(7, 19_723_733), (8, 19_724_248)])
def test_parameters_and_multiply_adds_are_those_of_the_authors_network(num_classes, count):
    cost = cost_of("dan", card_of("dan", num_classes=num_classes))
    assert cost.parameters == count
    assert cost.macs == pytest.approx(2.22e9, rel=0.01)


def test_parts_are_of_the_published_sizes(network):
    assert sum(p.numel() for p in network.trunk.parameters()) == 11_176_512
    assert sum(p.numel() for p in network.heads[0].parameters()) == 2_135_904
    assert len(network.state_dict()) == 275


@pytest.mark.parametrize(("golden", "options"), [("dan7", (7, 4)), ("dan8", (8, 4))])
def test_an_official_file_implies_its_options(network, golden, options):
    tensors = {name: torch.from_numpy(value) for name, value in read_golden(GOLDEN / golden).tensors.items()}
    implied, ours = Dan.from_official(tensors)
    assert implied == {"num_classes": options[0], "num_heads": options[1]}
    assert list(ours) == list(network.state_dict())


def test_a_file_of_our_own_is_read_as_it_is():
    network = Dan(num_classes=8, num_heads=2)
    again = from_tensors("dan", network.state_dict(), "the file")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())


def test_all_outputs_of_the_authors_network_are_there(network, crops):
    with torch.inference_mode():
        prediction = network.predict(crops)
        heads = prediction.extras["attention_heads"]
        assert prediction.extras.keys() == network.offers
        assert prediction.extras["feature_map"].shape == (2, 512, 7, 7) and heads.shape == (2, 4, 512)
        assert torch.equal(network(crops), prediction.expression_logits)
        assert torch.equal(heads.sum(1), prediction.features)
        assert torch.allclose(heads.exp().sum(1), torch.ones(2, 512), atol=1e-5)


def test_half_precision_stays_near_though_the_values_are_large(network, crops):
    """Maps are multiplied by sums over 512 channels."""
    with torch.inference_mode():
        wanted = network.predict(crops).tensors()
        with torch.autocast("cpu", torch.bfloat16):
            found = network.predict(crops).tensors()
    for full, half in zip(wanted.values(), found.values(), strict=True):
        assert half.isfinite().all()
        assert (half - full).abs().mean() < 0.02 * full.std()


def test_equal_heads_share_each_channel_equally(crops):
    torch.manual_seed(0)
    network = Dan().eval()
    for head in network.heads:
        head.load_state_dict(network.heads[0].state_dict())
    with torch.inference_mode():
        heads = network.predict(crops).extras["attention_heads"]
    assert torch.allclose(heads, torch.full_like(heads, -math.log(4)), atol=1e-6)


def test_one_head_is_taken_as_it_is(crops):
    network = Dan(num_heads=1).eval()
    with torch.inference_mode():
        extras = network.predict(crops).extras
        assert torch.equal(extras["attention_heads"][:, 0], network.heads[0](extras["feature_map"]))


def test_heads_start_as_the_authors_draw_them():
    torch.manual_seed(0)
    head = AttentionHead()
    weights = dict(head.named_parameters())
    assert weights["channel.gate.0.weight"].std().item() == pytest.approx(0.001, rel=0.05)
    assert weights["spatial.row.0.weight"].std().item() == pytest.approx((2 / (512 * 3)) ** 0.5, rel=0.05)
    assert not any(value.any() for name, value in weights.items() if name.endswith("bias"))


def test_training_may_start_from_a_resnet(crops):
    trained, network = create_model("resnet18", num_classes=1000).eval(), Dan(num_heads=1).eval()
    network.start_resnet(trained.state_dict())
    with torch.inference_mode():
        assert torch.equal(network.predict(crops).extras["feature_map"], trained.forward_features(crops))


@pytest.mark.parametrize(("num_classes", "assumed"), [(7, "affectnet_7"), (8, "")])
def test_of_two_orders_the_assumed_one_is_noted(num_classes, assumed):
    card = assume(card_of("dan", num_classes=num_classes))
    assert card.assumed == assumed
    assert card.classes[:3] == ["neutral", "happiness", "sadness"]

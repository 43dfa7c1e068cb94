"""psr: its pyramid, its shared and own layers, and the files training starts from."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.goldens.golden_files import read_golden
from avfer.models.backbones.psr import Psr
from avfer.models.backbones.psr_parts import RGB_MEAN, Edsr, SpatialTransformer, localization_rows, side_of, vgg_layers
from avfer.models.class_orders import assume
from avfer.models.factory import from_tensors
from avfer.models.weights import card_of

GOLDEN = Path(__file__).parents[1] / "golden"
FORMS = [
    {},
    {"num_classes": 8, "side": 96},
    {"side": 128, "multiples": [1, 2, 4, 1], "cut": 10},
    {"multiples": [1, 1], "cut": 3, "side": 48},
    {"cut": 37},
]


@pytest.fixture(scope="module")
def network() -> Psr:
    torch.manual_seed(0)
    return Psr().eval()


@pytest.fixture(scope="module")
def crops() -> Tensor:
    return torch.randn(2, 3, 100, 100, generator=torch.Generator().manual_seed(1))


def size(*parts: nn.Module) -> int:
    return sum(p.numel() for part in parts for p in part.parameters())


def test_parts_are_of_the_published_sizes(network):
    assert size(network) == 20_244_586
    assert size(network.stn) == 144_544
    assert size(network.branches[1][0]) == 1_369_859
    assert size(network.branches[0]) == size(network.branches[1][1]) == size(network.branches[2]) == 1_737_792
    assert size(network.shared, network.neck, network.head) == 13_516_807
    assert len(network.state_dict()) == 283


def test_an_official_file_implies_its_options(network):
    tensors = {name: torch.from_numpy(value) for name, value in read_golden(GOLDEN / "psr-rafdb-7").tensors.items()}
    options, ours = Psr.from_official(tensors)
    assert options == {"num_classes": 7, "side": 100, "multiples": [1, 2, 1], "cut": 24}
    assert set(ours) == set(network.state_dict())


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_file_of_our_own_implies_its_options(form):
    with torch.device("meta"):
        state = Psr(**form).state_dict()
    assert card_of("psr", **Psr.from_official(state)[0]).options == form


@pytest.mark.parametrize("form", FORMS[:4], ids=str)
def test_every_form_gives_probabilities(form):
    torch.manual_seed(0)
    network, side = Psr(**form).eval(), form.get("side", 100)
    pictures = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        branches = network.predict(pictures).extras["branch_logits"]
        probabilities = network(pictures).softmax(1)
        assert branches.shape == (2, form.get("num_classes", 7), len(form.get("multiples", [1, 2, 1])))
        assert torch.allclose(probabilities, branches.softmax(1).mean(2), atol=1e-6)
        assert torch.allclose(network(pictures).exp().sum(1), torch.ones(2), atol=1e-5)


@pytest.mark.parametrize("order", [[1, 0, 2], [2, 1, 0], [1, 2, 0]])
def test_the_order_of_the_branches_changes_no_output(network, crops, monkeypatch, order):
    with torch.inference_mode():
        logits, vectors = network(crops), network._vectors(crops)
        monkeypatch.setattr(network, "_vectors", lambda _: vectors[:, order])
        assert not torch.allclose(vectors[:, order], vectors, atol=1e-3)
        assert torch.allclose(network(crops), logits, atol=1e-6)


def test_super_resolution_learns_pictures_twice_as_large():
    torch.manual_seed(0)
    rough = torch.randn(16, 3, 4, 4)
    large = F.interpolate(rough, (16, 16), mode="bicubic")
    small = F.interpolate(large, (8, 8), mode="bicubic")
    network, losses = Edsr(2), list[float]()
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(12):
        made = network(small)
        assert made.shape == large.shape
        loss = F.l1_loss(made, large)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"cut": 5}, "cut: must be one of"), ({"multiples": [1, 3]}, "1, 2 and 4"), ({"side": 60}, "30 px are below 32")],
)
def test_impossible_options_raise_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        Psr(**options)


def test_an_untrained_transformer_is_the_identity(crops):
    aligned = SpatialTransformer(100)(crops)
    assert torch.allclose(aligned, crops, atol=1e-4)


@pytest.mark.parametrize("left", [1, 20, 21])
def test_four_sides_leave_the_same_rows(left):
    side = side_of(left)
    assert side % 4 == 0
    assert [localization_rows(side + more) for more in (-2, 0, 1, 2)] == [left, left, left, left + 1]


def test_a_picture_too_small_for_the_transformer_raises_an_error():
    with pytest.raises(ValueError, match="at least 18 px, got 17"):
        localization_rows(17)


def test_branches_start_equal_and_are_their_own(network):
    low = [network.branches[0], network.branches[1][1], network.branches[2]]
    states = [part.state_dict() for part in low]
    assert all(torch.equal(value, state[name]) for state in states for name, value in states[0].items())
    assert len({id(p) for part in low for p in part.parameters()}) == 3 * len(list(low[0].parameters()))


def test_the_shared_part_sums_the_gradients_of_the_branches(network, crops):
    weight = network.shared[0].weight
    logits = network.predict(crops).extras["branch_logits"]
    whole, *parts = (
        torch.autograd.grad(x.square().sum(), weight, retain_graph=True)[0] for x in (logits, *logits.unbind(2))
    )
    assert torch.allclose(whole, torch.stack(parts).sum(0), rtol=1e-3, atol=1e-5 * float(whole.abs().max()))
    assert all(part.any() for part in parts)


def test_the_transformer_is_trained_through_the_full_branch_alone(network, crops):
    theta = network.stn.fc_loc[2].bias
    logits = network.predict(crops).extras["branch_logits"]
    for branch, reached in enumerate([False, False, True]):
        (gradient,) = torch.autograd.grad(logits[:, :, branch].sum(), theta, retain_graph=True)
        assert bool(gradient.any()) == reached


def test_a_small_crop_is_the_small_picture_itself(crops):
    recorded = []
    network = Psr(adaptive_side=151).eval()
    for branch in (network.branches[0], network.branches[2]):
        branch.register_forward_pre_hook(lambda _, inputs: recorded.append(inputs[0]))
    with torch.inference_mode():
        network(crops)
        aligned = network.stn(crops)
    assert torch.equal(recorded[0], aligned)
    assert torch.equal(recorded[1], aligned.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert not Psr(adaptive_side=150).swapped


def test_enlarging_may_run_in_the_range_it_was_trained_on():
    torch.manual_seed(0)
    pixels = 255 * torch.rand(1, 3, 8, 8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    plain, ranged = Edsr(2), Edsr(2, (mean.tolist(), std.tolist()))
    ranged.load_state_dict(plain.state_dict())
    mean, std, trained = (x.reshape(1, 3, 1, 1) for x in (mean, std, torch.tensor(RGB_MEAN)))
    with torch.inference_mode():
        wanted = plain(pixels - 255 * trained) + 255 * trained  # as its authors run it
        found = 255 * (ranged((pixels / 255 - mean) / std) * std + mean)
    assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    ("classes", "order", "taken"), [(7, None, True), (8, None, False), (8, [4, 5, 6, 1, 0, 3, 2], True)]
)
def test_training_may_start_from_the_authors_vgg(classes, order, taken):
    torch.manual_seed(0)
    network, other = Psr(), Psr(num_classes=classes)
    before, last = network.head[1].weight.clone(), other.head[1].weight
    vgg = {f"0.0.{name}": 2 * value for name, value in vgg_layers().state_dict().items()}
    vgg |= {f"1.{name}": value for name, value in other.neck.state_dict().items()}
    network.start_vgg(vgg | {"1.8.weight": last, "1.8.bias": other.head[1].bias}, order)
    assert torch.equal(network.branches[1][1][0].weight, vgg["0.0.0.weight"])
    assert torch.equal(network.shared[0].weight, vgg["0.0.24.weight"])
    assert torch.equal(network.neck[4].weight, other.neck[4].weight)
    assert torch.equal(network.head[1].weight, (last if order is None else last[order]) if taken else before)


def test_training_may_start_from_a_vgg_of_torchvision():
    network = Psr(cut=10)
    vgg = {f"features.{name}": value for name, value in vgg_layers().state_dict().items()}
    network.start_vgg(vgg | {"classifier.6.bias": torch.zeros(1000)})
    assert torch.equal(network.branches[2][7].weight, vgg["features.7.weight"])
    assert torch.equal(network.shared[0].weight, vgg["features.10.weight"])


def test_super_resolution_may_start_from_its_authors_file():
    network, trained = Psr(side=128, multiples=[1, 2, 4, 1]), Edsr(2)
    shift = {"sub_mean.weight": torch.zeros(3, 3, 1, 1), "add_mean.bias": torch.zeros(3)}
    network.start_super_resolution(trained.state_dict() | shift)
    assert torch.equal(network.branches[1][0].tail[1].weight, trained.tail[1].weight)
    assert not torch.equal(network.branches[2][0].tail[1].weight, trained.tail[1].weight)


def test_layers_are_those_of_torchvision():
    from torchvision.models import vgg16_bn

    with torch.device("meta"):
        theirs, ours = vgg16_bn(weights=None).features, vgg_layers()
    assert [type(layer) for layer in ours] == [type(layer) for layer in theirs]
    assert {name: t.shape for name, t in ours.state_dict().items()} == {
        n: t.shape for n, t in theirs.state_dict().items()
    }


@pytest.mark.parametrize(("num_classes", "assumed", "first"), [(7, "", "anger"), (8, "ferplus", "neutral")])
def test_orders_are_those_of_the_shipped_configurations(num_classes, assumed, first):
    card = assume(card_of("psr", num_classes=num_classes))
    assert (card.assumed, card.classes[0]) == (assumed, first)


def test_an_own_file_gives_the_same_logits(network, crops):
    again = from_tensors("psr", network.state_dict(), "the file")
    with torch.inference_mode():
        assert torch.equal(again(crops), network(crops))
        small = F.adaptive_avg_pool2d(network.stn(crops), 50)
        assert network.branches[1][0](small).shape == crops.shape

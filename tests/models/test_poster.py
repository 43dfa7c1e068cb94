"""poster: its two modules and three sizes, official files, and facts that no golden covers."""

import pytest
import torch
from timm.layers.drop import DropPath

from avfer.models.backbones.poster import Poster, mean_first
from avfer.models.class_orders import AFFECTNET, RAF_DB, assume
from avfer.models.factory import cost_of
from avfer.models.tensor_files import read_tensors
from avfer.models.weights import card_of
from tests.models.official_file import official, write

FORMS = [  # variant, depth, classes, parameters, multiply-adds
    ("raf_db", 8, 7, 71_850_399, 7.86e9),
    ("raf_db", 6, 7, 62_039_767, None),
    ("raf_db", 4, 7, 52_229_135, None),
    ("affectnet", 8, 7, 71_607_999, 7.79e9),
    ("affectnet", 8, 8, 71_608_512, 7.79e9),
]


@pytest.fixture(scope="module")
def network() -> Poster:
    torch.manual_seed(0)
    return Poster(depth=4).eval()


@pytest.mark.parametrize(("variant", "depth", "num_classes", "count", "macs"), FORMS)
def test_each_form_has_the_cost_of_the_published_one(variant, depth, num_classes, count, macs):
    options = {"variant": variant, "depth": depth, "num_classes": num_classes}
    cost = cost_of("poster", card_of("poster", **options))
    assert cost.parameters == count
    assert macs is None or cost.macs == pytest.approx(macs, rel=0.01)


def test_as_many_parameters_train_as_in_the_authors_log():
    """Theirs count the embedding of the trunk and the class token, which nothing reads."""
    with torch.device("meta"):
        network = Poster()
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    unread = sum(p.numel() for p in (*network.trunk.output_layer.parameters(), network.pyramid.cls_token))
    assert (trained + unread) / 1e6 == pytest.approx(70.843, abs=1e-3)


@pytest.mark.parametrize(
    ("golden", "variant", "classes", "colour"),
    [("poster-rafdb-7", "raf_db", RAF_DB, "bgr"), ("poster-affectnet-8", "affectnet", AFFECTNET, "rgb")],
)
def test_an_official_file_implies_its_options(tmp_path, golden, variant, classes, colour):
    rest = {"iter": 3, "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 4e-5}]}}
    path = write(tmp_path / "best.pth", golden, lambda tensors: {"model_state_dict": tensors, **rest})
    options, tensors = Poster.from_official(read_tensors(path))
    assert options == {"variant": variant, "depth": 8, "num_classes": len(classes)}
    with torch.device("meta"):
        wanted = Poster(**options).state_dict()
    assert {name: t.shape for name, t in tensors.items()} == {name: t.shape for name, t in wanted.items()}
    card = assume(card_of("poster", **options))
    assert (card.classes, card.assumed, card.colour) == (classes, "", colour)


@pytest.mark.parametrize("options", [{"depth": 4}, {"variant": "affectnet", "depth": 6, "num_classes": 8}])
def test_files_of_ours_imply_their_options(options):
    with torch.device("meta"):
        tensors = Poster(**options).state_dict()
    deduced, ours = Poster.from_official(tensors)
    assert card_of("poster", **deduced).options == card_of("poster", **options).options == options
    assert list(ours) == list(tensors)


def test_a_file_of_poster_v2_does_not_load_as_poster():
    options, tensors = Poster.from_official(official("posterpp-7"))
    assert not options
    assert "VIT.cls_token" in tensors


@pytest.mark.parametrize("options", [{"variant": "ferplus"}, {"depth": 5}, {"depth": 0}])
def test_a_form_that_was_never_published_is_refused(options):
    with pytest.raises(ValueError, match="depth 4, 6 or 8"):
        Poster(**options)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_picture_tokens_cut_the_map_channel_by_channel(network, layout):
    picture = torch.arange(256.0 * 14 * 14).reshape(1, 256, 14, 14).to(memory_format=layout)
    recorded = []
    hook = network.narrow.register_forward_pre_hook(lambda _, given: recorded.append(given[0]))
    with torch.inference_mode():
        network.fuse(picture, torch.zeros(1, 512, 7, 7))
    hook.remove()
    assert torch.equal(recorded[0], torch.arange(49.0 * 1024).reshape(1, 49, 1024))


def test_both_outputs_of_the_authors_module_are_returned(network):
    crops = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        prediction = network.predict(crops)
        features, logits = prediction.features, prediction.expression_logits
        assert features.shape == (2, 512) and prediction.tensors().keys() == {"features", "expression_logits"}
        assert torch.equal(network(crops), logits)
        assert torch.equal(network.head(features), logits)
        assert network.points(crops).shape == (2, 136)


def test_only_every_second_pixel_is_read(network):
    crops = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    other = torch.zeros_like(crops)
    other[..., ::2, ::2] = crops[..., ::2, ::2]
    with torch.inference_mode():
        assert torch.equal(network(other), network(crops))


def test_the_mean_comes_before_its_tokens():
    tokens = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])
    assert mean_first(tokens).tolist() == [[[2.0, 4.0], [1.0, 2.0], [3.0, 6.0]]]


def test_the_epsilon_of_norms_is_a_millionth():
    with torch.device("meta"):
        norms = [m for m in Poster().modules() if isinstance(m, torch.nn.LayerNorm)]
    assert len(norms) == 8 * 3 * 4 + 1
    assert {norm.eps for norm in norms} == {1e-6}


def test_drop_path_rises_over_the_depth_from_none_to_a_tenth():
    with torch.device("meta"):
        blocks = Poster().pyramid.blocks
    rates = [{m.drop_prob for m in block.modules() if isinstance(m, DropPath)} for block in blocks]
    assert all(len(rate) == 1 for rate in rates)
    assert [rate.pop() for rate in rates] == pytest.approx([0.1 * k / 7 for k in range(8)])


def test_pretrained_parts_are_loaded(network):
    torch.manual_seed(3)
    other = Poster(depth=4)
    parts = other.start_parts()
    parts["trunk"].load(network.trunk.state_dict())
    parts["landmarks"].load(network.landmarks.state_dict())
    crops = torch.randn(1, 3, 112, 112)
    other.eval()
    with torch.inference_mode():
        assert torch.equal(other.trunk(crops).coarse, network.trunk(crops).coarse)
        assert torch.equal(other.landmarks(crops).coarse, network.landmarks(crops).coarse)
    with pytest.raises(RuntimeError, match="Missing key"):
        parts["landmarks"].load({})


def test_training_does_not_change_frozen_parts(network):
    torch.manual_seed(4)
    frozen = {name: p.clone() for name, p in network.named_parameters() if not p.requires_grad}
    assert {name.split(".")[0] for name in frozen} == {"landmarks", "trunk", "pyramid"}
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1e-3)
    head = network.head.weight.clone()
    network.train()(torch.randn(1, 3, 224, 224)).square().sum().backward()
    optimiser.step()
    network.eval()
    assert not torch.equal(network.head.weight, head)
    assert all(torch.equal(p, frozen[name]) for name, p in network.named_parameters() if name in frozen)

"""poster_v2: official files, the index of its window attention, and facts that no golden covers."""

import copy
import pickle
import zlib

import pytest
import torch
from timm.layers.drop import DropPath
from torch import nn

from avfer.goldens.golden_files import read_golden_manifest
from avfer.models.backbones.poster_v2 import PosterV2, WindowFusion, offsets
from avfer.models.class_orders import AFFECTNET, assume, choose
from avfer.models.factory import cost_of, from_tensors
from avfer.models.tensor_files import read_tensors
from avfer.models.weights import card_of
from tests.models.official_file import GOLDEN, forget, official, script_class, write


@pytest.fixture(scope="module")
def network() -> PosterV2:
    torch.manual_seed(0)
    return PosterV2().eval()


@pytest.mark.parametrize(("num_classes", "count"), [(7, 58_316_594), (8, 58_317_363)])
def test_parameters_and_multiply_adds_are_those_of_the_published_network(num_classes, count):
    cost = cost_of("poster_v2", card_of("poster_v2", num_classes=num_classes))
    assert cost.parameters == count
    assert cost.macs == pytest.approx(8.59e9, rel=0.01)


def test_parameters_are_as_many_as_in_the_authors_files(network):
    frozen = sum(p.numel() for p in network.landmarks.parameters())
    unread = read_golden_manifest(GOLDEN / "posterpp-7")["parameters"]["never_reached_in_forward"]
    points = sum(p.numel() for p in network.landmarks.output_layer.parameters())
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert trained == 58_316_594 - frozen - (unread - points)
    assert 58_316_594 - frozen == pytest.approx(57.31e6, abs=0.005e6)


@pytest.mark.parametrize(("golden", "num_classes"), [("posterpp-7", 7), ("posterpp-8", 8)])
def test_an_official_file_with_objects_of_its_script_implies_its_options(tmp_path, golden, num_classes):
    """No class of the training script is at hand, as on any other machine."""
    first, second = script_class("RecorderMeter"), script_class("RecorderMeter1")
    rest = {"epoch": 3, "best_acc": torch.tensor(92.2), "optimizer": {"state": {}, "param_groups": [{"lr": 1e-6}]}}
    rest |= {"recorder": first(), "recorder1": second()}
    path = write(tmp_path / "best.pth", golden, lambda tensors: {"state_dict": tensors, **rest})
    forget("RecorderMeter")
    forget("RecorderMeter1")
    with pytest.raises((AttributeError, pickle.UnpicklingError)):
        torch.load(path, weights_only=False)
    options, tensors = PosterV2.from_official(read_tensors(path))
    assert options == {"num_classes": num_classes}
    with torch.device("meta"):
        wanted = PosterV2(**options).state_dict()
    assert {name: t.shape for name, t in tensors.items()} == {name: t.shape for name, t in wanted.items()}


def test_units_in_one_row_are_found_too():
    """As in POSTER's files and in ir50.pth."""
    named = {"ir_back.body.0.x": 0, "ir_back.body.3.x": 1, "ir_back.body.7.x": 2, "ir_back.body.20.x": 3}
    _, tensors = PosterV2.from_official(named)
    assert list(tensors) == [f"trunk.body{unit}.x" for unit in ("1.0", "2.0", "3.0", "3.13")]


def test_values_of_a_golden_file_reach_the_network():
    tensors = official("posterpp-8")
    tensors["ffn2.gamma2"] = torch.full((128,), 0.5)
    tensors["VIT.blocks.1.conv.bias"] = torch.full((148,), 0.25)
    network = from_tensors("poster_v2", tensors, "the file")
    assert torch.equal(network.scales[1].mlp_scale, torch.full((128,), 0.5))
    assert torch.equal(network.unused["mix1"].bias, torch.full((148,), 0.25))
    assert network.head.out_features == 8


def test_files_of_ours_imply_their_options(network):
    tensors = network.state_dict()
    options, ours = PosterV2.from_official(tensors)
    assert options == {"num_classes": 7}
    assert list(ours) == list(tensors)


@pytest.mark.parametrize("golden", ["posterpp-7", "posterpp-8"])
def test_no_class_order_is_used_by_default(golden):
    """With 7 classes a file may be of RAF-DB or of AffectNet, whose order is not proven."""
    card = assume(card_of("poster_v2", **PosterV2.from_official(official(golden))[0]))
    assert card.classes == [] and card.assumed == ""
    assert [order.name for order in card.orders if order.proven] == ["raf_db"]
    count = 7 if golden == "posterpp-7" else 8
    assert choose(card, f"affectnet_{count}").classes == AFFECTNET[:count]
    assert choose(card, f"alphabetical_{count}").classes == sorted(AFFECTNET[:count])


@pytest.mark.parametrize(("scale", "side"), [(1, 28), (2, 14), (3, 7)])
def test_the_index_is_that_of_the_official_files(network, scale, side):
    wanted = read_golden_manifest(GOLDEN / "posterpp-7")["weights"]["exceptions"]["crc32_int64"]
    index = network.scales[scale - 1].bias.index
    assert torch.equal(index, offsets(side))
    assert zlib.crc32(index.numpy().tobytes()) == wanted[f"attn{scale}.relative_position_index"]


def test_a_position_bias_depends_on_the_offset_alone():
    """Of a query in row 0, column 1 of a 2 x 2 map: the key below and to the left is one row down, one column back."""
    assert offsets(2).tolist() == [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]


def test_the_epsilon_of_window_norms_is_larger_than_that_of_the_transformer(network):
    norms = {name: m.eps for name, m in network.named_modules() if isinstance(m, nn.LayerNorm)}
    assert {name for name, eps in norms.items() if eps == 1e-5} == {
        f"scales.{i}.{part}" for i in range(3) for part in ("norm", "mlp_norm")
    }
    assert {eps for name, eps in norms.items() if name.startswith("vit.")} == {1e-6}


def test_drop_path_rises_over_the_scales(network):
    rates = [{m.drop_prob for m in scale.modules() if isinstance(m, DropPath)} for scale in network.scales]
    assert rates == [{0.0}, {0.125}, {0.25}]
    assert not any(isinstance(m, DropPath) for m in network.vit.modules())


def test_start_values_are_the_authors(network):
    assert all(torch.equal(scale.mlp_scale, torch.full_like(scale.mlp_scale, 1e-5)) for scale in network.scales)
    linear = [m for part in (network.vit, network.gate) for m in part.modules() if isinstance(m, nn.Linear)]
    assert len(linear) == 2 * 4 + 2
    assert all(m.weight.std().item() == pytest.approx(0.01, rel=0.05) and not m.bias.any() for m in linear)
    for value in (network.vit.pos_embed, network.scales[0].bias.table):
        assert value.std().item() == pytest.approx(0.02, rel=0.05)


def test_features_and_logits_go_together(network):
    crops = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        prediction = network.predict(crops)
        features, logits = prediction.features, prediction.expression_logits
        assert features.shape == (2, 768) and prediction.tensors().keys() == {"features", "expression_logits"}
        assert torch.equal(network.head(features), logits)
        assert network.points(crops).shape == (2, 136)
    last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        assert torch.allclose(last(crops.to(memory_format=torch.channels_last)), logits, atol=1e-5)


def test_only_every_second_pixel_is_read(network):
    crops = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    other = torch.zeros_like(crops)
    other[..., ::2, ::2] = crops[..., ::2, ::2]
    with torch.inference_mode():
        assert torch.equal(network(other), network(crops))


def test_without_attention_and_mlp_a_scale_gives_the_normalised_map():
    torch.manual_seed(0)
    scale = WindowFusion(64, 7, 0.0)
    nn.init.zeros_(scale.attention_scale)
    nn.init.zeros_(scale.mlp_scale)
    picture = torch.randn(1, 64, 14, 14)
    wanted = scale.norm(scale.halve(picture).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert torch.allclose(scale(picture, torch.randn(1, 64, 7, 7)), wanted, atol=1e-6)


def test_training_does_not_change_frozen_parts(network):
    torch.manual_seed(4)
    frozen = {name: p.clone() for name, p in network.named_parameters() if not p.requires_grad}
    assert {name.split(".")[0] for name in frozen} == {"landmarks", "trunk", "unused"}
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1e-3)
    head = network.head.bias.clone()
    network.train()(torch.randn(1, 3, 224, 224)).sum().backward()
    optimiser.step()
    network.eval()
    assert not torch.equal(network.head.bias, head)
    assert all(torch.equal(p, frozen[name]) for name, p in network.named_parameters() if name in frozen)

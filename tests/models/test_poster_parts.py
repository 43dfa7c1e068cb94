"""IR-50 and MobileFaceNet: the two trunks of POSTER and POSTER++."""

import pytest
import torch

from avfer.models.backbones.poster_parts import Ir50, Ir50Unit, MobileFaceNet


def one_row(network: Ir50) -> dict[str, torch.Tensor]:
    """Tensors as ir50.pth names them: `body.0` to `body.20`."""
    starts = {"body1": 0, "body2": 3, "body3": 7}
    tensors = dict[str, torch.Tensor]()
    for name, tensor in network.state_dict().items():
        part, unit, rest = name.split(".", 2)
        tensors[f"body.{starts[part] + int(unit)}.{rest}" if part in starts else name] = tensor
    return tensors


@pytest.mark.parametrize(("kind", "count", "tensors"), [(Ir50, 30_459_584, 304), (MobileFaceNet, 1_007_248, 333)])
def test_a_trunk_has_as_many_tensors_as_the_published_one(kind, count, tensors):
    with torch.device("meta"):
        network = kind()
    assert sum(p.numel() for p in network.parameters()) == count
    assert len(network.state_dict()) == tensors


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        (Ir50, [(64, 56, 56), (128, 28, 28), (256, 14, 14)]),
        (MobileFaceNet, [(64, 28, 28), (128, 14, 14), (512, 7, 7)]),
    ],
)
def test_maps_grow_coarser(kind, shapes):
    with torch.device("meta"):
        maps = kind()(torch.zeros(2, 3, 112, 112))
    assert [tuple(x.shape) for x in maps] == [(2, *shape) for shape in shapes]


def test_a_shortcut_of_equal_width_takes_every_second_pixel():
    x = torch.randn(1, 4, 6, 6)
    assert torch.equal(Ir50Unit(4, 4, 2).shortcut_layer(x), x[..., ::2, ::2])
    assert torch.equal(Ir50Unit(4, 4, 1).shortcut_layer(x), x)


@pytest.mark.parametrize("row", [True, False], ids=["body.N", "body1.N"])
def test_pretrained_tensors_load_under_either_name(row):
    torch.manual_seed(0)
    pretrained, network = Ir50(), Ir50()
    fourth = {"body.21.res_layer.0.weight": torch.ones(256), "body.23.res_layer.4.bias": torch.ones(512)}
    network.start_from({**one_row(pretrained), **fourth} if row else pretrained.state_dict())
    wanted = pretrained.state_dict()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_a_pretrained_file_that_does_not_fit_raises_an_error(change):
    with torch.device("meta"):
        tensors = one_row(Ir50())
    if change == "missing":
        del tensors["body.20.res_layer.4.bias"]
    else:
        tensors["body.24.res_layer.0.weight"] = torch.zeros(1)
    with pytest.raises(RuntimeError, match=r"body3\.13\.res_layer\.4\.bias" if change == "missing" else r"body\.24"):
        Ir50().start_from(tensors)


def test_the_landmark_network_is_frozen_but_its_statistics_are_not():
    torch.manual_seed(0)
    network = MobileFaceNet().train()
    before = network.conv1.bn.running_mean.clone()
    maps = network(torch.randn(2, 3, 112, 112))
    assert not any(x.requires_grad for x in maps)
    assert not torch.equal(network.conv1.bn.running_mean, before)
    assert network.eval().points(maps).shape == (2, 136)


def test_the_embedding_of_the_absent_stage_is_frozen_and_the_rest_trains():
    names = {name.split(".")[0] for name, p in Ir50().named_parameters() if not p.requires_grad}
    assert names == {"output_layer"}

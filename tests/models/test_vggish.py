"""vggish and vggish_pca: cost, published files, the last ReLU, and quantised features against the golden."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from avfer.errors import WeightsError
from avfer.goldens.golden_files import Golden, read_golden
from avfer.models.backbones.vggish import Vggish, VggishPca
from avfer.models.factory import cost_of, from_tensors
from avfer.models.weights import card_of, from_official


@cache
def golden() -> Golden:
    return read_golden(Path(__file__).parents[1] / "golden" / "vggish")


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    """Tensors under the names of the PyTorch port."""
    return {name: torch.from_numpy(values) for name, values in golden().tensors.items()}


@pytest.fixture(scope="module")
def network(published) -> Vggish:
    return from_tensors("vggish", published, "the file")


def pca() -> dict[str, torch.Tensor]:
    post = next(case for case in golden().cases if case.name == "post")
    return {name: torch.from_numpy(values) for name, values in post.tensors.items()}


def patches(n: int) -> torch.Tensor:
    return torch.randn(n, 1, 96, 64, generator=torch.Generator().manual_seed(n))


def test_the_number_of_parameters_is_the_published_one():
    parameters, macs = cost_of("vggish", card_of("vggish"))
    assert parameters == 72_141_184
    assert macs == pytest.approx(0.864e9, rel=0.01)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"features.": "features_network.", "embeddings.": "embedding_network."}, {}),
        ({}, {"pproc.pca_means": torch.zeros(128, 1), "pproc.pca_eigen_vectors": torch.eye(128)}),
        ({"features.": "trunk."}, {}),
    ],
    ids=["port", "torchaudio", "port with its post-processor", "ours"],
)
def test_published_files_are_read(published, ours, theirs):
    file = dict(published)
    for port, other in ours.items():
        file = {name.replace(port, other): tensor for name, tensor in file.items()}
    options, named = from_official("vggish", file | theirs)
    with torch.device("meta"):
        network = Vggish(**options)
    assert {name: t.shape for name, t in network.state_dict().items()} == {name: t.shape for name, t in named.items()}
    assert named["trunk.13.weight"] is published["features.13.weight"]
    assert named["embeddings.4.bias"] is published["embeddings.4.bias"]


def test_a_file_of_another_network_does_not_fit():
    with pytest.raises(WeightsError, match=r"missing.*not known"):
        from_tensors("vggish", {"conv1.weight": torch.zeros(1)}, "the file")


def test_the_last_relu_is_an_option(network, published):
    none = from_tensors("vggish", published, "the file", relu=False)
    with torch.inference_mode():
        before = none(patches(3))
        assert before.min() < 0
        assert torch.equal(before, network.embed(patches(3)))
        assert torch.equal(network(patches(3)), before.relu())
    assert card_of("vggish", relu=False).options == {"relu": False}


def test_a_classifier_has_as_many_classes_as_its_file():
    with torch.device("meta"):
        options, _ = Vggish.from_official(Vggish(num_classes=6).state_dict())
        assert options == {"num_classes": 6}
        assert Vggish(**options)(torch.zeros(2, 1, 96, 64)).shape == (2, 6)


def test_time_is_the_height_of_a_patch(network):
    patch = patches(1)
    with torch.inference_mode():
        assert not torch.allclose(network(patch), network(patch.flip(2)), atol=1e-3)
        maps = network.trunk(patch)
        channel, time, band = 7, 5, 2
        row = (time * 4 + band) * 512 + channel
        assert maps.permute(0, 2, 3, 1).flatten(1)[0, row] == maps[0, channel, time, band]


@pytest.mark.parametrize("case", ["post", "whole_and_post"])
def test_levels_differ_from_the_published_ones_only_at_halves(network, case):
    found = next(c for c in golden().cases if c.name == case)
    wanted = next(w for w in found.expected if w.name == "quantised").values
    processor = from_tensors("vggish_pca", pca(), "the file")
    with torch.inference_mode():
        given = {name: torch.from_numpy(values) for name, values in found.inputs.items()}
        features = given["embedding"] if case == "post" else network(given["x"])
        levels = processor(features).numpy()
        scaled = (processor.project(features).double().clamp(-2, 2).numpy() + 2) * 63.75
    at_half = np.abs(scaled - np.floor(scaled) - 0.5) < 1e-3
    assert np.array_equal(levels[~at_half], wanted[~at_half])
    assert np.abs(levels - wanted).max() <= 1
    assert levels.dtype == np.float32
    assert levels.min() == 0 and levels.max() == 255


@pytest.mark.parametrize(
    ("projected", "level"),
    [(-9.0, 0), (-2.0, 0), (2.0, 255), (9.0, 255), (0.0, 128), (-2 + 0.5 / 63.75, 0), (-2 + 1.6 / 63.75, 2)],
)
def test_a_level_is_the_nearest_and_of_two_the_even_one(projected, level):
    assert VggishPca().quantise(torch.tensor([[projected]])).item() == level


def test_one_row_stays_a_row():
    assert VggishPca()(torch.zeros(1, 128)).shape == (1, 128)


@pytest.mark.parametrize("shape", [(128,), (128, 1)])
@pytest.mark.parametrize("prefix", ["", "pproc."])
def test_means_of_either_shape_are_read_beside_a_network_or_alone(prefix, shape):
    tensors = {prefix + name: t.reshape(shape) if name == "pca_means" else t for name, t in pca().items()}
    beside = {"features.0.bias": torch.zeros(64)} if prefix else {}
    network = from_tensors("vggish_pca", tensors | beside, "the file")
    assert torch.equal(network.pca_means, pca()["pca_means"])
    assert torch.equal(network.pca_eigen_vectors, pca()["pca_eigen_vectors"])


def test_the_post_processor_is_not_trained():
    assert not any(p.requires_grad for p in VggishPca().parameters())

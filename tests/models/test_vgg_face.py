"""Networks with the trunk of VGG-Face start from its published convolutions."""

import pytest
import torch
import torch.nn.functional as F

from avfer.models.backbones.vgg_face import BLOCKS, GROWTH, VggFace
from avfer.models.factory import create

WIDTH = 4
MEAN = torch.tensor([129.1863, 104.7624, 93.5940])  # RGB, as the port states it
NAMES = ["affwildnet_vgg", "mt_vgg", "mt_arcvgg", "affwildnet_vgg_gru", "av_mt_vgg_rnn"]


def published() -> dict[str, torch.Tensor]:
    """Tensors under the names of the PyTorch port, a few channels wide."""
    random, widths = torch.Generator().manual_seed(0), [3, *(growth * WIDTH for growth in GROWTH)]
    places = [f"conv{block}_{i}" for block, count in enumerate(BLOCKS, 1) for i in range(1, count + 1)]
    tensors = {"fc6.weight": torch.zeros(2, 2)}
    for place, before, after in zip(places, widths[:-1], widths[1:], strict=True):
        tensors[f"{place}.weight"] = torch.randn(after, before, 3, 3, generator=random)
        tensors[f"{place}.bias"] = torch.randn(after, generator=random)
    return tensors


def test_the_first_layer_computes_the_same_from_our_crops_as_from_theirs():
    network, theirs = VggFace(WIDTH, (8,)), published()
    network.load_vgg_face(theirs)
    pixels = torch.randint(0, 256, (2, 3, 96, 96)).float()
    with torch.inference_mode():
        ours = network.convs.conv_1((pixels - 128) / 128)
    wanted = F.conv2d(pixels - MEAN[:, None, None], theirs["conv1_1.weight"], theirs["conv1_1.bias"])
    assert torch.allclose(ours[..., 1:-1, 1:-1], wanted, atol=5e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_loads_every_further_layer_unchanged(name):
    network, theirs = create(name, width=WIDTH, num_features=8), published()
    network.start_parts()["vgg_face"].load(theirs)
    trunk = network.face if name.startswith("av") else network.trunk
    for number, place in ((2, "conv1_2"), (5, "conv3_1"), (13, "conv5_3")):
        for kind in ("weight", "bias"):
            assert torch.equal(getattr(getattr(trunk.convs, f"conv_{number}"), kind), theirs[f"{place}.{kind}"])


def test_a_file_without_the_layers_raises_an_error_with_the_first_missing_one():
    with pytest.raises(KeyError, match=r"conv1_1\.weight"):
        VggFace(WIDTH, (8,)).load_vgg_face({"features.0.weight": torch.zeros(1)})

"""Batch norms are folded into the convolutions before them, without a change of the outputs."""

import pytest
import torch
from torch import nn

from avfer.models.batch_norms import fold_batch_norms
from avfer.models.factory import create
from avfer.models.network import FaceNetwork


@pytest.mark.parametrize(("name", "side"), [("aver_lite", 48), ("face_lite", 96), ("identity_lite", 64)])
def test_folded_networks_have_no_2d_batch_norm_and_the_same_features(name: str, side: int) -> None:
    network = create(name, weights="builtin")
    assert isinstance(network, FaceNetwork)
    crops = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = network.features(crops)
        fold_batch_norms(network)
        torch.testing.assert_close(network.features(crops), wanted, rtol=1e-5, atol=1e-5)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


def test_networks_that_do_not_declare_it_keep_their_batch_norms() -> None:
    class Other(FaceNetwork):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    network = Other().eval()
    fold_batch_norms(network)
    assert isinstance(network.norm, nn.BatchNorm2d)

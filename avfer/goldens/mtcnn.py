"""How mtcnn runs the goldens of its three networks, each as the detector calls it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from avfer.errors import ConfigError
from avfer.models.detectors.mtcnn import Mtcnn, padded

CHANCES = {"conv4_1": "pnet", "dense5_1": "rnet", "dense6_1": "onet"}  # the layer that tells a face -> its network
TOLD = {2: ("boxes", "probabilities"), 3: ("boxes", "landmarks", "probabilities")}


def build(tensors: dict[str, Tensor]) -> nn.Module:
    """The detector's network that has such tensors, filled with them; ConfigError where none has."""
    named = [part for layer, part in CHANCES.items() if f"{layer}.weight" in tensors]
    if not named:
        raise ConfigError("these are the tensors of none of mtcnn's networks (pnet, rnet, onet)")
    network = Mtcnn().get_submodule(named[0])
    network.load_state_dict(tensors, strict=True)
    return network


def whole(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Regression and probabilities; the first network reads whole pictures, the others batches that are filled up."""
    x = inputs["x"].contiguous(memory_format=torch.channels_last)
    outputs = padded(network, x) if hasattr(network, "dense5_1") or hasattr(network, "dense6_1") else network(x)
    return dict(zip(TOLD[len(outputs)], outputs, strict=True))


CASES = {"whole": whole}

"""How dan runs its goldens: outputs of the authors' network, taps in a head, and the three losses."""

from collections.abc import Mapping
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from avfer.losses.dan import affinity, partition
from avfer.models.backbones.dan import Dan

TAPS = {
    "features.2": "trunk.act1",
    "features.3": "trunk.maxpool",
    "features.4": "trunk.layer1",
    "features.5": "trunk.layer2",
    "features.6": "trunk.layer3",
    "cat_head0.sa.conv1x1": "heads.0.spatial.reduce",
    "cat_head0.sa.relu": "heads.0.spatial.relu",
    "cat_head0.sa": "heads.0.spatial",
    "cat_head0.ca.gap": "heads.0.channel.pool",
    "cat_head0.ca.attention": "heads.0.channel.gate",
    "cat_head0": "heads.0",
    "cat_head3": "heads.3",
}


def whole(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The three outputs of the authors' network."""
    logits, feature_map, heads = cast(Dan, network).outputs(inputs["x"])
    return {"logits": logits, "features": feature_map, "heads": heads}


def losses(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What training adds up."""
    logits, feature_map, heads = cast(Dan, network).outputs(inputs["x"])
    return {
        "cross_entropy": F.cross_entropy(logits, inputs["labels"]),
        "affinity": affinity(feature_map, inputs["labels"], inputs["centers"]),
        "partition": partition(heads),
    }


CASES = {"whole": whole, "losses": losses}

"""How dan runs its goldens: outputs of the authors' network, taps in a head, and the three losses."""

from collections.abc import Mapping
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from avfer.losses.dan_losses import partition
from avfer.losses.dan_losses import affinity
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
    prediction = cast(Dan, network).predict(inputs["x"])
    assert prediction.expression_logits is not None
    extras = prediction.extras
    return {
        "logits": prediction.expression_logits,
        "features": extras["feature_map"],
        "heads": extras["attention_heads"],
    }


def losses(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What training adds up."""
    outputs = whole(network, inputs)
    return {
        "cross_entropy": F.cross_entropy(outputs["logits"], inputs["labels"]),
        "affinity": affinity(outputs["features"], inputs["labels"], inputs["centers"]),
        "partition": partition(outputs["heads"]),
    }


CASES = {"whole": whole, "losses": losses}

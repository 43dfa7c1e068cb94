"""How efficientface_ldg runs its golden: logits, pooled features, and taps of every stage."""

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from avfer.models.backbones.efficientface_ldg import EfficientFaceLdg

TAPS = {"relu": "trunk.act1"} | {name: f"trunk.{name}" for name in ("maxpool", "layer1", "layer2", "layer3", "layer4")}


def whole(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Logits and the vector that the last layer reads."""
    prediction = cast(EfficientFaceLdg, network).predict(inputs["x"])
    assert prediction.expression_logits is not None
    return {"logits": prediction.expression_logits, "pooled": prediction.features}


CASES = {"whole": whole}

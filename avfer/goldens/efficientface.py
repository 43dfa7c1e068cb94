"""How efficientface runs its goldens: logits, pooled features, taps of every stage, and the loss."""

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from avfer.losses.efficientface_losses import label_distribution
from avfer.models.backbones.efficientface import EfficientFace

TRUNK = ("conv1", "maxpool", "stage2", "stage2.0", "stage3", "stage4", "conv5")
TAPS = {name: f"trunk.{name}" for name in TRUNK} | {
    "modulator.channel_att.gate_c": "modulator.channel",
    "modulator.spatial_att.gate_s": "modulator.spatial",
}


def whole(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Logits and the vector that the last layer reads."""
    prediction = cast(EfficientFace, network).predict(inputs["x"])
    assert prediction.expression_logits is not None
    return {"logits": prediction.expression_logits, "pooled": prediction.features}


def losses(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The loss of given logits; no network is needed."""
    return {"label_distribution": label_distribution(inputs["student_logits"], inputs["generator_logits"])}


CASES = {"whole": whole, "losses": losses}

"""How pf_vit runs the golden of its published encoder, `mae-vit-tiny-7`."""

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from avfer.models.backbones.pf_vit import PfVit

TAPS = {"patches": "encoder.patch_embed", "tokens": "encoder.norm"}


def whole(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Logits, and the class token after the last norm."""
    prediction = cast(PfVit, network).predict(inputs["x"])
    assert prediction.expression_logits is not None
    return {"logits": prediction.expression_logits, "cls": prediction.features}


CASES = {"whole": whole}

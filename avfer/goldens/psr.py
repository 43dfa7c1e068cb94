"""How psr runs its golden: logits of the branches, with and without the pooling, and taps before them."""

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from avfer.models.backbones.psr import Psr

TAPS = {
    "theta": "stn.fc_loc",
    "aligned": "stn",
    "small": "<branches.0",
    "sr": "branches.1.0",
    "branch0_low": "branches.0",
    "branch1_low": "branches.1",
    "branch2_low": "branches.2",
}
TRANSFORM = {"theta": lambda theta: theta.reshape(-1, 2, 3)}


def whole(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Logits of each branch, and the mean of their softmax."""
    psr = cast(Psr, network)
    return {"logits": psr.predict(inputs["x"]).extras["branch_logits"], "probabilities": psr(inputs["x"]).softmax(1)}


def without_pool7(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Logits of the same weights where the feature maps keep their size."""
    plain = Psr(pool=False).eval()
    plain.load_state_dict(network.state_dict())
    return {"logits": plain.predict(inputs["x"]).extras["branch_logits"]}


CASES = {"whole": whole, "without_pool7": without_pool7}

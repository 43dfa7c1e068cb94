"""Variables of TensorFlow turned into tensors of PyTorch: other names, other order of the axes."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from avfer.models.renaming import renamed

ENDINGS = (
    (r"(.*)/(?:weights|kernel)$", r"\1.weight"),
    (r"(.*)/biases$", r"\1.bias"),
    (r"(.*)/bias$", r"\1.bias"),
    (r"(.*)/gamma$", r"\1.weight"),
    (r"(.*)/beta$", r"\1.bias"),
    (r"(.*)/moving_mean$", r"\1.running_mean"),
    (r"(.*)/moving_variance$", r"\1.running_var"),
)
MEAN, COUNT = ".running_mean", ".num_batches_tracked"  # PyTorch counts batches beside the means, TensorFlow does not


def from_tensorflow(variables: Mapping[str, Tensor], table: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """Variables, whose names have slashes, under our names; names without a slash are ours and stay.

    `table` is one of `renamed` for what stands before the endings. Kernels (H, W, in, out) become (out, in, H, W),
    and matrices (in, out) become (out, in).
    """
    ours = {name: tensor for name, tensor in variables.items() if "/" not in name}
    theirs = {name: _turned(tensor) for name, tensor in variables.items() if "/" in name}
    made = renamed(theirs, [*ENDINGS, *table])
    counts = {name.removesuffix(MEAN) + COUNT: torch.tensor(0) for name in made if name.endswith(MEAN)}
    return ours | made | counts


def _turned(variable: Tensor) -> Tensor:
    if variable.ndim == 4:
        return variable.permute(3, 2, 0, 1).contiguous()
    return variable.T.contiguous() if variable.ndim == 2 else variable

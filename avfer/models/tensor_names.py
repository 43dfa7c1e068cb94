"""Names and layouts of tensors in the files of a network's authors, converted to ours by tables of renames."""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

TENSORFLOW_ENDINGS = (
    (r"(.*)/(?:weights|kernel)$", r"\1.weight"),
    (r"(.*)/biases$", r"\1.bias"),
    (r"(.*)/bias$", r"\1.bias"),
    (r"(.*)/gamma$", r"\1.weight"),
    (r"(.*)/beta$", r"\1.bias"),
    (r"(.*)/moving_mean$", r"\1.running_mean"),
    (r"(.*)/moving_variance$", r"\1.running_var"),
)
MEAN, COUNT = ".running_mean", ".num_batches_tracked"  # PyTorch counts batches beside the means, TensorFlow does not


def rename_tensors(tensors: Mapping[str, Tensor], table: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """Return the tensors with every (pattern, replacement) of a table applied to their names, in order.

    tensors: name -> tensor of any shape, float or int64. A pattern is a regular expression, replaced wherever it
    matches. A name that no pattern matches stays, so that a table whose patterns match no name of ours leaves our own
    files alone: `rename_tensors({"body.0.w": t}, [(r"^body\\.", "trunk.")])` returns `{"trunk.0.w": t}`.
    """
    rows = [(re.compile(pattern), replacement) for pattern, replacement in table]
    return {_renamed(name, rows): tensor for name, tensor in tensors.items()}


def count_numbered(tensors: Mapping[str, Tensor], prefix: str) -> int:
    """Return how many different numbers follow a prefix: 2 for `heads.0.x`, `heads.3.y` and the prefix `heads.`.

    tensors: name -> tensor of any shape, float or int64, which is not read.
    """
    found = (re.match(re.escape(prefix) + r"(\d+)\.", name) for name in tensors)
    return len({match[1] for match in found if match})


def from_tensorflow(variables: Mapping[str, Tensor], table: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """Return variables of TensorFlow under our names and in PyTorch's layout.

    variables: name -> tensor; names with slashes are TensorFlow's, names without are ours and stay. `table` is one of
    `rename_tensors` for the part before the endings. Kernels (H, W, in, out) become (out, in, H, W), matrices (in, out)
    become (out, in).
    """
    ours = {name: tensor for name, tensor in variables.items() if "/" not in name}
    theirs = {name: _torch_layout(tensor) for name, tensor in variables.items() if "/" in name}
    converted = rename_tensors(theirs, [*TENSORFLOW_ENDINGS, *table])
    counts = {name.removesuffix(MEAN) + COUNT: torch.tensor(0) for name in converted if name.endswith(MEAN)}
    return ours | converted | counts


def _renamed(name: str, rows: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, replacement in rows:
        name = pattern.sub(replacement, name)
    return name


def _torch_layout(variable: Tensor) -> Tensor:
    """(H, W, in, out) -> (out, in, H, W); (in, out) -> (out, in); others stay."""
    if variable.ndim == 4:
        return variable.permute(3, 2, 0, 1).contiguous()
    return variable.T.contiguous() if variable.ndim == 2 else variable

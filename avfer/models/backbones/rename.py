"""Names of an official checkpoint, brought to ours by a table."""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor


def renamed(tensors: Mapping[str, Tensor], table: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """The tensors under new names: each (regular expression, replacement) of the table in turn."""
    names = {name: name for name in tensors}
    for pattern, ours in table:
        names = {old: re.sub(pattern, ours, new) for old, new in names.items()}
    return {names[old]: tensor for old, tensor in tensors.items()}

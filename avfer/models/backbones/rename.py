"""Names of an official checkpoint, brought to ours by a table."""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor


def renamed(tensors: Mapping[str, Tensor], table: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """The tensors under new names: all (regular expression, replacement) of the table, one after the other."""
    table = [(re.compile(pattern), ours) for pattern, ours in table]
    return {_renamed(name, table): tensor for name, tensor in tensors.items()}


def _renamed(name: str, table: Iterable[tuple[re.Pattern[str], str]]) -> str:
    for pattern, ours in table:
        name = pattern.sub(ours, name)
    return name

"""Names of tensors in the files of a network's authors, turned into ours."""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor


def renamed(tensors: Mapping[str, Tensor], table: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """The tensors with every (pattern, replacement) of the table applied to their names, one after the other.

    A pattern is a regular expression, replaced wherever it fits. Names that nothing fits stay, so that a table leaves
    our own names alone where no pattern fits them.
    """
    rows = [(re.compile(pattern), replacement) for pattern, replacement in table]
    return {_renamed(name, rows): tensor for name, tensor in tensors.items()}


def count(tensors: Mapping[str, Tensor], prefix: str) -> int:
    """How many parts are numbered after the prefix: `heads.0.x` and `heads.3.y` tell of 2 after `heads.`."""
    found = (re.match(re.escape(prefix) + r"(\d+)\.", name) for name in tensors)
    return len({match[1] for match in found if match})


def _renamed(name: str, rows: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, replacement in rows:
        name = pattern.sub(replacement, name)
    return name

"""What an experiment learns: the side of it that the loop sees."""

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn


class Tell(Protocol):
    """Told of progress."""

    def __call__(self, what: str, done: int, total: int, came: str = "", /) -> None:
        """What is done now, how much of it, of how much; what came of it, when it is done."""
        ...


class Task(Protocol):
    """What is learned, from what, and how well."""

    objective: nn.Module  # a batch -> its loss, ()

    def __len__(self) -> int:
        """Items to learn from."""
        ...

    def batch(self, indices: list[int]) -> Any:
        """The batch of these items; it has `to(device)`."""
        ...

    def item_names(self, indices: list[int]) -> list[str]:
        """What these items are called, none where a batch is drawn anew."""
        ...

    def score(self, objective: nn.Module, device: torch.device) -> dict[str, float]:
        """Numbers over the partition that decides; "score" is the one that should rise."""
        ...

    def export(self, objective: nn.Module, folder: Path, scores: dict[str, float]) -> None:
        """Write the weights as they are now, with a card."""
        ...

"""How many threads torch computes with: each Python thread has a number of its own.

The number changes the last bits of the values.
"""

from collections.abc import Generator
from contextlib import contextmanager

import torch


def set_torch_threads(count: int) -> None:
    """Let torch use a number of threads in the thread that calls this function."""
    torch.get_num_threads()  # otherwise the first operation of this thread would set the number of the last caller
    torch.set_num_threads(count)


@contextmanager
def torch_threads(count: int) -> Generator[None]:
    """Run the block with a number of threads in torch, and restore the number of before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)

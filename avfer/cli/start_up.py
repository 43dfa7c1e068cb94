"""Start-up and end of a short command: without collections of garbage that find none."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def imports_and_networks() -> Generator[None]:
    """Collect no garbage in the block, and leave what exists at its end out of all later collections.

    torch makes half a million objects that live as long as the process. A collection visits each of them: some ten do
    so while torch is imported, and the last one after the command has ended. Objects that the block leaves unreachable
    in a circle stay in memory.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

"""When Python collects garbage, which costs a short command a second and frees nothing."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def lasting_objects() -> Generator[None]:
    """Collect no garbage in the block, and leave what exists at its end out of all later collections.

    For a block that imports torch and loads networks: half a million objects that live as long as the process, of which
    each collection would visit all. Reference cycles that the block leaves behind stay in memory.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

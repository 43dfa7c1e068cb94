"""Collections of garbage, which cost a short command a second and find none."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def lasting_objects() -> Generator[None]:
    """Collect no garbage in the block, and leave what exists at its end out of all later collections.

    For a block that imports torch and loads networks: half a million objects that live as long as the process, of which
    each collection would visit all. Objects that the block leaves unreachable in a circle stay in memory.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

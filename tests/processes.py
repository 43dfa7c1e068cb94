"""Assert that a test leaves no process and no thread of avfer behind."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

GRACE = 5.0  # s that the system may take to remove a process that was killed


def avfer_threads() -> list[str]:
    """Return the names of the running threads that avfer started; it names all of them "avfer-..."."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("avfer"))


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Assert after the block that no child process is left but those that were there before, and no thread of avfer."""
    before = set(psutil.Process().children(recursive=True))
    yield
    end = time.monotonic() + GRACE
    while (left := set(psutil.Process().children(recursive=True)) - before) and time.monotonic() < end:
        time.sleep(0.02)
    assert {process.pid for process in left} == set(), f"processes are left: {left}"
    assert avfer_threads() == []

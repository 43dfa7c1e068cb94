"""Memory that a long run has let go."""

import ctypes
import sys
from functools import cache
from typing import Any


def give_back_freed_memory() -> None:
    """Return what is free inside the C library's heaps to the system, where that library is glibc.

    Pictures are made by one thread and let go by another. The heaps keep the holes, and the resident size of a
    long run would creep up for many minutes (by 90 MB and more at 720p) without anything being in use.
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL("libc.so.6")
        return library if hasattr(library, "malloc_trim") else None
    except OSError:
        return None

"""Run a generator ahead of its reader in a thread, and return the memory that such threads leave behind."""

import ctypes
import queue
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

Item = TypeVar("Item")
THREAD_NAME = "avfer-prefetch"
MAX_READY = 8  # items that wait for the reader, which works in bursts, such as the faces of 32 frames
MAPPED_BYTES = 3_000_000  # blocks from this size on return to the system when they are freed; a 720p frame is smaller
KEPT_BYTES = 32_000_000  # of free memory that stays with the process, so that networks do not map it anew in each call
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h


def prefetch(source: Generator[Item], is_large: Callable[[Item], bool] = lambda _: False) -> Generator[Item]:
    """Yield the items of `source`, which a thread computes ahead of the reader: up to MAX_READY wait, one is computed.

    After a large item the next one is not computed before the reader has taken that one.

    An exception raised by `source` is raised here, after the items before it. When this generator ends, raises or is
    closed, the thread closes `source` and is joined, so no thread outlives it.
    """
    ready: queue.Queue[Item | _End] = queue.Queue(maxsize=MAX_READY)
    stop, taken = threading.Event(), threading.Event()

    def produce() -> None:
        _produce(source, ready, stop, taken, is_large)

    thread = threading.Thread(target=produce, name=THREAD_NAME, daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            taken.set()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
            del item  # free it before the next one arrives
    finally:
        stop.set()
        thread.join()


class _End:
    """The last element of the queue, with the exception that ended the source, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def _produce(
    source: Generator[Item],
    ready: "queue.Queue[Item | _End]",
    stop: threading.Event,
    taken: threading.Event,
    is_large: Callable[[Item], bool],
) -> None:
    """Fill the queue from the source until it ends, raises or `stop` is set."""
    error: BaseException | None = None
    try:
        for item in source:
            large = is_large(item)
            taken.clear()
            _put(item, ready, stop)
            del item
            while large and not stop.is_set() and not taken.wait(0.05):
                pass
            if stop.is_set():
                break
        source.close()
    except BaseException as caught:  # prefetch() raises it again in the reader's thread
        error = caught
    _put(_End(error), ready, stop)


def _put(item: Item | _End, ready: "queue.Queue[Item | _End]", stop: threading.Event) -> None:
    """Wait for a free place in the queue; give up once `stop` is set."""
    while not stop.is_set():
        with suppress(queue.Full):
            ready.put(item, timeout=0.05)
            return


def release_free_memory() -> None:
    """Return free memory of the C library's heaps to the operating system; do nothing unless that library is glibc.

    Frames are allocated by one thread and freed by another. glibc keeps the freed blocks in its heaps, so the
    resident size of a long run would grow for many minutes (by 90 MB and more at 720p) although nothing uses them.
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def map_large_blocks() -> None:
    """Let the C library map blocks of a chunk's size singly; do nothing unless that library is glibc.

    Otherwise glibc raises its threshold with every large block that is freed, puts the later ones into heaps, and these
    grow by gaps: by 200 MB and more for 4K video.
    """
    library = _glibc()
    if library is not None:
        library.mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)  # fixed at 128 kB by the line before


@cache
def _glibc() -> Any:
    """Return the loaded glibc, None on other systems."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL("libc.so.6")
        return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
    except OSError:
        return None

"""Run a generator ahead of its reader in a thread, and return the memory that such threads leave behind."""

import ctypes
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator
from functools import cache
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
THREAD_NAME = "avfer-prefetch"
MAX_WAITING = 32  # items that wait for a reader, which works in bursts, such as the faces of 32 frames
MAX_WAITING_BYTES = 96_000_000  # of these items in total
MAPPED_BYTES = 3_000_000  # blocks from this size on return to the system when they are freed; a 720p frame is smaller
MAX_START = 1.0  # s that a thread may take to start
KEPT_BYTES = 32_000_000  # of free memory that the process keeps, so that networks do not map memory in each call
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h


def prefetch(source: Generator[Item], size: Callable[[Item], int] = lambda _: 0) -> Generator[Item]:
    """Yield the items of `source`, which a thread computes ahead of the reader.

    size: returns the bytes that an item occupies. The thread pauses while MAX_WAITING items wait for the reader, or
    while another one would bring them above MAX_WAITING_BYTES in total; an item of any size may wait alone.

    An exception raised by `source` is raised here, after the items before it. When this generator ends, raises or is
    closed, the thread closes `source` and is joined, so no thread outlives it.
    """
    waiting = _Waiting[Item]()
    thread = threading.Thread(target=_produce, args=(source, size, waiting), name=THREAD_NAME, daemon=True)
    try:
        thread.start()  # inside, because it waits, and an interrupt may end the wait
        while True:
            item = waiting.take()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
            del item  # free it before the next one arrives
    finally:
        waiting.stop()
        if not thread.is_alive():  # it has ended, or an interrupt came before it was alive
            waiting.ended.wait(MAX_START)
        if thread.is_alive():
            thread.join()


class _End:
    """The last element that waits, with the exception that ended the source, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Waiting(Generic[Item]):
    """A bounded queue between two threads: the items that one has computed and the other has not taken yet."""

    def __init__(self) -> None:
        self._items: deque[tuple[Item | _End, int]] = deque()  # each with its bytes
        self._bytes = 0  # of all of them
        self._stopped = False
        self.ended = threading.Event()  # set when nothing more will be added
        self._changed = threading.Condition()

    def add(self, item: Item | _End, size: int) -> bool:
        """Wait for room and add an item of `size` bytes; return False if the reader has stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._has_room(size))
            if not self._stopped:
                self._items.append((item, size))
                self._bytes += size
                self._changed.notify()
            return not self._stopped

    def take(self) -> Item | _End:
        """Wait for an item and return the first."""
        with self._changed:
            self._changed.wait_for(lambda: self._items)
            item, size = self._items.popleft()
            self._bytes -= size
            self._changed.notify()
            return item

    def stop(self) -> None:
        """Let `add` return at once from now on; no item is read any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _has_room(self, size: int) -> bool:
        fits = len(self._items) < MAX_WAITING and self._bytes + size <= MAX_WAITING_BYTES
        return fits or not self._items


def _produce(source: Generator[Item], size: Callable[[Item], int], waiting: _Waiting[Item]) -> None:
    """Add the items of a source until it ends, raises, or the reader has stopped."""
    error: BaseException | None = None
    try:
        for item in source:
            if not waiting.add(item, size(item)):
                break
            del item
        source.close()
    except BaseException as caught:  # prefetch() raises it again in the reader's thread
        error = caught
    waiting.add(_End(error), 0)
    waiting.ended.set()


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
    """Let the C library allocate each large block by a mapping of its own; do nothing unless that library is glibc.

    By default glibc raises the size from which it does so with every large block that is freed, and puts the later
    blocks into heaps. Gaps between them make the heaps grow: by 200 MB and more for 4K video.
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

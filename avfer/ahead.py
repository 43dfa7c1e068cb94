"""An iterator that works ahead in a thread of its own."""

import queue
import threading
from collections.abc import Generator
from contextlib import suppress
from typing import TypeVar

Item = TypeVar("Item")
NAME = "avfer-ahead"


def ahead(work: Generator[Item]) -> Generator[Item]:
    """The items of `work`, made up to two ahead by a thread. Its errors are raised here; closing this closes it too."""
    ready: queue.Queue[Item | _End] = queue.Queue(maxsize=2)
    stopped = threading.Event()
    thread = threading.Thread(target=_make, args=(work, ready, stopped), name=NAME, daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
            del item  # not held while the next one is awaited
    finally:
        stopped.set()
        thread.join()


class _End:
    """The last thing a thread says, with what stopped it."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def _make(work: Generator[Item], ready: "queue.Queue[Item | _End]", stopped: threading.Event) -> None:
    error: BaseException | None = None
    try:
        for item in work:
            _put(item, ready, stopped)
            del item
            if stopped.is_set():
                break
        work.close()
    except BaseException as caught:  # raised again by the reader
        error = caught
    _put(_End(error), ready, stopped)


def _put(item: Item | _End, ready: "queue.Queue[Item | _End]", stopped: threading.Event) -> None:
    while not stopped.is_set():
        with suppress(queue.Full):
            ready.put(item, timeout=0.05)
            return

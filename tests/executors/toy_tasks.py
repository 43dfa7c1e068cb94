"""Small tasks for workers."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from avfer.errors import OutputError, WeightsError


@dataclass(frozen=True)
class Toy:
    """What a worker does with an item is the item itself: `("double", 3)`, `("signal", 11)`, `("sleep", 9)`, ..."""

    refuses: bool = False
    dies_loading: bool = False
    device: str = "cpu"

    def on(self, device: str) -> "Toy":
        return Toy(self.refuses, self.dies_loading, device)

    def load(self) -> Callable[[tuple[str, Any]], Any]:
        if self.refuses:
            raise WeightsError("these weights are of another model")
        if self.dies_loading:
            os.kill(os.getpid(), signal.SIGABRT)
        return _do


def _do(item: tuple[str, Any]) -> Any:
    what, value = item
    if what == "double":
        return value * 2
    if what == "pid":
        time.sleep(value)
        return os.getpid()
    if what == "variable":
        return os.environ.get(value)
    if what == "print":
        print(value, flush=True)
        return value
    if what == "signal":
        os.kill(os.getpid(), value)
    if what == "sleep":
        time.sleep(value)
    if what == "eat":
        return _eat(value)
    raise OutputError("the disk is full")


def _eat(size: int) -> int:
    held = b"\1" * size
    time.sleep(60)
    return len(held)


def taker(items: list[tuple[str, Any]]) -> Callable[[], Any]:
    """Gives the items one by one, then None."""
    rest = iter(items)
    return lambda: next(rest, None)

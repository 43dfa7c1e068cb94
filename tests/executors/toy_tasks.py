"""Small tasks for workers."""

import gc
import importlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from avfer.errors import OutputError, WeightsError


@dataclass(frozen=True)
class Toy:
    """A task whose items say what to do: `("double", 3)`, `("signal", 11)`, `("sleep", 9)`, ..."""

    has_wrong_weights: bool = False
    crashes_loading: bool = False
    device: str = "cpu"

    def with_device(self, device: str) -> "Toy":
        return Toy(self.has_wrong_weights, self.crashes_loading, device)

    def load(self) -> Callable[[tuple[str, Any]], Any]:
        if self.has_wrong_weights:
            raise WeightsError("these weights are of another model")
        if self.crashes_loading:
            os.kill(os.getpid(), signal.SIGABRT)
        return _do


@dataclass(frozen=True)
class Unloadable(Toy):
    """A task that no worker can unpickle, as if its module could not be imported there."""

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, ("a_module_that_does_not_exist",)


def _do(item: tuple[str, Any]) -> Any:
    what, value = item
    if what == "double":
        return value * 2
    if what == "pid":
        time.sleep(value)
        return os.getpid()
    if what == "variable":
        return os.environ.get(value)
    if what == "frozen":
        return gc.isenabled(), gc.get_freeze_count()
    if what == "print":
        print(value, flush=True)
        return value
    if what == "signal":
        os.kill(os.getpid(), value)
    if what == "sleep":
        time.sleep(value)
    if what == "raise":
        raise RuntimeError(value)
    if what == "eat":
        return _eat(value)
    raise OutputError("the disk is full")


def _eat(size: int) -> int:
    """Use `size` bytes of memory for a minute."""
    block = b"\1" * size
    time.sleep(60)
    return len(block)


def taker(items: list[tuple[str, Any]]) -> Callable[[], Any]:
    """Return a function that returns the items one by one, then None."""
    rest = iter(items)
    return lambda: next(rest, None)

"""What an executor is: a task loaded once in every worker, items handed to free workers, deaths told.

A new place to run needs two classes: a `Worker` and the `Place` that hires them; `crew.work` does the rest.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self


@dataclass(frozen=True)
class Limits:
    """What one item may cost before its worker is killed."""

    seconds: float | None = None
    memory: float | None = None  # bytes that the worker's process may hold resident


@dataclass(frozen=True)
class Lost:
    """Stands for the result of an item whose worker died over it."""

    reason: str
    trace: str = ""  # the last lines that the worker wrote, if they are known


class Task(Protocol):
    """Work that can be sent to a worker. It is pickled, so it names things rather than holds them."""

    def on(self, device: str) -> Self:
        """The same work for another device."""
        ...

    def load(self) -> Callable[[Any], Any]:
        """What is called for every item; runs once in every worker. An AvferError raised here ends the whole map."""
        ...


class Executor(Protocol):
    """Somewhere a task can be mapped over items."""

    def map(self, task: Task, take: Callable[[], Any]) -> Generator[tuple[Any, Any]]:
        """Pairs of an item and its result, or Lost, as they come.

        `take` gives the next item, or None while there is none; it is asked again after every result, so that a lost
        item can be given once more. An AvferError raised by the task over an item is raised here and ends the map.
        """
        ...


@dataclass(frozen=True)
class Ready:
    """A worker has loaded the task."""


@dataclass(frozen=True)
class Answer:
    """What the task gave for the worker's item."""

    value: Any


@dataclass(frozen=True)
class Refused:
    """The task cannot work: the name of an avfer error, and its message."""

    kind: str
    message: str


@dataclass(frozen=True)
class Gone:
    """A worker has died."""

    reason: str
    trace: str = ""


Event = Ready | Answer | Refused | Gone


class Worker(Protocol):
    """One process with the task in it."""

    def give(self, item: Any) -> None:
        """Send an item; its Answer will be an event."""
        ...

    def memory(self) -> float:
        """Bytes resident; 0 where the place itself looks after that."""
        ...

    def kill(self) -> None:
        """End it at once; an event Gone follows."""
        ...


class Place(Protocol):
    """Hires workers and hears of them."""

    size: int  # workers at once

    def hire(self, task: Task) -> Worker: ...

    def events(self, seconds: float) -> Iterator[tuple[Worker, Event]]:
        """What has happened, waiting up to `seconds` for the first of it."""
        ...

    def close(self) -> None:
        """End all workers, at once."""
        ...

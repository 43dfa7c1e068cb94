"""A pool of workers: the protocols of tasks, workers and backends, and the loop that maps a task over items.

To run in a new place, write two classes: a `Worker` and the `Backend` that starts such workers; `run_pool` does the
rest. It gives items to idle workers, kills workers that exceed a limit, and replaces those that ended.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Protocol, Self, TypeVar

from avfer.errors import AvferError, OutputError, debugging, rebuild_error

POLL_SECONDS = 0.1  # between two checks of the limits
MAX_FAILED_STARTS = 3  # consecutive workers that ended while they loaded the task, before the map ends


@dataclass(frozen=True)
class Limits:
    """What one item may cost before its worker is killed; None: no limit."""

    seconds: float | None = None  # wall clock time
    memory: float | None = None  # bytes, resident, of the worker's process


@dataclass(frozen=True)
class LostItem:
    """The result of an item whose worker ended before it returned one."""

    reason: str  # completes "its worker ...": "crashed (SIGSEGV)"
    trace: str = ""  # the last lines that the worker wrote, if they are known


class WorkerTask(Protocol):
    """Work for workers. A task is pickled, so it should have names of files rather than their content."""

    def with_device(self, device: str) -> Self:
        """Return the same task for another device."""
        ...

    def load(self) -> Callable[[Any], Any]:
        """Return the function that is called with each item. It runs once in every worker.

        An AvferError raised here ends the whole map.
        """
        ...


class Executor(Protocol):
    """Maps a task over items on workers."""

    def map(self, task: WorkerTask, take: Callable[[], Any]) -> Generator[tuple[Any, Any]]:
        """Yield pairs of an item and its result, or LostItem, as they become ready.

        take: returns the next item, or None if there is none at present; it is called again after every result, so
        that a lost item can be given again. An AvferError that the task raises for an item is raised here and ends
        the map. All workers have ended when the generator is exhausted or closed.
        """
        ...


@dataclass(frozen=True)
class WorkerReady:
    """Event: a worker has loaded the task."""


@dataclass(frozen=True)
class TaskResult:
    """Event: a worker has finished its item."""

    value: Any  # that the task returned


@dataclass(frozen=True)
class TaskError:
    """Event: the task raised an AvferError, sent as the name of its class and its message."""

    kind: str  # name of a class in avfer.errors
    message: str


@dataclass(frozen=True)
class WorkerExited:
    """Event: a worker has ended. Fields as in LostItem."""

    reason: str  # completes "its worker ...": "crashed (SIGSEGV)"
    trace: str = ""  # the last lines that the worker wrote, if they are known


Event = WorkerReady | TaskResult | TaskError | WorkerExited
Item = TypeVar("Item")


def queued_items(queue: SimpleQueue[Item], seconds: float) -> Iterator[Item]:
    """Yield the items of a queue until it is empty; wait up to `seconds` for the first one."""
    with suppress(Empty):
        yield queue.get(timeout=seconds)
        while True:
            yield queue.get_nowait()


class Worker(Protocol):
    """The handle of a process that loads the task and works on one item at a time."""

    def send(self, item: Any) -> None:
        """Send an item; a TaskResult event follows."""
        ...

    def memory(self) -> float:
        """Return the resident bytes of the process; 0 if the worker itself checks its memory."""
        ...

    def kill(self) -> None:
        """End the process at once; a WorkerExited event follows."""
        ...


class Backend(Protocol):
    """Starts workers and collects their events."""

    size: int  # workers at the same time

    def start_worker(self, task: WorkerTask) -> Worker:
        """Start a worker that loads the task; a WorkerReady event follows."""
        ...

    def events(self, seconds: float) -> Iterator[tuple[Worker, Event]]:
        """Yield all events that have arrived, waiting up to `seconds` for the first one."""
        ...

    def close(self) -> None:
        """End all workers at once and wait for their end."""
        ...


def run_pool(backend: Backend, task: WorkerTask, take: Callable[[], Any], limits: Limits) -> Generator[tuple[Any, Any]]:
    """Map a task over items, as `Executor.map` describes, and close the backend at the end, whatever the end is."""
    pool = _Pool(backend, task, take, limits)
    try:
        while pool.assign_items():
            yield from pool.collect_results()
    finally:
        backend.close()


@dataclass
class _WorkerState:
    """A worker and its item."""

    worker: Worker
    ready: bool = False
    item: Any = None
    since: float = 0.0  # s, monotonic time when the item was sent
    kill_reason: str | None = None


class _Pool:
    """The workers of one map."""

    def __init__(self, backend: Backend, task: WorkerTask, take: Callable[[], Any], limits: Limits) -> None:
        self._backend, self._task, self._take, self._limits = backend, task, take, limits
        self._states: dict[Worker, _WorkerState] = {}
        self._next: Any = None  # item that was taken and not yet sent
        self._failed_starts = 0

    def assign_items(self) -> bool:
        """Send items to idle workers and start workers for the rest; return False if no work is left or going on."""
        for state in self._states.values():
            if state.ready and state.item is None and self._peek() is not None:
                state.item, state.since, self._next = self._next, time.monotonic(), None
                state.worker.send(state.item)
        while self._peek() is not None and len(self._states) < self._backend.size:
            worker = self._backend.start_worker(self._task)
            self._states[worker] = _WorkerState(worker)
        return self._next is not None or any(state.item is not None for state in self._states.values())

    def collect_results(self) -> Generator[tuple[Any, Any]]:
        """Wait briefly for events, yield the results among them, and kill workers that exceed a limit."""
        for worker, event in self._backend.events(POLL_SECONDS):
            state = self._states[worker]
            if isinstance(event, TaskResult):
                item, state.item = state.item, None
                yield item, event.value
            elif isinstance(event, WorkerExited):
                yield from self._remove(state, event)
            elif isinstance(event, TaskError):
                raise rebuild_error(event.kind, event.message)
            else:
                state.ready, self._failed_starts = True, 0
        self._kill_over_limit()

    def _peek(self) -> Any:
        self._next = self._take() if self._next is None else self._next
        return self._next

    def _remove(self, state: _WorkerState, event: WorkerExited) -> Generator[tuple[Any, LostItem]]:
        """Forget a worker that ended and yield its item as lost.

        A worker that ended before it received an item counts against no item; several in a row end the map.
        """
        del self._states[state.worker]
        if state.item is not None:
            yield state.item, LostItem(state.kill_reason or event.reason, event.trace)
        elif not state.ready:
            self._failed_starts += 1
            if self._failed_starts == MAX_FAILED_STARTS:
                failed = f"{MAX_FAILED_STARTS} workers ended while they loaded the pipeline"
                raise load_error(f"{failed}; the last one {event.reason}; fewer workers need less memory", event.trace)

    def _kill_over_limit(self) -> None:
        for state in self._states.values():
            if state.item is not None and state.kill_reason is None:
                state.kill_reason = self._exceeded_limit(state)
                if state.kill_reason:
                    state.worker.kill()

    def _exceeded_limit(self, state: _WorkerState) -> str | None:
        """Return which limit a worker has exceeded, in words; None if it has exceeded none."""
        seconds, memory = self._limits.seconds, self._limits.memory
        if seconds is not None and time.monotonic() - state.since > seconds:
            return f"took longer than {seconds:g} s (--max-seconds)"
        if memory is not None and state.worker.memory() > memory:
            return memory_reason(memory)
        return None


def memory_reason(limit: float) -> str:
    """Return the reason for killing a worker that uses more than `limit` bytes."""
    return f"used more than {limit / 1e9:g} GB of memory (--max-memory)"


def load_error(message: str, trace: str) -> OutputError:
    """Return the error for a pipeline that no worker could load.

    trace: the last lines that a worker wrote, shown only if AVFER_DEBUG is set.
    """
    return OutputError(f"{message}\n{trace}".rstrip() if debugging() else message)


def error_reason(error: BaseException) -> str:
    """Return the reason for the end of a worker whose task raised an unexpected error, in one line."""
    return " ".join(f"raised {type(error).__name__}: {error}".split())


def serialize_error(error: AvferError) -> TaskError:
    """Return an error in a form that can be pickled: its class in avfer.errors, or the nearest base class there."""
    kind = next(kind for kind in type(error).__mro__ if kind.__module__ == AvferError.__module__)
    return TaskError(kind.__name__, str(error))

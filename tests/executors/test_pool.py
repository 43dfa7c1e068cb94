"""The pool: which workers are replaced, which items are lost, and when a worker is killed, without any process."""

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from avfer.errors import AvferError
from avfer.executors import pool
from avfer.executors.pool import Event, Limits, LostItem, TaskResult, WorkerExited, WorkerReady, run_pool


class ScriptedWorker:
    """A worker with one of these fates.

    "crash": it ends while it loads the task; "die": with its first item; "hang": it never returns one; "work": it
    returns twice each item.
    """

    def __init__(self, fate: str, backend: "ScriptedBackend") -> None:
        self.fate, self._backend = fate, backend
        self.report(WorkerExited("crashed") if fate == "crash" else WorkerReady())

    def report(self, event: Event) -> None:
        self._backend.waiting.append((self, event))

    def send(self, item: Any) -> None:
        if self.fate != "hang":
            self.report(TaskResult(2 * item) if self.fate == "work" else WorkerExited("ran away"))

    def memory(self) -> float:
        return 2e9 if self.fate == "hang" else 1e6

    def kill(self) -> None:
        self._backend.killed.append(self._backend.seconds)
        self.report(WorkerExited("was killed"))


class ScriptedBackend:
    """A backend of one worker at a time, with these fates; a second passes between two checks of the limits."""

    size = 1

    def __init__(self, *fates: str) -> None:
        self.fates, self.waiting, self.killed = iter(fates), list[tuple[ScriptedWorker, Event]](), list[float]()
        self.seconds, self.closed = 0.0, False

    def start_worker(self, task: Any) -> ScriptedWorker:
        return ScriptedWorker(next(self.fates), self)

    def events(self, seconds: float) -> Iterator[tuple[ScriptedWorker, Event]]:
        self.seconds += 1
        assert self.seconds < 50, "the map does not end"
        now, self.waiting = self.waiting, []
        yield from now

    def close(self) -> None:
        self.closed = True


def results(backend: ScriptedBackend, count: int, limits: Limits | None = None) -> list[tuple[int, Any]]:
    """Map over the items 1 to `count`."""
    items = iter(range(1, count + 1))
    return list(run_pool(backend, None, lambda: next(items, None), limits or Limits()))  # pyright: ignore[reportArgumentType]


def test_three_workers_in_a_row_that_end_while_loading_end_the_map():
    backend = ScriptedBackend("crash", "crash", "crash", "work")
    with pytest.raises(AvferError, match="3 workers ended while they loaded the pipeline; the last one crashed"):
        results(backend, 1)
    assert backend.closed


def test_a_worker_that_loads_the_pipeline_ends_the_row_of_those_that_did_not():
    backend = ScriptedBackend("crash", "crash", "die", "crash", "crash", "work")
    assert results(backend, 3) == [(1, LostItem("ran away")), (2, 4), (3, 6)] and backend.closed


@pytest.mark.parametrize(
    ("limits", "seconds", "reason"),
    [
        (Limits(seconds=5), 6, r"took longer than 5 s \(--max-seconds\)"),
        (Limits(memory=1e9), 1, "more than 1 GB of memory"),
    ],
)
def test_a_worker_is_killed_as_soon_as_its_item_exceeds_a_limit(monkeypatch, limits, seconds, reason):
    backend = ScriptedBackend("hang", "work")
    monkeypatch.setattr(pool, "time", SimpleNamespace(monotonic=lambda: backend.seconds))
    lost, other = results(backend, 2, limits)
    assert lost[0] == 1 and other == (2, 4)
    sent = 1  # second in which the worker was ready
    assert [second - sent for second in backend.killed] == [seconds]
    assert re.search(reason, lost[1].reason)

"""The loop that every executor shares: free workers get items, late and greedy ones are killed, dead ones replaced."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from avfer import errors
from avfer.errors import AvferError, ConfigError, OutputError
from avfer.executors.protocol import Answer, Event, Gone, Limits, Lost, Place, Ready, Refused, Task, Worker

TICK = 0.1  # seconds between two looks at the limits
STILLBORN = 3  # workers that die one after another while they load, before that is taken for the task's fault


@dataclass
class _Post:
    """A worker and what it does."""

    worker: Worker
    ready: bool = False
    item: Any = None
    since: float = 0.0  # when it got the item
    verdict: str | None = None  # why it was killed


def work(place: Place, task: Task, take: Callable[[], Any], limits: Limits) -> Generator[tuple[Any, Any]]:
    """Map a task over items at a place: see `Executor.map`. The place is closed at the end, whatever the end is."""
    crew = _Crew(place, task, take, limits)
    try:
        while crew.hand_out():
            yield from crew.listen()
    finally:
        place.close()


class _Crew:
    """The workers of one map."""

    def __init__(self, place: Place, task: Task, take: Callable[[], Any], limits: Limits) -> None:
        self._place, self._task, self._take, self._limits = place, task, take, limits
        self._posts: dict[Worker, _Post] = {}
        self._next: Any = None
        self._stillborn = 0

    def hand_out(self) -> bool:
        """Give items to free workers and hire for the rest. False when nothing is left and nobody is at work."""
        for post in self._posts.values():
            if post.ready and post.item is None and self._peek() is not None:
                post.item, post.since, self._next = self._next, time.monotonic(), None
                post.worker.give(post.item)
        while self._peek() is not None and len(self._posts) < self._place.size:
            worker = self._place.hire(self._task)
            self._posts[worker] = _Post(worker)
        return self._next is not None or any(post.item is not None for post in self._posts.values())

    def listen(self) -> Generator[tuple[Any, Any]]:
        """Hear what has happened, for a moment, and look at the limits."""
        for worker, event in self._place.events(TICK):
            post = self._posts[worker]
            if isinstance(event, Answer):
                item, post.item = post.item, None
                yield item, event.value
            elif isinstance(event, Gone):
                yield from self._bury(post, event)
            else:
                self._note(post, event)
        self._check()

    def _peek(self) -> Any:
        self._next = self._take() if self._next is None else self._next
        return self._next

    def _note(self, post: _Post, event: Event) -> None:
        if isinstance(event, Refused):
            raise _error(event)
        post.ready = isinstance(event, Ready)
        self._stillborn = 0

    def _bury(self, post: _Post, death: Gone) -> Generator[tuple[Any, Lost]]:
        """A worker is dead; what it was at is lost. One that had not begun is no item's fault."""
        del self._posts[post.worker]
        if post.item is not None:
            yield post.item, Lost(post.verdict or death.reason, death.trace)
        elif not post.ready:
            self._stillborn += 1
            if self._stillborn == STILLBORN:
                told = f"{STILLBORN} workers died while they loaded the pipeline; the last one {death.reason}"
                raise OutputError(f"{told}; fewer workers need less memory\n{death.trace}".rstrip())

    def _check(self) -> None:
        for post in self._posts.values():
            if post.item is not None and post.verdict is None:
                post.verdict = self._breach(post)
                if post.verdict:
                    post.worker.kill()

    def _breach(self, post: _Post) -> str | None:
        """Which limit a worker at work has passed, in words."""
        seconds, memory = self._limits.seconds, self._limits.memory
        if seconds is not None and time.monotonic() - post.since > seconds:
            return f"took longer than {seconds:g} s (--max-seconds)"
        if memory is not None and post.worker.memory() > memory:
            return over_memory(memory)
        return None


def over_memory(limit: float) -> str:
    """The reason for killing a worker that holds more than `limit` bytes."""
    return f"held more than {limit / 1e9:g} GB of memory (--max-memory)"


def told(error: AvferError) -> Refused:
    """An error in a form that can be sent."""
    return Refused(type(error).__name__, str(error))


def _error(refused: Refused) -> AvferError:
    """The error that was sent; MissingExtra, whose text is made from parts, comes as its kin."""
    kinds = (errors.DatasetError, errors.MediaError, errors.OutputError, errors.WeightsError)
    kind = {kind.__name__: kind for kind in kinds}.get(refused.kind, ConfigError)
    return kind(refused.message)

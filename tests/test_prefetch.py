"""prefetch: how far a thread runs ahead of its reader."""

import threading
import time
from collections.abc import Generator

import pytest

from avfer.prefetch import MAX_WAITING, MAX_WAITING_BYTES, prefetch
from tests.processes import avfer_threads


@pytest.mark.parametrize(
    ("size", "waiting"), [(0, MAX_WAITING), (MAX_WAITING_BYTES // 4, 4), (2 * MAX_WAITING_BYTES // 3, 1)]
)
def test_items_wait_for_the_reader_within_bounds_of_number_and_bytes(size: int, waiting: int) -> None:
    made = list[int]()

    def numbers() -> Generator[int]:
        for number in range(MAX_WAITING + 4):
            made.append(number)
            yield number

    found = prefetch(numbers(), lambda _: size)
    assert next(found) == 0
    ahead = waiting + 2  # the one that was taken and the one that waits for room
    while len(made) < ahead:  # the thread goes on by itself
        time.sleep(0.001)
    time.sleep(0.1)
    assert len(made) == ahead
    assert list(found) == list(range(1, MAX_WAITING + 4))
    assert avfer_threads() == []


def test_an_item_larger_than_the_bound_waits_alone() -> None:
    found = prefetch((number for number in range(3)), lambda _: 2 * MAX_WAITING_BYTES)
    assert list(found) == [0, 1, 2]
    assert avfer_threads() == []


def test_closing_ends_a_thread_that_waits_for_room() -> None:
    found = prefetch((number for number in range(3)), lambda _: MAX_WAITING_BYTES)
    assert next(found) == 0
    time.sleep(0.1)
    found.close()
    assert avfer_threads() == []


@pytest.mark.parametrize("delay", [None, 0.1])
def test_an_interrupt_while_the_thread_starts_ends_it(monkeypatch: pytest.MonkeyPatch, delay: float | None) -> None:
    start, starters, closed = threading.Thread.start, list[threading.Timer](), list[bool]()

    def numbers() -> Generator[int]:
        try:
            yield from range(3)
        finally:
            closed.append(True)

    def interrupted(thread: threading.Thread) -> None:
        """Start a thread, at once or later, and interrupt the wait for it."""
        monkeypatch.undo()
        if delay is None:
            start(thread)
        else:
            starters.append(threading.Timer(delay, start, [thread]))
            starters[0].start()
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(prefetch(numbers(), lambda _: MAX_WAITING_BYTES))
    assert closed and avfer_threads() == []
    for starter in starters:
        starter.join()

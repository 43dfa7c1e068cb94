"""prefetch: how far a thread runs ahead of its reader."""

import time
from collections.abc import Generator

import pytest

from avfer.prefetch import MAX_READY, prefetch
from tests.processes import avfer_threads


@pytest.mark.parametrize(("large", "ahead"), [(False, MAX_READY + 2), (True, 2)])
def test_the_item_after_a_large_one_is_computed_when_that_one_is_taken(large: bool, ahead: int) -> None:
    made = list[int]()

    def numbers() -> Generator[int]:
        for number in range(MAX_READY + 4):
            made.append(number)
            yield number

    found = prefetch(numbers(), lambda _: large)
    assert next(found) == 0
    while len(made) < ahead:  # the thread goes on by itself
        time.sleep(0.001)
    time.sleep(0.1)
    assert len(made) == ahead
    assert list(found) == list(range(1, MAX_READY + 4))
    assert avfer_threads() == []

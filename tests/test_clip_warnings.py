"""Warnings of clips are collected, also from threads, and shown once with the number of clips."""

import threading
import warnings

import pytest

from avfer.clip_warnings import ClipWarnings, collected_warnings
from avfer.errors import AvferWarning


def test_the_warnings_of_a_block_and_its_threads_are_collected_once_each():
    found: list[str] = []
    with collected_warnings(found):
        for text in ("dark", "loud", "dark"):
            thread = threading.Thread(target=warnings.warn, args=(text, AvferWarning))
            thread.start()
            thread.join(5)
    assert found == ["dark", "loud"]


def test_warnings_of_other_packages_are_not_collected():
    found: list[str] = []
    with pytest.warns(UserWarning, match="theirs"), collected_warnings(found):
        warnings.warn("theirs", UserWarning, stacklevel=1)
    assert found == []


def test_a_line_states_its_clip_or_the_number_of_clips():
    counted = ClipWarnings()
    counted.add("a.mp4", ["dark"])
    counted.add("b.mp4", ["dark", "loud", "loud"])
    assert counted.lines() == ["dark (2 clips; the first is a.mp4)", "loud (b.mp4)"]
    with pytest.warns(AvferWarning) as issued:
        counted.issue()
    assert [str(one.message) for one in issued] == counted.lines()

"""A longer work tells how far it is: bars on a terminal, lines elsewhere, nothing where silence is asked for."""

import io

import pytest
from rich.console import Console

from avfer import progress
from avfer.progress import Work

TOLD = [("features", 1, 2), ("features", 2, 2), ("epoch 1/1", 1, 2), ("epoch 1/1", 2, 2, "loss 0.5")]


def shown(terminal: bool, quiet: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=60, color_system=None)
    with Work(console, quiet) as work:
        for told in TOLD:
            work(*told)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_without_a_terminal_each_part_leaves_one_line():
    assert shown(terminal=False) == "features: 2 done\nepoch 1/1: loss 0.5\n"


def test_a_part_that_takes_long_is_told_now_and_then(monkeypatch):
    monkeypatch.setattr(progress, "SELDOM", -1.0)
    assert shown(terminal=False).splitlines()[0] == "features: 1 of 2"


@pytest.mark.parametrize("line", ["features: 2 done", "epoch 1/1: loss 0.5", "2/2"])
def test_a_terminal_shows_bars_and_the_same_lines(line):
    assert line in shown(terminal=True)


@pytest.mark.parametrize("terminal", [True, False])
def test_silence_is_silent(terminal):
    assert shown(terminal, quiet=True) == ""

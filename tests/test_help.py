"""The help of every command ends with an example that the command line accepts."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from avfer.cli import app


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():  # a group has commands
        yield from commands(inner, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_ends_with_an_example(avfer, path):
    text = " ".join(avfer(*path, "--help").out.split())
    head, _, example = text.rpartition("Example: ")
    assert head and example.startswith(" ".join(["avfer", *path]))
    words = shlex.split(example)[1:]
    inner = next(tuple(words[:count]) for count in (2, 1) if tuple(words[:count]) in COMMANDS)
    options = {name for option in COMMANDS[inner].params for name in option.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_the_help_of_run_says_what_is_mapped_and_not_measured(avfer):
    text = " ".join(avfer("run", "--help").out.split())
    assert "Valence, arousal and action units of the embedded weights are mapped" in text and "not measured" in text

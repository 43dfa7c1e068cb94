"""The help of every command ends with an example that the command line accepts."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from avfer.catalog import NAMES
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


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_has_no_marks_of_its_parser_and_no_cut_sentence(avfer, path):
    text = avfer(*path, "--help").out
    assert not re.search(r"[{<][\w|]+[}>]|\[\[", text.replace("{stem}", ""))
    commands = text.partition("\nCommands:\n")[2].partition("\n\n")[0]
    assert "..." not in commands
    usage = text.splitlines()[0]
    for argument in (one for one in COMMANDS[path].params if one.param_type_name == "argument"):
        assert usage.find(f" {argument.metavar}" if argument.required else f" [{argument.metavar}]") > 0
    assert all(option.help for option in COMMANDS[path].params)


def test_the_help_of_run_and_label_names_their_shared_options_alike(avfer):
    run, label = ({option.name: option.help for option in COMMANDS[(verb,)].params} for verb in ("run", "label"))
    shared = run.keys() & label.keys() - {"output", "overwrite"}
    assert {"sound", "start", "fps", "settings", "device"} < shared
    assert {name: run[name] for name in shared} == {name: label[name] for name in shared}


def test_the_help_of_run_lists_the_formats_and_exporters_of_the_catalog(avfer):
    text = " ".join(avfer("run", "--help").out.split())
    assert f"{', '.join(NAMES['format'])} or package.module:Name" in text
    assert f"{', '.join(NAMES['exporter'])} or package.module:Name" in text


def test_the_help_of_run_says_what_is_mapped_and_not_measured(avfer):
    text = " ".join(avfer("run", "--help").out.split())
    assert "Valence and arousal of the embedded weights are mapped from expressions" in text and "not measured" in text
    assert "Action units, head pose and gaze are measured." in text


@pytest.mark.parametrize("name", ["report", "summarize"])
def test_the_usage_line_says_that_several_tables_can_be_given(avfer, name):
    assert avfer(name, "--help").out.startswith(f"Usage: avfer {name} [OPTIONS] TABLE|DIR...\n")

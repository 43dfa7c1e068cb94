"""What a user sees while a corpus is labelled."""

import io
import json

import pytest
from rich.console import Console

from avfer.labelling.entry import Entry
from avfer.labelling.screen import Bar, JsonLog, Lines, Screen, clock, screen
from tests.labelling.corpora import write_corpus

DONE = {"rows": 7, "seconds": 1.5, "host": "here"}


def entry(name: str) -> Entry:
    return Entry(name, f"/corpus/{name}", 100, 0.0, None)


def told_to(shown: Screen) -> None:
    with shown:
        shown.begin(5, 1, 1, 300)
        shown.done(entry("a.mp4"), DONE)
        shown.lost(entry("b.mp4"), "crashed (SIGSEGV)")
        shown.failed(entry("c.mp4"), "it is empty")


def test_without_a_terminal_there_is_a_line_a_clip():
    text = io.StringIO()
    told_to(Lines(Console(file=text, width=200)))
    lines = text.getvalue().splitlines()
    assert lines[0] == "5 clips: 1 done already, 1 failed before, 3 to do"
    assert lines[1].startswith("[2/5] a.mp4: 7 rows in 1.5 s; ") and lines[1].endswith("0:00:00 left")
    assert lines[2] == "b.mp4: its worker crashed (SIGSEGV); once more later"
    assert lines[3] == "[3/5] c.mp4: failed: it is empty"


def test_on_a_terminal_one_bar_counts_clips_and_failures():
    text = io.StringIO()
    told_to(Bar(Console(file=text, width=120, force_terminal=True)))
    last = text.getvalue()
    assert "3/5" in last and "2 failed" in last and "clips/min" in last


def test_the_json_log_has_one_object_an_event():
    lines: list[str] = []
    told_to(JsonLog(lines.append))
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events] == ["begin", "done", "lost", "failed"]
    assert events[1]["id"] == "a.mp4" and events[1]["rows"] == 7 and events[3]["reason"] == "it is empty"


@pytest.mark.parametrize(
    ("terminal", "quiet", "as_json", "kind"),
    [
        (True, False, False, "Bar"),
        (False, False, False, "Lines"),
        (True, True, False, "Silence"),
        (True, True, True, "JsonLog"),
    ],
)
def test_what_is_shown_fits_the_place(terminal, quiet, as_json, kind):
    console = Console(file=io.StringIO(), force_terminal=terminal)
    assert type(screen(console, quiet, as_json)).__name__ == kind


@pytest.mark.parametrize(("seconds", "told"), [(0, "0:00:00"), (59.6, "0:01:00"), (90061, "25:01:01")])
def test_time_is_told_in_hours_minutes_and_seconds(seconds, told):
    assert clock(seconds) == told


def test_the_command_prints_paths_on_standard_output_alone(avfer, here, steady, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", "a.mp4", "bad.mp4")
    result = avfer("label", steady, "--input", corpus, "--output", tmp_path / "out")
    assert result.code == 3
    assert result.paths == [tmp_path / "out/clips/a.mp4.parquet"]
    assert "1 done, 1 failed, 0 left; why, stands in" in result.err
    again = avfer("label", steady, "--input", corpus, "--output", tmp_path / "out", "--json", "--json-log")
    assert again.code == 3 and json.loads(again.out)["outputs"] == []
    assert json.loads(again.err.splitlines()[0])["event"] == "begin"

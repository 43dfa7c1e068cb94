"""Progress on standard error: bars on a terminal, plain lines elsewhere, JSON lines on request, or nothing."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from avfer import progress
from avfer.progress import (
    CorpusProgress,
    Display,
    JsonLines,
    PlainLines,
    StepProgress,
    hours_minutes_seconds,
    open_display,
    show_progress,
)
from tests.export.tracks import make_track

REPORTS = [("features", 1, 2), ("features", 2, 2), ("epoch 1/1", 1, 2), ("epoch 1/1", 2, 2, "loss 0.5")]


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=terminal, width=120, color_system=None), text


def steps(terminal: bool, quiet: bool = False) -> str:
    """Return what is printed for the two steps of REPORTS."""
    output, text = console(terminal)
    with open_display(output, quiet) as display:
        report = StepProgress(display)
        for arguments in REPORTS:
            report(*arguments)
    return text.getvalue()


def label_five_clips(display: Display) -> None:
    with display:
        corpus = CorpusProgress(display)
        corpus.begin(5, 1, 1, 300)
        corpus.done("a.mp4", 100, 7, 1.5, "here")
        corpus.lost("b.mp4", "crashed (SIGSEGV)")
        corpus.failed("c.mp4", 100, "it is empty")


def test_without_a_terminal_each_step_leaves_one_line():
    assert steps(terminal=False) == "features: 2 done\nepoch 1/1: loss 0.5\n"


def test_without_a_terminal_a_long_step_gets_a_line_now_and_then(monkeypatch):
    monkeypatch.setattr(progress, "LINE_INTERVAL", -1.0)
    assert steps(terminal=False).splitlines()[0] == "features: 1 of 2"


@pytest.mark.parametrize("line", ["features: 2 done", "epoch 1/1: loss 0.5", "2/2"])
def test_a_terminal_shows_bars_and_the_same_lines(line):
    assert line in steps(terminal=True)


def test_a_long_name_leaves_room_for_its_bar():
    output, text = console(terminal=True)
    with open_display(output, quiet=False) as display:
        display.update_bar("long" * 40 + ".mp4", 1.0, 2.0, "25 frames")
    assert "longlong" in text.getvalue() and "━━━━" in text.getvalue() and "25 frames" in text.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_prints_nothing(terminal):
    assert steps(terminal, quiet=True) == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_python_shows_how_far_a_clip_is(monkeypatch, terminal):
    """A bar on a terminal, one line at the end elsewhere; the parts pass through unchanged."""
    output, text = console(terminal)
    monkeypatch.setattr(progress, "Console", lambda stderr: output)
    monkeypatch.setattr(progress, "media_duration", lambda clip: 2.0)
    parts = [make_track([(0, 1)], 5), make_track([(5, 1)], 5, first=5)]
    assert list(show_progress(Path("talk.mp4"), iter(parts))) == parts
    if terminal:
        assert "talk.mp4" in text.getvalue() and "10 frames" in text.getvalue()
    else:
        assert text.getvalue().startswith("talk.mp4: 10 frames in 0.") and text.getvalue().count("\n") == 1


def test_without_a_terminal_a_corpus_has_one_line_for_each_clip():
    output, text = console(terminal=False)
    label_five_clips(PlainLines(output))
    lines = text.getvalue().splitlines()
    assert lines[0] == "5 clips: 1 done already, 1 failed before, 3 to do"
    assert lines[1].startswith("[2/5] a.mp4: 7 rows in 1.5 s; ") and lines[1].endswith("0:00:00 left")
    assert lines[2] == "b.mp4: its worker crashed (SIGSEGV); it will be tried again"
    assert lines[3] == "[3/5] c.mp4: failed: it is empty"


def test_on_a_terminal_one_bar_counts_the_clips_and_failures_of_a_corpus():
    output, text = console(terminal=True)
    label_five_clips(open_display(output, quiet=False, keep_bars=True))
    shown = text.getvalue()
    assert "3/5" in shown and "2 failed" in shown and "clips/min" in shown


def test_the_json_log_has_one_object_for_each_event():
    lines: list[str] = []
    label_five_clips(JsonLines(lines.append))
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events] == ["begin", "done", "lost", "failed"]
    assert all(isinstance(event.pop("time"), float) for event in events)
    assert events[0] == {"event": "begin", "clips": 5, "done": 1, "failed": 1, "bytes_left": 300}
    assert events[1] == {"event": "done", "id": "a.mp4", "rows": 7, "seconds": 1.5, "host": "here"}
    assert events[2] == {"event": "lost", "id": "b.mp4", "reason": "crashed (SIGSEGV)"}
    assert events[3] == {"event": "failed", "id": "c.mp4", "reason": "it is empty"}


@pytest.mark.parametrize(
    ("terminal", "quiet", "json_log", "kind"),
    [
        (True, False, False, "TerminalBars"),
        (False, False, False, "PlainLines"),
        (True, True, False, "Display"),
        (True, True, True, "JsonLines"),
    ],
)
def test_the_display_fits_the_console_and_the_options(terminal, quiet, json_log, kind):
    output, _ = console(terminal)
    assert type(open_display(output, quiet, json_log)).__name__ == kind


@pytest.mark.parametrize(("installed", "kind"), [(True, "TerminalBars"), (False, "PlainLines")])
def test_a_notebook_shows_bars_if_it_has_ipywidgets(monkeypatch, installed, kind):
    monkeypatch.setattr(progress, "find_spec", lambda name: object() if installed and name == "ipywidgets" else None)
    notebook = Console(file=io.StringIO(), force_jupyter=True)
    assert type(open_display(notebook, quiet=False)).__name__ == kind


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00"), (59.6, "0:01:00"), (90061, "25:01:01")])
def test_durations_are_shown_in_hours_minutes_and_seconds(seconds, text):
    assert hours_minutes_seconds(seconds) == text

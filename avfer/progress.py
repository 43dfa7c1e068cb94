"""Progress on standard error: bars on a terminal or in a notebook, plain lines elsewhere, JSON lines, or nothing.

`open_display` returns a display: `TerminalBars`, `PlainLines`, `JsonLines` or the silent `Display`. A reporter writes
to it: `avfer.clip_progress.ClipProgress` for `avfer run` and `avfer evaluate`, `CorpusProgress` for `avfer label`,
`StepProgress` for `avfer train`, `show_progress` for `Pipeline.run`. Library code that only counts steps takes a
`ReportProgress` callable and depends on no display.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from avfer.errors import AvferError, counted

if TYPE_CHECKING:
    from avfer.affect_track import AffectTrack

LINE_INTERVAL = 30.0  # s, least time between two lines about an unfinished step where there is no terminal


class ReportProgress(Protocol):
    """A callable that receives the progress of a computation with several steps."""

    def __call__(self, title: str, done: int, total: int, result: str = "", /) -> None:
        """Report `done` of `total` items of a step; `result` describes a finished step, such as "loss 0.5"."""
        ...


def no_progress(title: str, done: int, total: int, result: str = "", /) -> None:
    """Ignore all progress; the default where a function takes a `ReportProgress`."""


class Display:
    """A silent display, and the base class of the others. Use it as a context manager while messages arrive."""

    shows_bars = False  # whether update_bar draws anything

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def print_line(self, text: str) -> None:
        """Write a line that stays on the screen."""

    def update_bar(
        self, title: str, done: float, total: float | None, text: str = "", show_time_left: bool = True
    ) -> None:
        """Show the bar `title` at `done` of `total` (None: unknown) with `text` behind it.

        show_time_left: whether the display adds its own estimate of the time remaining.
        """

    def remove_bar(self, title: str) -> None:
        """Remove a bar."""

    def log_event(self, event: str, **facts: Any) -> None:
        """Record an event with its facts, for programs that follow the work."""


class JsonLines(Display):
    """One JSON object a line on standard error for each event: `{"time": 1.7e9, "event": "done", "id": ...}`.

    write: takes each line with its line break; None for standard error.
    """

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or sys.stderr.write

    def log_event(self, event: str, **facts: Any) -> None:
        """Write the event with the current time in seconds since 1970."""
        line = {"time": round(time.time(), 3), "event": event, **facts}
        self._write(json.dumps(line, ensure_ascii=False) + "\n")


class PlainLines(Display):
    """Lines of text without bars, for files and pipes.

    console: where the lines are printed.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def print_line(self, text: str) -> None:
        """Print the text as it is: no markup, no line breaks."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class _TimeLeft(TimeRemainingColumn):
    """Shows `0:00:12 left` behind the bars with `show_time_left`."""

    def render(self, task: Task) -> Text:
        return Text.assemble(super().render(task), " left") if task.fields["show_time_left"] else Text()


class TerminalBars(PlainLines):
    """Bars that move on a terminal or in a notebook, with lines above them.

    console: the terminal, or that of a notebook; keep: whether the last state of the bars stays at the end.
    """

    shows_bars = True

    def __init__(self, console: Console, keep: bool) -> None:
        super().__init__(console)
        name = Column(no_wrap=True, max_width=max(16, console.width // 3))  # a long one leaves room for its bar
        self._bars = Progress(
            TextColumn("{task.description}", markup=False, table_column=name),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[text]}", markup=False),
            _TimeLeft(),
            console=console,
            expand=True,
            transient=not keep,
            redirect_stdout=False,  # standard output carries results only
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def update_bar(
        self, title: str, done: float, total: float | None, text: str = "", show_time_left: bool = True
    ) -> None:
        """Show the bar; a bar of unknown length only moves to and fro."""
        if title not in self._tasks:
            self._tasks[title] = self._bars.add_task(title, total=total, text=text, show_time_left=show_time_left)
        self._bars.update(self._tasks[title], completed=done, total=total, text=text, show_time_left=show_time_left)

    def remove_bar(self, title: str) -> None:
        """Remove a bar, if it is there."""
        if title in self._tasks:
            self._bars.remove_task(self._tasks.pop(title))


def open_display(console: Console, quiet: bool, json_log: bool = False, keep_bars: bool = False) -> Display:
    """Return the display for a console: JSON lines if json_log, silence if quiet, else bars where they can move.

    They move on a terminal, and in a notebook with ipywidgets.
    """
    if json_log:
        return JsonLines()
    if quiet:
        return Display()
    moves = console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)
    return TerminalBars(console, keep_bars) if moves else PlainLines(console)


class StepProgress:
    """A `ReportProgress` that shows a bar for the current step and prints a line for each finished one.

    display: where bars and lines are shown.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self._title, self._printed = "", time.monotonic()

    def __call__(self, title: str, done: int, total: int, result: str = "", /) -> None:
        """Show a step; without a terminal an unfinished step gets a line every LINE_INTERVAL seconds at most."""
        if title != self._title:
            self._display.remove_bar(self._title)
            self._title = title
        self._display.update_bar(title, done, total, f"{done}/{total}")
        if done == total:
            self._print(f"{title}: {result or f'{total} done'}")
        elif not self._display.shows_bars and time.monotonic() - self._printed > LINE_INTERVAL:
            self._print(f"{title}: {done} of {total}")

    def _print(self, line: str) -> None:
        self._printed = time.monotonic()
        self._display.print_line(line)


def show_progress(clip: Path, parts: "Iterator[AffectTrack]") -> "Iterator[AffectTrack]":
    """Yield the parts of a clip's result, and show on standard error how far the clip is.

    On a terminal this is a bar that disappears at the end, elsewhere one line at the end.
    """
    start, frames = time.monotonic(), 0
    with open_display(Console(stderr=True), quiet=False) as display:
        duration = media_duration(clip) if display.shows_bars else None
        display.update_bar(clip.name, 0.0, duration, "0 frames")
        for part in parts:
            frames += len(part.clock)
            if len(part.clock):
                display.update_bar(clip.name, float(part.clock.times[-1]), duration, counted(frames, "frame"))
            yield part
        if not display.shows_bars:
            display.print_line(f"{clip.name}: {counted(frames, 'frame')} in {time.monotonic() - start:.1f} s")


def media_duration(clip: Path) -> float | None:
    """Return the duration of a clip in seconds; None if it cannot be read."""
    from avfer.media import probe

    with suppress(AvferError):
        return probe(clip).duration
    return None


class CorpusProgress:
    """Progress of a corpus whose clips finish in any order on several workers.

    The rate counts the clips of this run. The time remaining follows from the bytes of media still to be labelled.

    display: where bars and lines are shown.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self._clips = self._kept = self._finished = self._failures = 0
        self._bytes_left = self._bytes_done = 0
        self._start = time.monotonic()
        display.update_bar("clips", 0, None, "planning", show_time_left=False)

    def begin(self, clips: int, kept: int, failed: int, bytes_left: int) -> None:
        """Report the state before the run: all clips, those done or failed earlier, and the bytes still to do."""
        self._clips, self._kept, self._failures, self._bytes_left = clips, kept, failed, bytes_left
        self._start = time.monotonic()
        self._display.log_event("begin", clips=clips, done=kept, failed=failed, bytes_left=bytes_left)
        counts = f"{kept} done already, {failed} failed before, {clips - kept - failed} to do"
        self._display.print_line(f"{counted(clips, 'clip')}: {counts}")
        self._show("loading the pipeline" if bytes_left else "")

    def done(self, clip: str, size: int, rows: int, seconds: float, host: str) -> None:
        """Report a labelled clip. size: bytes of media; seconds: time that the worker on `host` took."""
        self._count(size)
        self._display.log_event("done", id=clip, rows=rows, seconds=seconds, host=host)
        if not self._display.shows_bars:
            self._display.print_line(f"{self._head(clip)} {counted(rows, 'row')} in {seconds:.1f} s; {self._pace()}")
        self._show(self._pace())

    def failed(self, clip: str, size: int, reason: str) -> None:
        """Report a clip whose table or overlay is missing. size: bytes of media."""
        self._failures += 1
        self._count(size)
        self._display.log_event("failed", id=clip, reason=reason)
        head = clip if self._display.shows_bars else self._head(clip)
        self._display.print_line(f"{head} failed: {reason}")
        self._show(self._pace())

    def lost(self, clip: str, reason: str) -> None:
        """Report that the worker of a clip ended before the clip was done and that the clip will be tried again."""
        self._display.log_event("lost", id=clip, reason=reason)
        self._display.print_line(f"{clip}: its worker {reason}; it will be tried again")

    def _pace(self) -> str:
        """Return `12.3 clips/min, 0:04:10 left`; an empty text before the first clip is done."""
        seconds = time.monotonic() - self._start
        if not self._finished or seconds <= 0:
            return ""
        left = self._bytes_left * seconds / max(self._bytes_done, 1)
        return f"{self._finished / seconds * 60:.1f} clips/min, {hours_minutes_seconds(left)} left"

    def _count(self, size: int) -> None:
        self._finished += 1
        self._bytes_left -= size
        self._bytes_done += size

    def _head(self, clip: str) -> str:
        return f"[{self._kept + self._finished}/{self._clips}] {clip}:"

    def _show(self, text: str) -> None:
        done = self._kept + self._finished
        failures = f"{self._failures} failed" if self._failures else ""
        words = ", ".join(word for word in (text, failures) if word)
        line = f"{done}/{self._clips} {words}".rstrip()
        self._display.update_bar("clips", done, self._clips, line, show_time_left=False)


def hours_minutes_seconds(seconds: float) -> str:
    """Return a duration as hours, minutes and seconds.

    >>> hours_minutes_seconds(3723.2)
    '1:02:03'
    """
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"

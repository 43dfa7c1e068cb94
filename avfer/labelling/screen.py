"""What a user sees of a corpus being labelled: one bar on a terminal, plain lines without one, or JSON lines."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from avfer.labelling.entry import Entry
from avfer.labelling.store import Marker


class Screen(Protocol):
    """Told of everything that happens to the clips."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def begin(self, clips: int, kept: int, failed: int, bytes_left: int) -> None: ...
    def done(self, entry: Entry, marker: Marker) -> None: ...
    def failed(self, entry: Entry, reason: str) -> None: ...
    def lost(self, entry: Entry, reason: str) -> None: ...


def screen(console: Console, quiet: bool, as_json: bool) -> Screen:
    """What fits the place that messages go to."""
    if as_json:
        return JsonLog()
    if quiet:
        return Silence()
    return Bar(console) if console.is_terminal else Lines(console)


class Silence:
    """Tells nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def begin(self, clips: int, kept: int, failed: int, bytes_left: int) -> None: ...
    def done(self, entry: Entry, marker: Marker) -> None: ...
    def failed(self, entry: Entry, reason: str) -> None: ...
    def lost(self, entry: Entry, reason: str) -> None: ...


class JsonLog(Silence):
    """One JSON object a line on standard error for each event."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or sys.stderr.write

    def begin(self, clips: int, kept: int, failed: int, bytes_left: int) -> None:
        self._say("begin", clips=clips, done=kept, failed=failed, bytes_left=bytes_left)

    def done(self, entry: Entry, marker: Marker) -> None:
        self._say("done", id=entry.id, rows=marker["rows"], seconds=marker["seconds"], host=marker["host"])

    def failed(self, entry: Entry, reason: str) -> None:
        self._say("failed", id=entry.id, reason=reason)

    def lost(self, entry: Entry, reason: str) -> None:
        self._say("lost", id=entry.id, reason=reason)

    def _say(self, event: str, **facts: Any) -> None:
        line = {"time": round(time.time(), 3), "event": event, **facts}
        self._write(json.dumps(line, ensure_ascii=False) + "\n")


class Progressing(Silence):
    """Counts clips; rate and time remaining are of this run, the latter by the bytes of the clips."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.clips = self.kept = self.worked = self.failures = 0
        self._bytes_left = self._bytes_done = 0
        self._begun = time.monotonic()

    def begin(self, clips: int, kept: int, failed: int, bytes_left: int) -> None:
        """Tell what was there before."""
        self.clips, self.kept, self.failures, self._bytes_left = clips, kept, failed, bytes_left
        self._begun = time.monotonic()
        told = f"{clips} clips: {kept} done already, {failed} failed before, {clips - kept - failed} to do"
        self._print(told)

    def done(self, entry: Entry, marker: Marker) -> None:
        self._count(entry)

    def failed(self, entry: Entry, reason: str) -> None:
        """Tell at once; the trace stands in failures.jsonl."""
        self.failures += 1
        self._count(entry)

    def lost(self, entry: Entry, reason: str) -> None:
        """Tell of a death that has a second try."""
        self._print(f"{entry.id}: its worker {reason}; once more later")

    @property
    def finished(self) -> int:
        """Clips that need nothing more."""
        return self.kept + self.worked

    def pace(self) -> str:
        """`12.3 clips/min, 0:04:10 left`."""
        seconds = time.monotonic() - self._begun
        if not self.worked or seconds <= 0:
            return ""
        left = self._bytes_left * seconds / max(self._bytes_done, 1)
        return f"{self.worked / seconds * 60:.1f} clips/min, {clock(left)} left"

    def _count(self, entry: Entry) -> None:
        self.worked += 1
        self._bytes_left -= entry.size
        self._bytes_done += entry.size

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class Lines(Progressing):
    """One line a clip."""

    def done(self, entry: Entry, marker: Marker) -> None:
        super().done(entry, marker)
        self._print(f"{self._head(entry)} {marker['rows']} rows in {marker['seconds']:.1f} s; {self.pace()}")

    def failed(self, entry: Entry, reason: str) -> None:
        super().failed(entry, reason)
        self._print(f"{self._head(entry)} failed: {reason}")

    def _head(self, entry: Entry) -> str:
        return f"[{self.finished}/{self.clips}] {entry.id}:"


class Bar(Progressing):
    """One bar for all clips, with the rate, the time remaining and the failures so far."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bars = Progress(
            TextColumn("clips"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            console=console,
            expand=True,
            redirect_stdout=False,  # results stay on standard output
        )
        self._bar = self._bars.add_task("clips", total=None, told="planning")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def begin(self, clips: int, kept: int, failed: int, bytes_left: int) -> None:
        super().begin(clips, kept, failed, bytes_left)
        self._show("loading the pipeline" if bytes_left else "")

    def done(self, entry: Entry, marker: Marker) -> None:
        super().done(entry, marker)
        self._show()

    def failed(self, entry: Entry, reason: str) -> None:
        super().failed(entry, reason)
        self._print(f"{entry.id} failed: {reason}")
        self._show()

    def _show(self, told: str | None = None) -> None:
        told = self.pace() if told is None else told
        told += f", {self.failures} failed" if self.failures else ""
        self._bars.update(self._bar, total=self.clips, completed=self.finished, told=told.removeprefix(", "))


def clock(seconds: float) -> str:
    """`1:02:03`, hours first."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"

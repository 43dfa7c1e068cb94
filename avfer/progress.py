"""What a user sees while clips are worked on: bars on a terminal, one plain line a clip otherwise."""

from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from avfer.errors import AvferError

if TYPE_CHECKING:
    from avfer.affect_track import AffectTrack
    from avfer.jobs import Outcome

SELDOM = 30.0  # s between two lines about one part of a work, where there is no terminal


class Watch(Protocol):
    """Told of every clip and every part of it."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def begin(self, clip: Path) -> None: ...
    def part(self, part: "AffectTrack") -> None: ...
    def end(self, outcome: "Outcome") -> None: ...


def watch(console: Console, clips: int, quiet: bool) -> "Watch":
    """What fits the place that messages go to."""
    if quiet:
        return Silence()
    return Bars(console, clips) if console.is_terminal else Lines(console, clips)


class Silence:
    """Tells nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def begin(self, clip: Path) -> None: ...
    def part(self, part: "AffectTrack") -> None: ...
    def end(self, outcome: "Outcome") -> None: ...


class Lines(Silence):
    """One line for each clip that is done."""

    def __init__(self, console: Console, clips: int) -> None:
        self._console, self._clips, self._count = console, clips, 0

    def end(self, outcome: "Outcome") -> None:
        """Tell how it went; failures are listed at the end of all."""
        self._count += 1
        self._console.print(
            f"[{self._count}/{self._clips}] {outcome.job.clip.name}: {told(outcome)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def told(outcome: "Outcome") -> str:
    """An outcome in a few words."""
    if outcome.error is not None:
        return "failed"
    if outcome.kept or outcome.summary is None:
        return "kept, it was there already (--overwrite makes it anew)"
    rate = outcome.summary.stop / outcome.seconds
    unit = "frames" if outcome.summary.pictures else "rows"
    return f"{outcome.summary.instants} {unit} in {outcome.seconds:.1f} s, {rate:.1f} times real time"


class Bars(Silence):
    """A bar for the clip at work, with frames, speed and the time that is left."""

    def __init__(self, console: Console, clips: int) -> None:
        self._console, self._clips = console, clips
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            _Frames(),
            _Speed(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            expand=True,
            transient=True,
            redirect_stdout=False,  # results stay on standard output
        )
        self._all = self._bars.add_task("clips", total=clips, visible=clips > 1, frames=None)
        self._clip = self._all
        self._frames = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def begin(self, clip: Path) -> None:
        """Show a bar for the clip; where its length is not known the bar only moves."""
        self._frames = 0
        self._clip = self._bars.add_task(clip.name.replace("[", r"\["), total=_duration(clip), frames=0)

    def part(self, part: "AffectTrack") -> None:
        """Move on to the last instant of a part."""
        self._frames += len(part.clock)
        if len(part.clock):
            self._bars.update(self._clip, completed=float(part.clock.times[-1]), frames=self._frames)

    def end(self, outcome: "Outcome") -> None:
        """Leave a line behind in place of the bar."""
        self._bars.remove_task(self._clip)
        self._bars.advance(self._all)
        if self._clips > 1:
            line = f"{outcome.job.clip.name}: {told(outcome)}"
            self._bars.console.print(line, markup=False, highlight=False)


class _Frames(ProgressColumn):
    def render(self, task: Task) -> Text:
        """`1250 frames`; for the clips: `3/12`."""
        frames = task.fields["frames"]
        return Text(f"{int(task.completed)}/{int(task.total or 0)}" if frames is None else f"{frames} frames")


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        """`4.1x`: seconds of the clip in one second."""
        shown = task.fields["frames"] is not None and task.elapsed and task.completed
        return Text(f"{task.completed / task.elapsed:.1f}x" if shown and task.elapsed else "")


def _duration(clip: Path) -> float | None:
    from avfer.media import probe

    with suppress(AvferError):
        return probe(clip).duration
    return None


class Work:
    """A bar for each part of a longer work, and a line when it is done; without a terminal now and then a line."""

    def __init__(self, console: Console, quiet: bool) -> None:
        self._console, self._quiet = console, quiet
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
        )
        self._task = self._bars.add_task("", visible=False)
        self._what, self._told = "", monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._quiet:
            self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bars.live.is_started:
            self._bars.stop()

    def __call__(self, what: str, done: int, total: int, came: str = "", /) -> None:
        """`what` is being done, `done` of `total` by now, and what `came` of it when it is done."""
        if what != self._what:
            self._what = what
            self._bars.reset(self._task, total=total, description=what, visible=True)
        self._bars.update(self._task, completed=done)
        if done == total:
            self._line(f"{what}: {came or f'{total} done'}")
        elif not self._console.is_terminal and monotonic() - self._told > SELDOM:
            self._line(f"{what}: {done} of {total}")

    def _line(self, line: str) -> None:
        self._told = monotonic()
        if not self._quiet:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

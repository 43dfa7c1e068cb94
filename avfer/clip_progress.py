"""Progress of the jobs of `avfer run` and `avfer evaluate`: a bar for the current clip, a line after each."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from avfer.errors import counted
from avfer.export.summary import instants_text
from avfer.progress import Display, media_duration

if TYPE_CHECKING:
    from avfer.affect_track import AffectTrack
    from avfer.jobs import Outcome


class ClipProgress:
    """Progress of a list of clips that are processed one after another, with the speed inside the current clip.

    display: where the bars are drawn.
    """

    def __init__(self, display: Display, clips: int) -> None:
        self._display, self._clips, self._finished = display, clips, 0
        self._title, self._duration, self._frames, self._start = "", None, 0, 0.0
        self._first = 0.0  # s, time of the clip's first instant; not 0 where a part of the clip is read

    def begin(self, clip: Path) -> None:
        """Start a clip. Its duration is only read where a bar shows it."""
        self._title, self._frames, self._start = clip.name, 0, time.monotonic()
        if self._display.shows_bars:
            self._duration = media_duration(clip)
            if self._clips > 1:
                self._display.update_bar("clips", self._finished, self._clips, f"{self._finished}/{self._clips}")
            self._display.update_bar(self._title, 0.0, self._duration, "0 frames")

    def advance(self, part: "AffectTrack") -> None:
        """Move to the last instant of a part of the current clip."""
        self._frames += len(part.clock)
        if len(part.clock):
            seconds = float(part.clock.times[-1])
            if self._frames == len(part.clock):
                self._first = float(part.clock.times[0])
            speed = (seconds - self._first) / max(time.monotonic() - self._start, 1e-9)
            text = f"{counted(self._frames, 'frame')} {speed:.1f}x"
            self._display.update_bar(self._title, seconds, self._duration, text)

    def end(self, outcome: "Outcome") -> None:
        """Finish a clip with a line about its outcome; on a terminal a single clip needs none."""
        self._finished += 1
        line = f"{outcome.job.clip.name}: {outcome_text(outcome)}"
        self._display.remove_bar(self._title)
        if not self._display.shows_bars:
            self._display.print_line(f"[{self._finished}/{self._clips}] {line}")
        elif self._clips > 1:
            self._display.update_bar("clips", self._finished, self._clips, f"{self._finished}/{self._clips}")
            self._display.print_line(line)


def outcome_text(outcome: "Outcome") -> str:
    """Return a few words about an outcome: `1250 frames in 9.8 s, 5.1 times real time`, `failed` or `kept, ...`."""
    if outcome.error is not None:
        return "failed"
    if outcome.kept or outcome.summary is None:
        return "kept, it existed already (--overwrite replaces it)"
    text = f"{instants_text(outcome.summary)} in {outcome.seconds:.1f} s"
    if not outcome.summary.seconds:  # a photograph has no duration
        return text
    return f"{text}, {outcome.summary.seconds / outcome.seconds:.1f} times real time"

"""Progress of the clips of `avfer run`: what the line of a clip says."""

from pathlib import Path

import pyarrow.compute as pc
import pytest

from avfer.clip_progress import ClipProgress, outcome_text
from avfer.export.summary import TableSummary, summarize
from avfer.jobs import Job, Outcome
from tests.export.tracks import TWO_PEOPLE, split

JOB = Job(Path("talk.mp4"), {})


class Bars:
    """A display that records the text of every bar."""

    shows_bars = True

    def __init__(self) -> None:
        self.texts: list[str] = []

    def update_bar(self, name: str, done: float, total: float | None, text: str) -> None:
        self.texts.append(text)


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Outcome(JOB, error="damaged"), "failed"),
        (Outcome(JOB, kept=True), "kept, it existed already (--overwrite replaces it)"),
        (
            Outcome(JOB, seconds=1.0, summary=summarize(TWO_PEOPLE.to_table())),
            "70 frames in 1.0 s, 2.8 times real time",
        ),
        (Outcome(JOB, seconds=1.0, summary=TableSummary(instants=1, has_frames=True, start=0.0)), "1 frame in 1.0 s"),
    ],
)
def test_the_line_of_a_clip_says_how_its_job_ended(outcome, text):
    assert outcome_text(outcome) == text


def test_the_speed_of_a_part_counts_from_its_first_frame(monkeypatch):
    part = summarize(TWO_PEOPLE.to_table().filter(pc.field("frame") >= 49))
    assert outcome_text(Outcome(JOB, seconds=0.4, summary=part)).endswith("2.1 times real time")
    bars, now = Bars(), iter([0.0, 0.4, 0.8])
    monkeypatch.setattr("avfer.clip_progress.time.monotonic", lambda: next(now))
    progress = ClipProgress(bars, 1)  # pyright: ignore[reportArgumentType]
    progress.begin(Path("absent.mp4"))
    for cut in split(TWO_PEOPLE, [49, 60])[1:]:
        progress.advance(cut)
    assert bars.texts == ["0 frames", "11 frames 1.0x", "21 frames 1.0x"]

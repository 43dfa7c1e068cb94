"""One clip on disk to its files on disk: what `avfer run` does for every input."""

import os
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from avfer.errors import AvferError

if TYPE_CHECKING:
    import pyarrow as pa

    from avfer.affect_track import AffectTrack
    from avfer.export.summary import Summary
    from avfer.pipeline import Pipeline


@dataclass(frozen=True)
class Job:
    """A clip and the files wanted of it."""

    clip: Path
    tables: tuple[Path, ...]
    report: Path | None = None
    overlay: Path | None = None
    sound: Path | None = None  # the file of the sound, where it is another one

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All files, the tables first."""
        return (*self.tables, *(path for path in (self.report, self.overlay) if path))


@dataclass
class Outcome:
    """What became of a job."""

    job: Job
    done: list[Path] = field(default_factory=list[Path])  # files that are there now
    kept: bool = False  # they were there before
    error: str | None = None
    note: str | None = None  # what was left out, and why
    seconds: float = 0.0
    summary: "Summary | None" = None


def plan(clip: Path, folder: Path, formats: tuple[str, ...], report: bool, overlay: bool) -> Job:
    """Name the files of a clip after it."""
    return Job(
        clip,
        tuple(folder / f"{clip.stem}.{name}" for name in formats),
        folder / f"{clip.stem}.html" if report else None,
        folder / f"{clip.stem}.overlay.mp4" if overlay else None,
    )


def do(job: Job, pipeline: "Pipeline", overwrite: bool, watch: "Callable[[AffectTrack], None]") -> Outcome:
    """Run the pipeline on a clip and write what is not there yet. A failure is an outcome, not an exception."""
    outcome = Outcome(job)
    if not overwrite and all(path.exists() for path in job.outputs):
        outcome.done, outcome.kept = list(job.outputs), True
        return outcome
    start = time.perf_counter()
    try:
        _write(job, pipeline, overwrite, watch, outcome)
    except AvferError as error:
        _note(outcome, str(error))
    except Exception as error:
        hint = "" if debugging() else " (AVFER_DEBUG=1 shows where)"
        _note(outcome, f"unexpected {type(error).__name__}: {error}{hint}")
    outcome.seconds = time.perf_counter() - start
    return outcome


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return os.environ.get("AVFER_DEBUG", "") not in {"", "0"}


def _note(outcome: Outcome, reason: str) -> None:
    if debugging():
        traceback.print_exc()
    outcome.error = " ".join(reason.split())


def _write(
    job: Job, pipeline: "Pipeline", overwrite: bool, watch: "Callable[[AffectTrack], None]", outcome: Outcome
) -> None:
    import pyarrow as pa

    from avfer.export.summary import Summary
    from avfer.export.table import to_table
    from avfer.export.writer import TableWriter

    wanted = [path for path in job.outputs if overwrite or not path.exists()]
    outcome.done = [path for path in job.outputs if path not in wanted]
    later = [path for path in (job.report, job.overlay) if path in wanted]
    summary, kept = Summary(), list[pa.Table]()
    with ExitStack() as stack, closing(_parts(pipeline, job)) as parts:
        writers = [stack.enter_context(TableWriter(path)) for path in job.tables if path in wanted]
        for part in parts:
            table = to_table(part)
            for writer in writers:
                writer.append(table)
            summary.add(table)
            if later:  # a table is small beside pictures: some 5 MB for half an hour of one face
                kept.append(table)
            watch(part)
    outcome.done = [path for path in job.outputs if path not in later]
    outcome.summary = summary
    if later:
        _draw(job, later, pa.concat_tables(kept), outcome)


def _parts(pipeline: "Pipeline", job: Job) -> "Generator[AffectTrack]":
    yield from pipeline.stream(job.clip, job.sound)


def _draw(job: Job, wanted: list[Path], table: "pa.Table", outcome: Outcome) -> None:
    from avfer.export.overlay import write_overlay
    from avfer.export.report import write_report

    if job.report and job.report in wanted:
        write_report(table, job.report)
        outcome.done.append(job.report)
    if job.overlay and job.overlay in wanted:
        if table["frame"].null_count < len(table):
            write_overlay(job.clip, table, job.overlay)
            outcome.done.append(job.overlay)
        else:
            outcome.note = "no picture was read, so there is no overlay"

"""One clip to its files: run a pipeline over a clip and write the tables, the report and the overlay.

`avfer run` and `avfer evaluate` use `run_job`, which turns a failure into an Outcome; `avfer label` uses
`clip_to_files` itself and adds the columns of the user's manifest.
"""

import time
import traceback
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from avfer.errors import AvferError, debugging, describe_unexpected
from avfer.export import find_exporter, find_format
from avfer.export.summary import TableSummary
from avfer.export.table_writer import TableWriter

if TYPE_CHECKING:  # these import torch
    from avfer.affect_track import AffectTrack
    from avfer.pipeline import Pipeline


@dataclass(frozen=True)
class Job:
    """A clip and the files to make from it. Formats and exporters are names of the catalog or `package.module:Name`."""

    clip: Path
    tables: Mapping[str, Path]  # format -> file: {"parquet": Path("out/clip.parquet")}
    exports: Mapping[str, Path] = field(default_factory=dict[str, Path])  # exporter -> file, made from the whole table
    audio: Path | None = None  # file with the clip's audio, if that is a separate file

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All files, the tables first."""
        return (*self.tables.values(), *self.exports.values())


@dataclass
class ClipResult:
    """What a pipeline found in a clip and which files were written; filled while the clip is processed."""

    summary: TableSummary = field(default_factory=TableSummary)  # counts and means over the rows so far
    duration: float = 0.0  # s, as the container states it, else the time of the last row
    written: list[Path] = field(default_factory=list[Path])  # files that are complete
    skipped: list[str] = field(default_factory=list[str])  # exporters that need frames, where the clip has none


@dataclass
class Outcome:
    """How a job ended."""

    job: Job
    done: list[Path] = field(default_factory=list[Path])  # files that exist now, in the order of job.outputs
    kept: bool = False  # True if all of them existed before and nothing was run
    error: str | None = None  # one line, if the job failed
    note: str | None = None  # which file was left out, and why
    seconds: float = 0.0  # time the job took
    summary: TableSummary | None = None  # None if nothing was run or the job failed before its tables were complete


def plan_job(clip: Path, folder: Path, formats: Sequence[str], exporters: Sequence[str] = ()) -> Job:
    """Return a job whose files lie in `folder` and have the stem of the clip: clip.parquet, clip.html, ...

    Raises ConfigError if a format or an exporter is unknown.
    """
    tables = {name: folder / f"{clip.stem}{find_format(name).suffix}" for name in formats}
    exports = {name: folder / f"{clip.stem}{find_exporter(name).suffix}" for name in exporters}
    return Job(clip, tables, exports)


def clip_to_files(
    job: Job,
    pipeline: "Pipeline",
    result: ClipResult,
    *,
    keep: Collection[Path] = (),
    transform: Callable[[pa.Table], pa.Table] = lambda table: table,
    on_part: "Callable[[AffectTrack], object]" = lambda part: None,
) -> None:
    """Run a pipeline over a clip and write the files of a job; each appears whole or not at all.

    result: filled on the way, so that a caller knows which files exist even if a later one fails.
    keep: files of the job that are not made. transform: changes each part of the table before it is written (the
    number of rows must stay). on_part: called with each part of the result, for progress.

    Raises MediaError if the clip cannot be read, OutputError if a file cannot be written, and whatever error a stage
    of the pipeline raises.
    """
    tables = {name: path for name, path in job.tables.items() if path not in keep}
    exports = {name: path for name, path in job.exports.items() if path not in keep}
    duration, parts = None, list[pa.Table]()
    with ExitStack() as stack, closing(_stream(job, pipeline)) as tracks:
        writers = [stack.enter_context(TableWriter(path, name)) for name, path in tables.items()]
        for track in tracks:
            table = transform(track.to_table())
            for writer in writers:
                writer.append(table)
            result.summary.add(table)
            if exports:  # a table is small compared with frames: about 5 MB for half an hour of one face
                parts.append(table)
            duration = track.source.stream.get("duration") if track.source else None
            on_part(track)
    result.duration = float(str(duration)) if duration else result.summary.stop
    result.written.extend(tables.values())
    if exports:
        _export(job.clip, exports, pa.concat_tables(parts), result)


def run_job(
    job: Job, pipeline: "Pipeline", overwrite: bool, on_part: "Callable[[AffectTrack], object]" = lambda part: None
) -> Outcome:
    """Make the files of a job that do not exist yet (all of them if `overwrite`).

    Errors do not pass through: they become `Outcome.error`, with a traceback on standard error if AVFER_DEBUG is set.
    """
    keep = [] if overwrite else [path for path in job.outputs if path.exists()]
    if len(keep) == len(job.outputs):
        return Outcome(job, done=keep, kept=True)
    outcome, result, start = Outcome(job), ClipResult(), time.perf_counter()
    try:
        clip_to_files(job, pipeline, result, keep=keep, on_part=on_part)
    except Exception as error:
        if debugging():
            traceback.print_exc()
        reason = str(error) if isinstance(error, AvferError) else describe_unexpected(error)
        outcome.error = " ".join(reason.split())
    outcome.seconds = time.perf_counter() - start
    outcome.done = [path for path in job.outputs if path in keep or path in result.written]
    if result.written:
        outcome.summary = result.summary
    if result.skipped:
        outcome.note = f"no frame was decoded, so these were skipped: {', '.join(result.skipped)}"
    return outcome


def _stream(job: Job, pipeline: "Pipeline") -> "Generator[AffectTrack]":
    yield from pipeline.stream(job.clip, job.audio)


def _export(clip: Path, exports: Mapping[str, Path], table: pa.Table, result: ClipResult) -> None:
    """Run the exporters over the whole table, apart from those that need frames where the clip has none."""
    has_frames = table["frame"].null_count < len(table)
    for name, path in exports.items():
        exporter = find_exporter(name)
        if exporter.needs_frames and not has_frames:
            result.skipped.append(name)
            continue
        exporter.write(table, clip, path)
        result.written.append(path)

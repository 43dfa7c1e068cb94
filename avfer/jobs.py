"""One clip to its files: run a pipeline over a clip, write the tables, and make the files of exporters from them.

`avfer run` and `avfer evaluate` use `run_job`, which turns a failure into an Outcome; `avfer label` uses
`clip_to_files` itself.
"""

import time
import traceback
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pyarrow as pa

from avfer import remote
from avfer.baseline import corrected_parts
from avfer.clip_warnings import collected_warnings
from avfer.errors import AvferError, ConfigError, debugging, describe_unexpected
from avfer.export import UsesSound, find_exporter, find_format, metadata_of, output_suffix
from avfer.export.file_records import record_metadata
from avfer.export.privacy import check_numbers_only
from avfer.export.summary import TableSummary
from avfer.export.table_writer import TableWriter, appended
from avfer.inputs import InputFile
from avfer.kept_files import check_kept
from avfer.landmark_tables import LandmarkTables, landmarks_beside
from avfer.local_paths import check_path
from avfer.manifest import with_columns

if TYPE_CHECKING:  # these import torch
    from avfer.affect_track import AffectTrack
    from avfer.pipeline import Pipeline


@dataclass(frozen=True)
class Job:
    """A clip and the files to make from it. Formats and exporters are names of the catalog or `package.module:Name`."""

    clip: Path
    tables: Mapping[str, Path]  # format -> file: {"parquet": Path("out/clip.parquet")}
    exports: Mapping[str, Path] = field(default_factory=dict[str, Path])  # exporter -> file, made from the whole table
    landmarks: Mapping[str, Path] = field(default_factory=dict[str, Path])  # format -> file, if the pipeline adds them
    audio: Path | None = None  # file with the clip's audio, if that is a separate file
    source: str = ""  # path of the clip relative to what the user named; empty: its file name
    url: str | None = None  # of a remote clip; `clip` is then its file name, and `run_job` copies it to a local file
    # Exporter -> its options by name: {"overlay": {"draw": "pose"}}.
    export_options: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])
    # Size and time of a remote clip, in the form of `avfer.provenance_comparison.input_state`.
    state: Mapping[str, object] | None = None
    columns: pa.Table | None = None  # one row: the columns of the user's manifest, repeated in every row of the table

    @property
    def given(self) -> str:
        """The path or URL of the clip, for messages."""
        return self.url or str(self.clip)

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The tables, then the files of the exporters; without the tables of landmarks."""
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
    done: list[Path] = field(default_factory=list[Path])  # files that exist now: of job.outputs, then landmarks
    kept: bool = False  # True if all of them existed before and nothing was run
    error: str | None = None  # one line, if the job failed
    note: str | None = None  # which file was left out, and why
    warnings: list[str] = field(default_factory=list[str])  # of the pipeline on this clip
    seconds: float = 0.0  # time the job took
    summary: TableSummary | None = None  # None if nothing was run or the job failed before its tables were complete


def plan_job(
    clip: Path, folder: Path, formats: Sequence[str], exporters: Sequence[str] = (), name: str | None = None
) -> Job:
    """Return a job whose files lie in `folder`: NAME.parquet, NAME.html, ...

    name: path below the folder without the suffix of a format, "s1/talk"; None: the stem of the clip.
    Raises ConfigError if a format or an exporter is unknown, if two of them would write the same file, or if the name
    of a file would be too long.
    """
    name = clip.stem if name is None else name
    tables = {key: folder / f"{name}{find_format(key).suffix}" for key in formats}
    exports = {key: folder / f"{name}{output_suffix(find_exporter(key), clip)}" for key in exporters}
    _check_files([*tables.items(), *exports.items()])
    return Job(clip, tables, exports, {key: landmarks_beside(path) for key, path in tables.items()})


def _check_files(files: Sequence[tuple[str, Path]]) -> None:
    """Raise ConfigError if two formats or exporters would write the same file, or if a name or path is too long.

    files: (name, file)
    """
    writer: dict[Path, str] = {}
    for name, path in files:
        check_path(path)
        if path in writer:
            raise ConfigError(f"'{writer[path]}' and '{name}' would both write {path}; leave one of them out")
        writer[path] = name


def job_for_input(
    file: InputFile, folder: Path, formats: Sequence[str], exporters: Sequence[str], name: str | None = None
) -> Job:
    """Return the job of a file behind --input, local or remote; the other arguments are those of `plan_job`."""
    url = file.path if remote.is_url(file.path) else None
    clip = Path(PurePosixPath(remote.without_query(file.path)).name if url else file.given)
    state = {"size": file.size, "modified": file.modified, "content": file.content_mark} if url else None
    audio = Path(file.sound) if file.sound else None
    options = {"report": {"video": "none"}} if url else {}  # the copy of a remote clip is deleted after its run
    return replace(
        plan_job(clip, folder, formats, exporters, name),
        audio=audio,
        source=file.id,
        url=url,
        state=state,
        export_options=options,
        columns=file.columns,
    )


def check_existing(jobs: Sequence[Job], pipeline: "Pipeline") -> None:
    """Raise ConfigError if a file of the jobs exists that another pipeline, option, weight file or input made.

    Warns of files of another version of avfer, and of those that do not record what made them.
    """
    for job in jobs:
        kinds = {path: find_format(name) for name, path in job.tables.items()}
        kinds |= {path: find_exporter(name, job.export_options.get(name)) for name, path in job.exports.items()}
        existing = {path: kind for path, kind in kinds.items() if path.exists()}
        if existing:
            wanted = pipeline.expected_provenance(job.clip.name, _input_state(job))
            check_kept(existing, dict.fromkeys(existing, wanted))


def _input_state(job: Job) -> Mapping[str, object]:
    """Return what identifies the input of a job: size and time of the clip, and the columns of the user's manifest."""
    from avfer.provenance_comparison import input_state  # imports torch

    state = job.state if job.state is not None else input_state(job.clip, job.audio)
    if job.columns is None:
        return state
    return {**state, "columns": {name: str(value) for name, value in job.columns.to_pylist()[0].items()}}


def check_no_pictures(jobs: Sequence[Job]) -> None:
    """Raise ConfigError if a job of a pipeline with `numbers_only` would write pictures of its clip to a disk."""
    for job in jobs:
        for name in job.exports:
            check_numbers_only(name, find_exporter(name, job.export_options.get(name)))
        if job.url is not None:
            raise ConfigError(remote_clip_message(job.url))


def remote_clip_message(url: str) -> str:
    """Return the error message for a remote clip in a run with `numbers_only`, which would copy it to this disk."""
    return f"numbers_only: {url} would be copied to this disk while it is read; copy it yourself and name the copy"


def clip_to_files(
    job: Job,
    pipeline: "Pipeline",
    result: ClipResult,
    *,
    keep: Collection[Path] = (),
    on_part: "Callable[[AffectTrack], object]" = lambda part: None,
) -> None:
    """Run a pipeline over a clip and write the files of a job; each appears whole or not at all.

    result: filled on the way, so that a caller knows which files exist even if a later one fails.
    keep: files of the job that are not made. on_part: called with each part of the result, for progress.

    Raises MediaError if the clip cannot be read, OutputError if a file cannot be written, and whatever error a stage
    of the pipeline raises.
    """
    if pipeline.spec.numbers_only:
        check_no_pictures([job])
    tables = {name: path for name, path in job.tables.items() if path not in keep}
    exports = {name: path for name, path in job.exports.items() if path not in keep}
    whole, metadata = None, dict[str, str]()
    with ExitStack() as stack, closing(_parts_with_source(job, pipeline)) as tracks:
        writers = [stack.enter_context(TableWriter(path, name)) for name, path in tables.items()]
        landmarks = LandmarkTables(stack, {name: job.landmarks[name] for name in tables if name in job.landmarks})
        rows = _row_tables(landmarks.write_each(tracks), result, on_part)
        if pipeline.spec.baseline is not None:
            corrected = corrected_parts(rows, pipeline.spec.baseline, job.outputs[0].parent)
            rows = stack.enter_context(closing(corrected))
        for part in rows:
            table = with_columns(part, job.columns)
            metadata = metadata_of(table.schema)
            for writer in writers:
                writer.append(table)
            result.summary.add(table)
            if exports:  # a table is small compared with frames: about 5 MB for half an hour of one face
                whole = appended(whole, table)
    result.duration = result.duration or result.summary.stop
    result.written.extend([*tables.values(), *landmarks.written])
    for name, path in tables.items():
        record_metadata(path, find_format(name), metadata)
    if whole is not None:
        _export(job, exports, whole, result)


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
        with collected_warnings(outcome.warnings), _local_job(job) as local_job:
            if job.columns is not None:  # their values belong to the recorded state, so that later runs compare them
                local_job = replace(local_job, state=_input_state(local_job))
            clip_to_files(local_job, pipeline, result, keep=keep, on_part=on_part)
    except Exception as error:
        if debugging():
            traceback.print_exc()
        reason = str(error) if isinstance(error, AvferError) else describe_unexpected(error)
        outcome.error = " ".join(reason.split())
    outcome.seconds = time.perf_counter() - start
    files = (*job.outputs, *job.landmarks.values())
    outcome.done = [path for path in files if path in keep or path in result.written]
    if result.written:
        outcome.summary = result.summary
    if result.skipped:
        outcome.note = f"no frame was decoded, so these were skipped: {', '.join(result.skipped)}"
    return outcome


def _parts_with_source(job: Job, pipeline: "Pipeline") -> "Generator[AffectTrack]":
    """Yield the parts of the result; their provenance has the path of the clip as the user named it, and its state."""
    for part in pipeline.parts(job.clip, job.audio):
        source = replace(part.source, source=job.source) if part.source else None
        if source and job.state is not None:
            source = replace(source, input=job.state)
        yield replace(part, source=source)


def _row_tables(
    tracks: "Iterator[AffectTrack]", result: ClipResult, on_part: "Callable[[AffectTrack], object]"
) -> Generator[pa.Table]:
    """Yield the table of each part, and store the duration that the container states in `result`."""
    for track in tracks:
        duration = track.source.stream.get("duration") if track.source else None
        result.duration = float(str(duration)) if duration else 0.0
        on_part(track)
        yield track.to_table()


@contextmanager
def _local_job(job: Job) -> Generator[Job]:
    """Yield a job whose clip is a local file; a remote clip is copied for as long as the block runs.

    Errors are those of `remote.local_copy`.
    """
    if job.url is None:
        yield job
        return
    with remote.local_copy(job.url, job.outputs[0].parent) as clip:
        yield replace(job, clip=clip)


def _export(job: Job, exports: Mapping[str, Path], table: pa.Table, result: ClipResult) -> None:
    """Run the exporters over the whole table, apart from those that need frames where the clip has none."""
    has_frames = table["frame"].null_count < len(table)
    for name, path in exports.items():
        exporter = find_exporter(name, job.export_options.get(name))
        if exporter.needs_frames and not has_frames:
            result.skipped.append(name)
            continue
        if job.audio is not None and isinstance(exporter, UsesSound):
            exporter.write_with_sound(table, job.clip, job.audio, path)
        else:
            exporter.write(table, job.clip, path)
        result.written.append(path)
        record_metadata(path, exporter, metadata_of(table.schema))

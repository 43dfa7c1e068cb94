"""The task of a worker: write the table of a clip and then its done marker, or return why that failed.

The order makes a kill at any moment harmless: the table is written to a temporary file, its rows are counted, it is
flushed to the disk and renamed; only then is the marker written in the same way. Without a marker that fits, the next
run labels the clip again. Failures are returned, and the parent process writes their markers, because a worker that
crashes cannot.
"""

import errno
import os
import socket
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import pyarrow as pa
from pyarrow.parquet import ParquetFile, read_metadata

from avfer import __version__, remote
from avfer.atomic import atomic_rename, output_errors
from avfer.clip_warnings import collected_warnings
from avfer.errors import AvferError, ConfigError, OutputError, counted, describe_unexpected
from avfer.export.table_writer import TableWriter
from avfer.jobs import ClipResult, Job, clip_to_files
from avfer.labelling.blurred_overlay import has_overlay, remove_overlay, write_overlay
from avfer.labelling.checked_pipeline import fingerprint
from avfer.labelling.entry import Entry
from avfer.labelling.store import ClipState, Marker, Store, read_marker
from avfer.manifest import with_columns
from avfer.pipeline_config import PipelineSpec
from avfer.sound_files import find_sound

if TYPE_CHECKING:
    from avfer.pipeline import Pipeline

# Write errors that the name of a clip can cause; any other write error concerns the whole folder and ends the run.
NAME_ERRORS = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.ENOTDIR, errno.EISDIR}


@dataclass(frozen=True)
class Failure:
    """Why a clip has no table, or no overlay."""

    reason: str  # one line
    stage: str  # of the pipeline; or fetch, open, write, worker
    trace: str  # traceback, or the last lines of a worker that ended; recorded only if AVFER_DEBUG is set
    warnings: tuple[str, ...] = ()  # of the pipeline before the error


class LabelItem(NamedTuple):
    """An item for a worker: a clip, and by its state whether all of its files or only some are missing."""

    row: int  # of the plan
    entry: Entry
    state: ClipState  # any but DONE


@dataclass(frozen=True)
class LabelTask:
    """The task of every worker: label clips with one pipeline.

    It is pickled and sent to other processes and machines, so it has the text of the pipeline and the path of the
    output folder, which all of them must see; weights are loaded by each worker.
    """

    spec: PipelineSpec  # the pipeline
    device: str  # name, such as "cpu" or "cuda:0"
    fingerprint: str  # of the pipeline, as every worker must find it
    store: Store  # the folder of the labels
    sound: str | None = None  # rule for separate sound files
    threads: int | None = None  # CPU threads that compute at the same time; None: as many as the process has cores
    blur: str | None = None  # "others" or "all": whose faces the overlay blurs; None: no overlay

    def with_device(self, device: str) -> Self:
        """Return the same task for another device."""
        return replace(self, device=device)

    def load(self) -> "Callable[[LabelItem], Marker | Failure]":
        """Load the pipeline and return the function that labels a clip.

        Raises ConfigError if its fingerprint is not that of the run, because weights or avfer differ on this machine.
        """
        from avfer.pipeline import Pipeline

        pipeline = Pipeline(self.spec, self.device, max_threads=self.threads)
        if fingerprint(self.spec, pipeline.files) != self.fingerprint:
            raise ConfigError(
                "weights or avfer differ among the workers, or have changed since the run began; install the same on"
                " every machine and start again"
            )
        return _ClipLabeller(self, pipeline).label


class _ClipLabeller:
    """Labels one clip after another with one pipeline."""

    def __init__(self, task: LabelTask, pipeline: "Pipeline") -> None:
        self._task, self._store, self._pipeline = task, task.store, pipeline

    def label(self, item: LabelItem) -> Marker | Failure:
        """Label a clip and return its done marker with the warnings, or the reason why it has no table.

        Any error of the clip or the pipeline becomes a Failure, apart from those that would concern every clip: raises
        OutputError if the output folder cannot be written (no space left, a read-only file system, ...), and an error
        of a GPU or of lack of memory as it is, which ends this worker; another one then tries the clip again.
        """
        from avfer.devices import device_failed

        _, entry, state = item
        start, found = time.perf_counter(), list[str]()
        try:
            with collected_warnings(found):
                marker = self._complete(entry, state, start)
        except Exception as error:
            if _concerns_folder(error) or device_failed(error):
                raise
            return replace(failure_from(error), warnings=tuple(found))
        return self._mark_done(entry, marker, start) | {"warnings": found}

    def _mark_done(self, entry: Entry, marker: Marker, start: float) -> Marker:
        """Write the done marker of a clip with the time that it took, and return it.   start: of `perf_counter`, s"""
        marker = marker | {"seconds": round(time.perf_counter() - start, 3), "finished": time.time()}
        self._store.mark_done(entry, marker)
        return marker

    def _complete(self, entry: Entry, state: ClipState, start: float) -> Marker:
        """Write what a clip lacks, its table, the columns of the user in it or its overlay; return its done marker.

        A new table is marked as done before its overlay is written, so that it stays if the overlay fails.
        """
        blur, old = self._task.blur, read_marker(self._store.done(entry.id)) or {}
        if state is ClipState.COLUMNS and has_overlay(self._store, old, blur):
            return self._replace_columns(entry, old)
        with self._local_file(entry) as clip:
            if state is ClipState.OVERLAY:
                marker = old
            elif state is ClipState.COLUMNS:
                marker = self._replace_columns(entry, old)
            else:
                marker = self._run_pipeline(entry, clip)
                remove_overlay(self._store, old)
            if blur is None:
                return marker
            if state is not ClipState.OVERLAY:
                self._mark_done(entry, marker, start)
            return marker | write_overlay(self._store, entry, clip, find_sound(self._task.sound, entry.path), blur)

    def _run_pipeline(self, entry: Entry, clip: Path) -> Marker:
        """Run the pipeline, write the table of a clip with the user's columns, and return its done marker.

        clip: the local file of the clip. Keys beside those of `_facts`: rows; bytes of the table; instants (frames or
        ticks); frames, 0 for sound alone, and those with_face; reasons, the number of rows without a face by reason;
        duration in seconds. `label` adds seconds, the time taken, and finished, the time in seconds since 1970.
        """
        result = ClipResult()
        with self._new_table(entry) as part:
            job = Job(
                clip,
                {"parquet": part},
                landmarks={"parquet": self._store.landmarks(entry.id)},
                audio=find_sound(self._task.sound, entry.path),
                source=entry.id,
                columns=entry.columns,
            )
            job = replace(job, state=remote_state(entry)) if remote.is_url(entry.path) else job
            clip_to_files(job, self._pipeline, result)
            size = _checked_size(part, result.summary.rows)
        return {
            **self._facts(entry),
            "rows": result.summary.rows,
            "bytes": size,
            "instants": result.summary.instants,
            "frames": result.summary.instants if result.summary.has_frames else 0,
            "with_face": result.summary.with_face,
            "reasons": dict(result.summary.reasons),
            "duration": result.duration,
        }

    def _replace_columns(self, entry: Entry, old: Marker) -> Marker:
        """Write the table of a labelled clip again, with the same values and the present columns of the user.

        old: its done marker.
        """
        with self._new_table(entry) as part:
            with ParquetFile(self._store.table(entry.id)) as file, TableWriter(part) as writer:
                for batch in file.iter_batches():
                    writer.append(with_columns(pa.Table.from_batches([batch]), entry.columns, old["names"]))
            size = _checked_size(part, old["rows"])
        return old | self._facts(entry) | {"bytes": size}

    def _facts(self, entry: Entry) -> Marker:
        """Return the part of a done marker that does not depend on the values.

        Keys: id; pipeline, its fingerprint; clip, the hash of the content; columns, the hash of the user's columns;
        names, their names; device, host and version of the worker.
        """
        return {
            "id": entry.id,
            "pipeline": self._task.fingerprint,
            "clip": entry.hash,
            "columns": entry.columns_hash,
            "names": entry.columns.column_names if entry.columns else [],
            "device": str(self._pipeline.device),
            "host": socket.gethostname(),
            "version": __version__,
        }

    @contextmanager
    def _new_table(self, entry: Entry) -> Generator[Path]:
        """Yield a temporary path that becomes the clip's table; errors of the pipeline pass through as they are."""
        with atomic_rename(self._store.table(entry.id), folder=self._store.parts) as part:
            yield part

    @contextmanager
    def _local_file(self, entry: Entry) -> Generator[Path]:
        """Yield the clip as a local file; a remote clip is copied for as long as the block runs."""
        if not remote.is_url(entry.path):
            yield Path(entry.path)
            return
        with remote.local_copy(entry.path, self._store.parts) as clip:
            yield clip


def remote_state(entry: Entry) -> dict[str, object]:
    """Return the size and time of a remote clip as its store reports them; those of the copy mean nothing."""
    return {"size": entry.size, "modified": entry.modified, "content": entry.hash}


def failure_from(error: Exception) -> Failure:
    """Return the message of an error in one line, the stage that raised it, and the traceback.

    stage: the name of a stage in the YAML, or the step of the worker: fetch (copy a remote clip), open (read the
    media file), write (write the table). The parent process adds "worker" for a worker that ended.
    """
    from avfer.stage import failing_stage

    reason = str(error) if isinstance(error, AvferError) else describe_unexpected(error)
    trace = "".join(traceback.format_exception(error))
    return Failure(" ".join(reason.split()), failing_stage(error) or _failing_step(error), trace)


def _failing_step(error: Exception) -> str:
    """Return which step failed, for an error that no stage of the pipeline raised."""
    if isinstance(error, OutputError):
        return "write"
    return "fetch" if isinstance(error, remote.FetchError) else "open"


def _concerns_folder(error: Exception) -> bool:
    cause = error.__cause__
    return isinstance(error, OutputError) and isinstance(cause, OSError) and cause.errno not in NAME_ERRORS


def _checked_size(part: Path, rows: int) -> int:
    """Return the size of a table in bytes.

    Raises OutputError if the file does not have as many rows as were written, which happens on failing disks and on
    network file systems that lose data.
    """
    with output_errors(part), part.open("rb") as file:
        found = read_metadata(file).num_rows
        size = os.fstat(file.fileno()).st_size
    if found != rows:
        raise OutputError(f"{part} has {counted(found, 'row')}, expected {rows}; the disk may be failing")
    return size

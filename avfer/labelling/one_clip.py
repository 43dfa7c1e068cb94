"""What a worker does with a clip: its table, then the marker that says so, or the reason why not."""

import errno
import os
import socket
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pyarrow as pa
from pyarrow.parquet import ParquetFile, read_metadata

from avfer import __version__
from avfer.errors import AvferError, ConfigError, MediaError, OutputError
from avfer.atomic import output_error
from avfer.labelling import remote
from avfer.labelling.entry import Entry
from avfer.labelling.recipe import fingerprint
from avfer.labelling.store import Marker, State, Store, read_marker, writing
from avfer.pipeline_config import PipelineSpec

if TYPE_CHECKING:
    from avfer.pipeline import Pipeline

# Faults of a clip's own name; all others of the output are no clip's fault, and end the run.
NAMES = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.ENOTDIR, errno.EISDIR}


@dataclass(frozen=True)
class Failure:
    """Why a clip has no table."""

    reason: str
    stage: str  # of the pipeline; or fetch, open, write, worker
    trace: str


class Order(NamedTuple):
    """A clip for a worker."""

    row: int  # of the plan
    entry: Entry
    state: State  # LEFT or STAMP


@dataclass(frozen=True)
class Labelling:
    """The task of every worker."""

    spec: PipelineSpec
    device: str
    pipeline: str  # fingerprint
    store: Store

    def on(self, device: str) -> Self:
        return replace(self, device=device)

    def load(self) -> "Callable[[Order], Marker | Failure]":
        from avfer.pipeline import Pipeline

        pipeline = Pipeline(self.spec, self.device)
        if fingerprint(self.spec, pipeline.files) != self.pipeline:
            raise ConfigError("weights or avfer differ among the workers, or have changed since the run began")
        return _Desk(self, pipeline).do


class _Desk:
    """One clip after another with one pipeline."""

    def __init__(self, task: Labelling, pipeline: "Pipeline") -> None:
        self._task, self._store, self._pipeline = task, task.store, pipeline

    def do(self, order: Order) -> Marker | Failure:
        """A clip's done marker, or its failure. OutputError where the output folder itself fails."""
        _, entry, state = order
        start = time.perf_counter()
        try:
            marker = self._stamp(entry) if state is State.STAMP else self._label(entry)
        except Exception as error:
            if isinstance(error, OutputError) and _of_the_folder(error):
                raise
            return failure(error)
        marker |= {"seconds": round(time.perf_counter() - start, 3), "finished": time.time()}
        self._store.mark_done(entry, marker)
        return marker

    def _label(self, entry: Entry) -> Marker:
        from avfer.export.summary import TableSummary
        from avfer.export.table_writer import TableWriter

        summary, duration = TableSummary(), None
        with self._here(entry) as clip, self._store.whole(self._store.table(entry.id)) as part:
            with TableWriter(part) as writer, closing(_parts(self._pipeline, clip)) as tracks:
                for track in tracks:
                    table = track.to_table()
                    summary.add(table)
                    writer.append(stamped(table, entry.columns))
                    duration = track.source.stream.get("duration") if track.source else None
            size = _checked(part, writer.rows)
        return {
            **self._told(entry),
            "rows": summary.rows,
            "bytes": size,
            "instants": summary.instants,
            "with_face": summary.with_face,
            "reasons": dict(summary.reasons),
            "duration": duration or summary.stop,
        }

    def _stamp(self, entry: Entry) -> Marker:
        """The same values with the user's columns as they are now."""
        from avfer.export.table_writer import TableWriter

        old = read_marker(self._store.done(entry.id)) or {}
        with self._store.whole(self._store.table(entry.id)) as part:
            with ParquetFile(self._store.table(entry.id)) as file, TableWriter(part) as writer:
                for batch in file.iter_batches():
                    table = pa.Table.from_batches([batch])
                    writer.append(stamped(table.drop_columns(old["names"]), entry.columns))
            size = _checked(part, old["rows"])
        return old | self._told(entry) | {"bytes": size}

    def _told(self, entry: Entry) -> Marker:
        return {
            "id": entry.id,
            "pipeline": self._task.pipeline,
            "clip": entry.hash,
            "columns": entry.columns_hash,
            "names": entry.columns.column_names if entry.columns else [],
            "device": str(self._pipeline.device),
            "host": socket.gethostname(),
            "version": __version__,
        }

    @contextmanager
    def _here(self, entry: Entry) -> Generator[Path]:
        """The clip as a file of this machine; what lies in a store is copied for as long as it is needed."""
        if not remote.is_url(entry.path):
            yield Path(entry.path)
            return
        with writing(self._store.parts):
            self._store.parts.mkdir(parents=True, exist_ok=True)
            folder = TemporaryDirectory(dir=self._store.parts)
        with folder as place:
            yield _fetched(entry.path, Path(place))


def stamped(table: pa.Table, columns: pa.Table | None) -> pa.Table:
    """A table with the user's columns, the same in every row."""
    if columns is None:
        return table
    for field in columns.schema:
        table = table.append_column(field, pa.repeat(columns[field.name][0], len(table)))
    return table


def failure(error: Exception) -> Failure:
    """An error as what is told of it."""
    from avfer.stage import failing_stage

    known = isinstance(error, AvferError)
    reason = str(error) if known else f"unexpected {type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    return Failure(" ".join(reason.split()), failing_stage(error) or _place(error), trace)


def _place(error: Exception) -> str:
    """Where a fault lies that no stage of the pipeline has raised."""
    if isinstance(error, OutputError):
        return "write"
    return "fetch" if isinstance(error, _FetchError) else "open"


class _FetchError(MediaError):
    """A clip that its store does not give."""


def _fetched(url: str, folder: Path) -> Path:
    try:
        return remote.fetch(url, folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise output_error(folder, error) from error
        raise _fetch_error(url, error) from error
    except Exception as error:  # each store has errors of its own
        raise _fetch_error(url, error) from error


def _fetch_error(url: str, error: Exception) -> _FetchError:
    told = " ".join(str(error).split()) or type(error).__name__
    return _FetchError(f"'{url}' cannot be fetched: {told}")


def _of_the_folder(error: OutputError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno not in NAMES


def _parts(pipeline: "Pipeline", clip: Path) -> Generator[Any]:
    yield from pipeline.stream(clip)


def _checked(part: Path, rows: int) -> int:
    """The size of a table in bytes, once its own count of rows has proved right and it is on the disk."""
    with writing(part), part.open("rb") as file:
        found = read_metadata(file).num_rows
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    if found != rows:
        raise OutputError(f"{part} holds {found} rows, not the {rows} that were written; the disk may be failing")
    return size

"""The plan of a corpus on disk: every clip with size, time and content hash, written in bounded memory.

The hash decides whether a clip has changed since it was labelled. To hash a large corpus takes as long as to read it,
so a file whose size and modification time are those of an earlier plan keeps its hash without being read. A separate
sound file is always read: recordings of several microphones have the same size, and often the same time.
"""

import hashlib
import os
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

import pyarrow as pa
from pyarrow.parquet import ParquetFile, ParquetWriter

from avfer.errors import ConfigError, OutputError
from avfer.inputs import InputFile
from avfer.labelling.entry import PLAN_SCHEMA, Entry, check_id, entries_from
from avfer.labelling.store import Store
from avfer.manifest import Manifest

BATCH = 1000  # clips in memory at once while planning
KnownHashes = dict[str, tuple[int, float | None, str]]  # id -> size (bytes), modified (s since 1970), hash


class Plan:
    """The clips of one shard. The table stays packed, about 200 bytes a clip; entries are made when they are read."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, row: int) -> Entry:
        return entries_from(self._table.slice(row, 1))[0]

    def __iter__(self) -> Iterator[Entry]:
        for start in range(0, len(self), BATCH):
            yield from entries_from(self._table.slice(start, BATCH))

    def size(self, row: int) -> int:
        """Return the size of the clip in a row of the plan, in bytes, without making an entry of the row."""
        return self._table["size"][row].as_py()


def write_plan(files: Iterable[InputFile], manifest: Manifest | None, store: Store) -> Plan:
    """Write the plan of the store's shard and read it back.

    A file is only read for its hash if its size or time differs from earlier plans in the store.
    Raises ConfigError if there is no clip at all, or a name that cannot be an id; OutputError if the disk is full.
    """
    known = _known_hashes(store)
    schema = pa.schema([*PLAN_SCHEMA, *manifest.columns.schema]) if manifest else PLAN_SCHEMA
    rows = 0
    own = (file for file in files if store.shard.contains(check_id(file.id)))
    with (
        store.atomic_write(store.plan) as part,
        ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1)), "avfer-hash") as pool,
        ParquetWriter(part, schema) as writer,
    ):
        while batch := list(islice(own, BATCH)):
            writer.write_table(_plan_batch(batch, manifest, known, pool))
            rows += len(batch)
    if not rows and store.shard.count == 1:
        raise ConfigError("--input names no clip")
    return read_plan(store.plan)


def read_plan(path: Path) -> Plan:
    """Return a plan as it was written. Raises OutputError if the file is damaged."""
    with _opened(path) as file:
        return Plan(file.read())


def read_batches(paths: Iterable[Path], schema: pa.Schema | None = None) -> Iterator[tuple[pa.Table, list[Entry]]]:
    """Yield the rows of several plans in batches of BATCH, as a table and as entries; an empty plan is one batch.

    schema: the columns to return; None: those of each plan. A plan of another manifest has other columns of the user:
    those that it lacks are null, and those that are not in the schema are left out.

    Raises OutputError if a file is damaged.
    """
    for path in paths:
        with _opened(path) as file:
            wanted = schema or file.schema_arrow
            if not file.metadata.num_rows:
                yield wanted.empty_table(), []
            for batch in file.iter_batches(BATCH):
                table = _with_schema(batch, wanted)
                yield table, entries_from(table)


@contextmanager
def _opened(path: Path) -> Generator[ParquetFile]:
    """Open a plan. Raises OutputError if it is damaged."""
    try:
        with ParquetFile(path) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise OutputError(f"{path} cannot be read: {reason}; run avfer label again, which rewrites it") from error


def _with_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    """Return the columns of a schema, null where the batch lacks one or has another type."""
    columns = [
        batch[field.name] if field in list(batch.schema) else pa.nulls(len(batch), field.type) for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _known_hashes(store: Store) -> KnownHashes:
    """Return the hashes in earlier plans; the plan of this shard takes precedence over manifest.parquet.

    A damaged plan is left out: this run rewrites it.
    """
    known: KnownHashes = {}
    for path in (store.manifest, store.plan):
        if path.is_file():
            with suppress(OutputError), _opened(path) as file:
                for batch in file.iter_batches(BATCH, columns=["id", "size", "modified", "hash"]):
                    columns = (column.to_pylist() for column in batch.columns)
                    known |= {row[0]: row[1:] for row in zip(*columns, strict=True) if row[3]}
    return known


def _plan_batch(batch: list[InputFile], manifest: Manifest | None, known: KnownHashes, pool: Executor) -> pa.Table:
    """Return the rows of the plan for some files, with the columns of the user's manifest.

    pool: threads that read and hash the files; hashlib releases the interpreter lock meanwhile.
    """
    hashes = list(pool.map(lambda file: _content_hash(file, known), batch))
    table = pa.Table.from_pydict(
        {
            "id": [check_id(file.id) for file in batch],
            "path": [file.path for file in batch],
            "size": [file.size for file in batch],
            "modified": [file.modified for file in batch],
            "hash": hashes,
            "duration": [None] * len(batch),
        },
        PLAN_SCHEMA,
    )
    if manifest and manifest.columns.num_columns:
        columns = pa.concat_tables([file.columns for file in batch if file.columns is not None]).combine_chunks()
        for field, column in zip(columns.schema, columns.columns, strict=True):
            table = table.append_column(field, column)
    return table


def _content_hash(file: InputFile, known: KnownHashes) -> str | None:
    """Return the hash of a clip and its sound file; None if one cannot be read, which then fails in its worker."""
    size, modified, known_hash = known.get(file.id, (-1, None, ""))
    unchanged = (size, modified) == (file.size, file.modified)
    content = file.content_mark or (known_hash.partition("+")[0] if unchanged else "")
    try:
        content = content or f"sha256:{_file_hash(file.path)}"
        return f"{content}+{_file_hash(file.sound)}" if file.sound else content
    except OSError:
        return None


def _file_hash(path: str) -> str:
    with Path(path).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

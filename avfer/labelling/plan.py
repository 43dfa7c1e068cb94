"""Inputs to a plan on disk: every clip with size, time and content hash, in bounded memory."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pyarrow as pa
from pyarrow.parquet import ParquetFile, ParquetWriter

from avfer.errors import ConfigError
from avfer.labelling.entry import PLAN, Entry, check_id, entries_of
from avfer.labelling.manifest import Manifest
from avfer.labelling.sources import Source
from avfer.labelling.store import Store

BATCH = 1000  # clips held at once while planning
Known = dict[str, tuple[int, float | None, str]]  # id -> size, modified, hash


class Plan:
    """The clips of one shard, read from disk row by row."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, row: int) -> Entry:
        return entries_of(self._table.slice(row, 1))[0]

    def __iter__(self) -> Iterator[Entry]:
        for start in range(0, len(self), BATCH):
            yield from entries_of(self._table.slice(start, BATCH))

    def size(self, row: int) -> int:
        """Bytes of a clip."""
        return self._table["size"][row].as_py()


def write_plan(sources: Iterable[Source], manifest: Manifest | None, store: Store) -> Plan:
    """Write the shard's plan and read it back. Only files whose size or time has changed are read for their hash."""
    known = _known(store)
    schema = manifest.schema() if manifest else PLAN
    rows = 0
    mine = (source for source in sources if store.shard.holds(check_id(source.id)))
    with store.whole(store.plan) as part, ThreadPoolExecutor(_readers()) as pool, ParquetWriter(part, schema) as writer:
        while batch := list(islice(mine, BATCH)):
            writer.write_table(_planned(batch, manifest, known, pool))
            rows += len(batch)
    if not rows and store.shard.count == 1:
        raise ConfigError("the input names no clip")
    return read_plan(store.plan)


def read_plan(path: Path) -> Plan:
    """A plan as written: its columns stay packed, some 200 bytes a clip."""
    with ParquetFile(path) as file:
        return Plan(file.read())


def entries(paths: Iterable[Path]) -> Iterator[tuple[pa.Table, list[Entry]]]:
    """The rows of plans in batches, as they stand and as entries."""
    for path in paths:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                table = pa.Table.from_batches([batch])
                yield table, entries_of(table)


def _readers() -> int:
    return min(8, 2 * (os.cpu_count() or 1))


def _known(store: Store) -> Known:
    """What earlier plans have found out."""
    known: Known = {}
    for path in (store.manifest, store.plan):
        if path.is_file():
            with ParquetFile(path) as file:
                for batch in file.iter_batches(BATCH, columns=["id", "size", "modified", "hash"]):
                    columns = (column.to_pylist() for column in batch.columns)
                    known |= {row[0]: row[1:] for row in zip(*columns, strict=True) if row[3]}
    return known


def _planned(batch: list[Source], manifest: Manifest | None, known: Known, pool: Executor) -> pa.Table:
    hashes = list(pool.map(lambda source: _hash(source, known), batch))
    table = pa.Table.from_pydict(
        {
            "id": [check_id(source.id) for source in batch],
            "path": [source.path for source in batch],
            "size": [source.size for source in batch],
            "modified": [source.modified for source in batch],
            "hash": hashes,
            "duration": [None] * len(batch),
        },
        PLAN,
    )
    if manifest:
        own = manifest.columns.take([source.row for source in batch])
        for field, column in zip(own.schema, own.columns, strict=True):
            table = table.append_column(field, column)
    return table


def _hash(source: Source, known: Known) -> str | None:
    """The hash of a clip's content; None where it cannot be read, which its worker will tell."""
    if source.mark:
        return source.mark
    size, modified, content = known.get(source.id, (-1, None, ""))
    if (size, modified) == (source.size, source.modified):
        return content
    try:
        with Path(source.path).open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError:
        return None

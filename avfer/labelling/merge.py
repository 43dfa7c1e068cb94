"""The tables of a corpus as one dataset of large files: `part=0/labels.parquet`, clips in the order of their ids.

Every row has the clip's `id` and the columns of the user's manifest as they are now. Parts can be skipped by the
partition key, and row groups by `id`, whose least and greatest value Parquet keeps.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
from pyarrow.parquet import ParquetFile, ParquetWriter

from avfer.errors import ConfigError, OutputError
from avfer.export.files import hidden
from avfer.labelling.one_clip import stamped
from avfer.labelling.plan import read_plan
from avfer.labelling.status import Corpus
from avfer.labelling.store import State, open_store, read_marker, writing

GROUP = 100_000  # rows of a row group
PART = 2_000_000  # rows after which a new part begins
KEPT = (b"version", b"pipeline", b"pipeline_sha256", b"weights")  # metadata that all clips share


def merge(folder: Path, dataset: Path) -> Corpus:
    """Write the dataset; it appears whole or not at all. Returns what is in it, and what is not.

    Raises ConfigError where `dataset` exists, or where no clip is done.
    """
    store = open_store(folder)
    if dataset.exists():
        raise ConfigError(f"{dataset} exists; give another --output, or take it away first")
    pipeline = (read_marker(store.folder / "run.json") or {}).get("fingerprint", "")
    plan, corpus, rows = read_plan(store.manifest), Corpus(), list[tuple[str, int]]()
    for number, entry in enumerate(plan):
        state, marker = store.state(entry, pipeline)
        done = state in (State.DONE, State.STAMP)
        corpus.count(entry, State.DONE if done else state, marker)
        if done:
            rows.append((entry.id, number))
    if not rows:
        raise ConfigError(f"{folder} has no finished clip to merge")
    part = hidden(dataset)
    try:
        tables = (_table(store.table(plan[row].id), plan[row].id, plan[row].columns) for _, row in sorted(rows))
        with writing(dataset):
            _write(tables, part)
            part.replace(dataset)
    finally:
        with suppress(OSError):
            shutil.rmtree(part)
    return corpus


def _table(path: Path, name: str, columns: pa.Table | None) -> pa.Table:
    """The table of a clip with its id before and the user's columns behind."""
    try:
        with ParquetFile(path) as file:
            table = file.read()
    except (OSError, pa.ArrowException) as error:
        raise OutputError(f"{path} cannot be read: {error}; delete it and label once more") from error
    metadata = table.schema.metadata or {}
    own = [column for column in (columns.column_names if columns else []) if column in table.column_names]
    table = stamped(table.drop_columns(own), columns)
    table = table.add_column(0, pa.field("id", pa.string()), pa.repeat(name, len(table)))
    return table.replace_schema_metadata({key: metadata[key] for key in KEPT if key in metadata})


def _write(tables: Iterator[pa.Table], folder: Path) -> None:
    """Parts of PART rows and more, each cut between two clips. Snappy is read by every build of every reader."""
    groups = _grouped(tables)
    group = next(groups, None)
    number = 0
    while group is not None:
        path = folder / f"part={number}" / "labels.parquet"
        path.parent.mkdir(parents=True)
        rows = 0
        with ParquetWriter(path, group.schema, compression="snappy") as writer:
            while group is not None and rows < PART:
                writer.write_table(_like(group, writer.schema, folder))
                rows += len(group)
                group = next(groups, None)
        number += 1


def _grouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Neighbours put together until they make a group of rows."""
    waiting, rows = list[pa.Table](), 0
    for table in tables:
        waiting.append(table)
        rows += len(table)
        if rows >= GROUP:
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _like(table: pa.Table, schema: pa.Schema, folder: Path) -> pa.Table:
    if table.schema.equals(schema):
        return table
    raise OutputError(f"{folder.name}: the clips have different columns; label them anew with --overwrite")

"""Merge the tables of a corpus into one dataset of large files: `part=0/labels.parquet`, clips ordered by id.

Every row has the clip's `id` and the present columns of the user's manifest. A reader can skip parts by the partition
key, and row groups by `id`, because Parquet stores the minimum and maximum of each group. DuckDB reads the dataset as
`read_parquet('DATASET/*/*.parquet', hive_partitioning=true)`, pandas as `read_parquet('DATASET')`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow.parquet import ParquetFile, ParquetWriter, read_schema

from avfer.atomic import atomic_folder
from avfer.errors import ConfigError, OutputError
from avfer.labelling.entry import Entry
from avfer.labelling.plan import read_plan
from avfer.labelling.status import CorpusStatus
from avfer.labelling.store import ClipState, Store, open_store, read_marker
from avfer.manifest import with_columns

GROUP_ROWS = 100_000  # rows of a row group
PART_ROWS = 2_000_000  # rows after which a new part begins
SHARED_METADATA = (  # equal for all clips
    *(b"version", b"pipeline", b"pipeline_sha256", b"weights", b"au_scale", b"au_baseline"),
)


def merge(folder: Path, dataset: Path, overwrite: bool = False) -> CorpusStatus:
    """Write the dataset, which appears whole or not at all; return which clips it contains and which it does not.

    folder: the output folder of `avfer label`. dataset: the folder to create; clips that failed or are left are
    missing in it. The metadata of the files are those that all clips share: version, pipeline and weights.
    overwrite: replace an earlier dataset of `merge`, which stays as it was until the new one is complete.

    Raises ConfigError if `dataset` exists and may not be replaced, or no clip is done; OutputError if a table is
    damaged, the disk is full, or a run with another pipeline has begun in the meantime.
    """
    store = open_store(folder)
    _check_output(dataset, overwrite)
    fingerprint = store.fingerprint
    plan, rows = read_plan(store.manifest), list[tuple[str, int]]()
    status = CorpusStatus(run=read_marker(store.run_marker) or {})
    for number, entry in enumerate(plan):
        state, marker = store.state(entry, fingerprint)
        done = state in (ClipState.DONE, ClipState.COLUMNS)
        status.count(entry, ClipState.DONE if done else state, marker)
        if done:
            rows.append((entry.id, number))
    if not rows:
        raise ConfigError(f"{folder} has no finished clip to merge")
    tables = (_read_table(store, plan[row]) for _, row in sorted(rows))
    with atomic_folder(dataset, replace=overwrite) as part:
        _write_parts(_checked_columns(tables), part)
        _check_output(dataset, overwrite)  # others may have written there meanwhile
        if store.fingerprint != fingerprint:
            raise OutputError(f"{folder} is being labelled with another pipeline now; merge it when that has ended")
    return status


def _check_output(dataset: Path, overwrite: bool) -> None:
    """Raise ConfigError if something exists at `dataset`, unless it is a merged dataset and `overwrite` is set.

    A dataset that is the current folder cannot be replaced, because the folder would be removed.
    """
    if not (dataset.exists() or dataset.is_symlink()):
        return
    if problem := _foreign_content(dataset):
        raise ConfigError(f"{dataset} exists and is no merged dataset: {problem}; give another --output")
    if Path.cwd().is_relative_to(dataset.resolve()):
        raise ConfigError(f"{dataset} is the current folder or contains it; run the command in another folder")
    if not overwrite:
        raise ConfigError(f"{dataset} exists; give another --output, or use --overwrite to replace it")


def _foreign_content(dataset: Path) -> str | None:
    """Return what in an existing path `merge` has not written; None for a folder that has only merged tables."""
    if dataset.is_symlink() or not dataset.is_dir():
        return "it is a link" if dataset.is_symlink() else "it is a file"
    for path in sorted(dataset.rglob("*")):
        name = path.relative_to(dataset).as_posix()
        is_part = path.is_dir() and re.fullmatch(r"part=\d+", name)
        is_table = re.fullmatch(r"part=\d+/labels\.parquet", name) and _is_merged_table(path)
        if path.is_symlink() or not (is_part or is_table):
            return f"'{name}' in it is no merged table"
    return None


def _is_merged_table(path: Path) -> bool:
    """Return whether a file is a Parquet table with the first column and the metadata of merged tables."""
    try:
        schema = read_schema(path)
    except (OSError, pa.ArrowException):
        return False
    return schema.names[:1] == ["id"] and b"version" in (schema.metadata or {})


def _read_table(store: Store, entry: Entry) -> pa.Table:
    """Return the table of a clip with its id in front and the user's columns behind.

    The columns of the plan replace those in the file, which may be of an earlier manifest. Metadata about the single
    clip, such as its codec, are dropped. Raises OutputError if the file is damaged.
    """
    path, old = store.table(entry.id), read_marker(store.done(entry.id)) or {}
    try:
        with ParquetFile(path) as file:
            table = file.read()
    except (OSError, pa.ArrowException) as error:
        raise OutputError(f"{path} cannot be read: {error}; delete it and label again") from error
    metadata = table.schema.metadata or {}
    table = with_columns(table, entry.columns, old.get("names", []))
    table = table.add_column(0, pa.field("id", pa.string()), pa.repeat(entry.id, len(table)))
    return table.replace_schema_metadata({key: metadata[key] for key in SHARED_METADATA if key in metadata})


def _write_parts(tables: Iterator[pa.Table], folder: Path) -> None:
    """Write files of at least PART_ROWS rows each, cut between clips. Every Parquet reader supports Snappy."""
    groups = _row_groups(tables)
    group = next(groups, None)
    number = 0
    while group is not None:
        path = folder / f"part={number}" / "labels.parquet"
        path.parent.mkdir(parents=True)
        rows = 0
        with ParquetWriter(path, group.schema, compression="snappy") as writer:
            while group is not None and rows < PART_ROWS:
                writer.write_table(group)
                rows += len(group)
                group = next(groups, None)
        number += 1


def _row_groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Concatenate consecutive tables until they have GROUP_ROWS rows."""
    pending, rows = list[pa.Table](), 0
    for table in tables:
        pending.append(table)
        rows += len(table)
        if rows >= GROUP_ROWS:
            yield pa.concat_tables(pending)
            pending, rows = [], 0
    if pending:
        yield pa.concat_tables(pending)


def _checked_columns(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield the tables. Raises OutputError for one whose columns are not those of the first."""
    schema: pa.Schema | None = None
    for table in tables:
        schema = schema or table.schema
        if not table.schema.equals(schema):
            raise OutputError(
                "the clips have different columns and cannot be merged; label them again with --overwrite"
            )
        yield table

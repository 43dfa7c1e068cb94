"""Merge the tables of a corpus into one dataset of large files: `part=0/labels.parquet`, clips ordered by id.

Every row has the clip's `id` and the present columns of the user's manifest. A reader can skip parts by the partition
key, and row groups by `id`, because Parquet stores the minimum and maximum of each group. DuckDB reads the dataset as
`read_parquet('DATASET/*/*.parquet', hive_partitioning=true)`, pandas as `read_parquet('DATASET')`.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow.parquet import ParquetFile, ParquetWriter

from avfer.atomic import atomic_folder
from avfer.errors import ConfigError, OutputError
from avfer.labelling.label_clip import with_columns
from avfer.labelling.plan import read_plan
from avfer.labelling.status import CorpusStatus
from avfer.labelling.store import ClipState, open_store, read_marker

GROUP_ROWS = 100_000  # rows of a row group
PART_ROWS = 2_000_000  # rows after which a new part begins
SHARED_METADATA = (  # equal for all clips
    *(b"version", b"pipeline", b"pipeline_sha256", b"weights", b"au_scale", b"au_baseline"),
)


def merge(folder: Path, dataset: Path) -> CorpusStatus:
    """Write the dataset, which appears whole or not at all; return which clips it contains and which it does not.

    folder: the output folder of `avfer label`. dataset: the folder to create; clips that failed or are left are
    missing in it. The metadata of the files are those that all clips share: version, pipeline and weights.

    Raises ConfigError if `dataset` exists or no clip is done, OutputError if a table is damaged or the disk is full.
    """
    store = open_store(folder)
    if dataset.exists():
        raise ConfigError(f"{dataset} exists; give another --output, or remove it first")
    pipeline = (read_marker(store.run_marker) or {}).get("fingerprint", "")
    plan, status, rows = read_plan(store.manifest), CorpusStatus(), list[tuple[str, int]]()
    for number, entry in enumerate(plan):
        state, marker = store.state(entry, pipeline)
        done = state in (ClipState.DONE, ClipState.COLUMNS)
        status.count(entry, ClipState.DONE if done else state, marker)
        if done:
            rows.append((entry.id, number))
    if not rows:
        raise ConfigError(f"{folder} has no finished clip to merge")
    tables = (_read_table(store.table(plan[row].id), plan[row].id, plan[row].columns) for _, row in sorted(rows))
    with atomic_folder(dataset) as part:
        _write_parts(tables, part)
    return status


def _read_table(path: Path, name: str, columns: pa.Table | None) -> pa.Table:
    """Return the table of a clip with its id in front and the user's columns behind.

    columns: the present ones, a table of one row, which replace those in the file. Metadata about the single clip,
    such as its codec, are dropped. Raises OutputError if the file is damaged.
    """
    try:
        with ParquetFile(path) as file:
            table = file.read()
    except (OSError, pa.ArrowException) as error:
        raise OutputError(f"{path} cannot be read: {error}; delete it and label again") from error
    metadata = table.schema.metadata or {}
    present = [column for column in (columns.column_names if columns else []) if column in table.column_names]
    table = with_columns(table.drop_columns(present), columns)
    table = table.add_column(0, pa.field("id", pa.string()), pa.repeat(name, len(table)))
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
                writer.write_table(_checked_columns(group, writer.schema))
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


def _checked_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table. Raises OutputError if its columns are not those of the dataset."""
    if table.schema.equals(schema):
        return table
    raise OutputError("the clips have different columns and cannot be merged; label them again with --overwrite")

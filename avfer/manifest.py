"""A user's manifest: a table of clips, CSV or Parquet, with a column `path`, optionally `id`, and columns to keep.

    path,subject,age
    s1/talk.mp4,s1,20
    s2/talk.mp4,s2,31

`avfer run` and `avfer label` write subject and age into every row of the clip's table.
The cells of a CSV may be separated by `,`, `;` or a tab.
"""

import csv
import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path

import pyarrow as pa
from pyarrow.csv import ConvertOptions, ParseOptions, read_csv
from pyarrow.parquet import read_table

from avfer import remote
from avfer.errors import AvferWarning, ConfigError, counted, shortened
from avfer.export.column_facts import is_own_column
from avfer.local_paths import check_path
from avfer.yaml_reader import shown

SUFFIXES = (".csv", ".tsv", ".parquet")
TEXT_COLUMNS = ("path", "id")  # read as text, so that the names 007 and NA are no number and no missing value
PANDAS_INDEX = re.compile(r"__index_level_\d+__")  # column of a Parquet file in which pandas keeps the index
# Columns of the plan of `avfer label`, which are reserved as well as those of the tables.
PLAN_COLUMNS = re.compile(r"id|path|size|modified|hash|duration|part|p_.*")


@dataclass(frozen=True)
class Manifest:
    """The content of a manifest with N rows."""

    name: str  # path or URL as the user wrote it
    base: str  # folder or URL that relative paths refer to
    paths: list[str]  # N
    ids: Sequence[str | None]  # N names of the clips; None: named by the path
    columns: pa.Table  # the user's own columns, N rows

    def columns_of(self, row: int) -> pa.Table | None:
        """Return the user's own columns of a clip, a table of one row; None if there is no column."""
        return self.columns.slice(row, 1) if self.columns.num_columns else None


def with_columns(table: pa.Table, columns: pa.Table | None, old: Sequence[str] = ()) -> pa.Table:
    """Return a table of N rows with the user's columns behind its own.

    columns: a table of one row, whose values are repeated in every row with their types; None: no column. old: names of
    columns that an earlier manifest had. Those, and earlier values of `columns`, are left out if the table has them.
    """
    own = dict(zip(columns.schema, columns.columns, strict=True)) if columns is not None else {}
    replaced = {*old, *(field.name for field in own)}
    table = table.drop_columns([name for name in table.column_names if name in replaced])
    for field, column in own.items():
        table = table.append_column(field, pa.repeat(column[0], len(table)))
    return table


def find_manifest(inputs: Sequence[str]) -> Manifest | None:
    """Read the manifest that the inputs name; return None if they name none.

    Raises ConfigError if the manifest cannot be used, or if other inputs are given beside it.
    """
    manifests = [text for text in inputs if text.lower().endswith(SUFFIXES)]
    if manifests and len(inputs) > 1:
        others = len(inputs) - 1
        raise ConfigError(
            f"--input takes one manifest alone, got {manifests[0]} and {others} more; run them separately"
        )
    return read_manifest(manifests[0]) if manifests else None


def read_manifest(text: str) -> Manifest:
    """Read a manifest, local or remote. Of the rows that name one clip the first is used; a warning lists the others.

    Raises ConfigError if it cannot be parsed, has no column `path`, a row without a path, no row at all, or a column
    with a name that avfer fills itself.
    """
    data = remote.read_bytes(text)
    try:
        table = read_table(BytesIO(data)) if text.lower().endswith(".parquet") else _read_csv(data)
        names = table.column_names
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 (byte 0x{error.object[error.start]:02x})"
        raise ConfigError(f"the manifest {text} {problem}; save it again, in a spreadsheet as CSV UTF-8") from error
    except (pa.ArrowException, csv.Error, OSError) as error:
        raise ConfigError(f"the manifest {text} cannot be read: {' '.join(str(error).split())}") from error
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ConfigError(f"the manifest {text} has two columns called {shown(twice[0])}; keep one")
    if "path" not in names:
        raise ConfigError(f"the manifest {text} has no column 'path', but {', '.join(names)}")
    own = table.drop_columns([name for name in names if name in TEXT_COLUMNS or PANDAS_INDEX.fullmatch(name)])
    reserved = [name for name in own.column_names if PLAN_COLUMNS.fullmatch(name) or is_own_column(name)]
    if reserved:
        raise ConfigError(f"the manifest {text} has a column '{reserved[0]}', which avfer fills itself; rename it")
    paths = _texts(table, "path", text)
    if not paths:
        raise ConfigError(f"the manifest {text} has no rows")
    if missing := [row for row, path in enumerate(paths, 1) if not path]:
        raise ConfigError(f"the manifest {text} has a row without a path: row {missing[0]}")
    ids: Sequence[str | None] = _texts(table, "id", text) if "id" in names else [None] * len(paths)
    kept = _first_rows([path for path in paths if path], text)
    own = _without_nesting(own.replace_schema_metadata(None)).take(list(kept.values()))
    return Manifest(text, remote.parent(text), list(kept), [ids[row] for row in kept.values()], own)


def _first_rows(paths: Sequence[str], manifest: str) -> dict[str, int]:
    """Return the different paths with their first rows; warn of rows that name an earlier path again."""
    first: dict[str, int] = {}
    repeated: list[str] = []
    for row, path in enumerate(paths):
        spelled = path if remote.is_url(path) else os.path.normpath(path)
        if first.setdefault(spelled, row) != row:
            repeated.append(f"row {row + 1} ({path})")
    if repeated:
        skipped = f"{shortened(repeated)}; the first row of each clip is used, these are left out"
        warnings.warn(f"the manifest {manifest} names clips again: {skipped}", AvferWarning, stacklevel=2)
    return {paths[row]: row for row in first.values()}


def _read_csv(data: bytes) -> pa.Table:
    """Return the table of a CSV file. A column of whole numbers stays text if one begins with 0, such as subject 007.

    Raises csv.Error or pa.ArrowException if it cannot be parsed, UnicodeDecodeError if it is not UTF-8.
    """
    clean = StringIO()
    csv.writer(clean).writerows(_clean_rows(data.decode("utf-8-sig")))
    encoded = clean.getvalue().encode()
    table = _parsed(encoded, TEXT_COLUMNS)
    names = [column.name for column in table.schema if pa.types.is_integer(column.type)]
    if not names or len(set(table.column_names)) < table.num_columns:
        return table
    texts = _parsed(encoded, names)
    padded = [name for name in names if any(re.match(r"0\d", text) for text in texts[name].to_pylist() if text)]
    return _parsed(encoded, [*TEXT_COLUMNS, *padded]) if padded else table


def _clean_rows(text: str) -> Iterator[list[str]]:
    """Yield the rows of a CSV file, its header first, without blank rows and without blanks around the cells.

    Columns without a name, such as the index that pandas writes, are left out. Raises csv.Error, with the line, for a
    row of another width than the header.
    """
    separator = max(",;\t", key=text.lstrip().partition("\n")[0].count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    header: list[str] = []
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        header = header or cells
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()
        if len(cells) != len(header):
            raise csv.Error(f"line {reader.line_num} has {counted(len(cells), 'cell')}, the header {len(header)}")
        yield [cell for cell, name in zip(cells, header, strict=True) if name]


def _parsed(data: bytes, text_columns: Sequence[str]) -> pa.Table:
    """Return the table of a clean CSV file; some columns are read as text, whatever they look like."""
    types = ConvertOptions(column_types=dict.fromkeys(text_columns, pa.string()))
    return read_csv(BytesIO(data), parse_options=ParseOptions(newlines_in_values=True), convert_options=types)


def _without_nesting(table: pa.Table) -> pa.Table:
    """Return a table whose lists and other nested values are JSON text, which every format of tables can hold."""
    for index, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            texts = [None if cell is None else json.dumps(cell, default=str) for cell in table[index].to_pylist()]
            table = table.set_column(index, field.name, pa.array(texts, pa.string()))
    return table


def _texts(table: pa.Table, name: str, manifest: str) -> list[str | None]:
    """Return a column as N texts. Raises ConfigError, with the first row, for texts that no path can be."""
    try:
        texts: list[str | None] = table[name].cast(pa.string()).to_pylist()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise ConfigError(f"the manifest {manifest}: column '{name}' is not UTF-8 text: {problem}") from error
    for row, cell in enumerate(texts, 1):
        try:
            check_path(Path(cell or "."))
        except ConfigError as error:
            raise ConfigError(f"the manifest {manifest}, row {row}, column '{name}': {error}") from None
    return texts

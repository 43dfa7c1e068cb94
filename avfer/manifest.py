"""A user's manifest: a table of clips, CSV or Parquet, with a column `path`, optionally `id`, and columns to keep.

    path,subject,age
    s1/talk.mp4,s1,20
    s2/talk.mp4,s2,31

`avfer label` writes subject and age into every row of the clip's table; `avfer run` uses the paths only.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pyarrow as pa
from pyarrow.csv import ConvertOptions, read_csv
from pyarrow.parquet import read_table

from avfer import remote
from avfer.errors import ConfigError
from avfer.export.table_reader import is_own_column
from avfer.local_paths import check_path
from avfer.yaml_reader import shown

SUFFIXES = (".csv", ".parquet")
TEXT_COLUMNS = ("path", "id")  # 007 and NA are names, too
PLAN_COLUMNS = re.compile(r"id|path|size|modified|hash|duration|part|p_.*")  # beside those of the tables


@dataclass(frozen=True)
class Manifest:
    """The content of a manifest with N rows."""

    name: str  # path or URL as the user wrote it
    base: str  # folder or URL that relative paths refer to
    paths: list[str]  # N
    ids: Sequence[str | None]  # N names of the clips; None: named by the path
    columns: pa.Table  # the user's own columns, N rows


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
    """Read a manifest, local or remote.

    Raises ConfigError if it cannot be parsed, has no column `path`, a row without a path, no row at all, or a column
    with a name that avfer fills itself.
    """
    data = remote.read_bytes(text)
    try:
        csv = text.lower().endswith(".csv")
        table = _read_csv(data) if csv else read_table(BytesIO(data))
        names = table.column_names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the manifest {text} cannot be read: {' '.join(str(error).split())}") from error
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ConfigError(f"the manifest {text} has two columns called {shown(twice[0])}; keep one")
    if "path" not in names:
        raise ConfigError(f"the manifest {text} has no column 'path', but {', '.join(names)}")
    own = table.drop_columns([name for name in ("path", "id") if name in names])
    reserved = [name for name in own.column_names if PLAN_COLUMNS.fullmatch(name) or is_own_column(name)]
    if reserved:
        raise ConfigError(f"the manifest {text} has a column '{reserved[0]}', which avfer fills itself; rename it")
    paths = _texts(table, "path", text)
    if not paths:
        raise ConfigError(f"the manifest {text} has no rows")
    if missing := [row for row, path in enumerate(paths, 1) if not path]:
        raise ConfigError(f"the manifest {text} has a row without a path: row {missing[0]}")
    ids: Sequence[str | None] = _texts(table, "id", text) if "id" in names else [None] * len(paths)
    base = remote.parent(text)
    return Manifest(text, base, [path for path in paths if path], ids, own.replace_schema_metadata(None))


def _read_csv(data: bytes) -> pa.Table:
    """Return the table of a CSV file. A column of whole numbers stays text if one begins with 0, such as subject 007.

    Raises pa.ArrowException if it cannot be parsed.
    """
    table = read_csv(BytesIO(data), convert_options=_as_text(TEXT_COLUMNS))
    names = [column.name for column in table.schema if pa.types.is_integer(column.type)]
    if not names or len(set(table.column_names)) < table.num_columns:
        return table
    texts = read_csv(BytesIO(data), convert_options=_as_text(names))
    padded = [name for name in names if any(re.match(r"0\d", text) for text in texts[name].to_pylist() if text)]
    return read_csv(BytesIO(data), convert_options=_as_text([*TEXT_COLUMNS, *padded])) if padded else table


def _as_text(names: Sequence[str]) -> ConvertOptions:
    """Return options that read some columns as text."""
    return ConvertOptions(column_types=dict.fromkeys(names, pa.string()))


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

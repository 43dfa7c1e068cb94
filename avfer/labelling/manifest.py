"""A user's own list of clips: CSV or Parquet with a column `path`, perhaps `id`, and columns that are kept."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pyarrow as pa
from pyarrow.csv import read_csv
from pyarrow.parquet import read_table

from avfer.errors import ConfigError
from avfer.labelling import remote
from avfer.labelling.entry import PLAN

ENDINGS = (".csv", ".parquet")
# Names that the tables fill themselves.
OURS = re.compile(
    r"clip|frame|time_s|track|face_(score|[xy][12])|valence|arousal|expression|reason|part|p_.*|au\d\d|"
    + "|".join(PLAN.names)
)


@dataclass(frozen=True)
class Manifest:
    """What a manifest says."""

    name: str  # as the user called it
    base: str  # the folder that its relative paths are seen from
    paths: list[str]
    ids: Sequence[str | None]
    columns: pa.Table  # the user's own, row by row

    def schema(self) -> pa.Schema:
        """The columns of the plan with the user's."""
        return pa.schema([*PLAN, *self.columns.schema])


def is_manifest(text: str) -> bool:
    """Whether an input is a manifest, by its ending."""
    return text.lower().endswith(ENDINGS)


def read_manifest(text: str) -> Manifest:
    """Read a manifest. ConfigError where it is none, or has a column that avfer fills itself."""
    data = remote.read(text)
    try:
        csv = text.lower().endswith(".csv")
        table = read_csv(BytesIO(data)) if csv else read_table(BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"the manifest {text} cannot be read: {' '.join(str(error).split())}") from error
    if "path" not in table.column_names:
        raise ConfigError(f"the manifest {text} has no column 'path', but {', '.join(table.column_names)}")
    own = table.drop_columns([name for name in ("path", "id") if name in table.column_names])
    taken = [name for name in own.column_names if OURS.fullmatch(name)]
    if taken:
        raise ConfigError(f"the manifest {text} has a column '{taken[0]}', which avfer fills itself; rename it")
    paths = _texts(table, "path")
    if None in paths or not paths:
        raise ConfigError(f"the manifest {text} has {'a row without a path' if paths else 'no rows'}")
    base = text.rpartition("/")[0] if remote.is_url(text) else str(Path(text).expanduser().parent)
    ids: Sequence[str | None] = _texts(table, "id") if "id" in table.column_names else [None] * len(paths)
    return Manifest(text, base, [path for path in paths if path], ids, own.replace_schema_metadata(None))


def _texts(table: pa.Table, name: str) -> list[str | None]:
    return table[name].cast(pa.string()).to_pylist()

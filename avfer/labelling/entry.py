"""A clip of a corpus as the plan knows it."""

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa

from avfer.errors import ConfigError

# Columns of the plan, before those of the user's manifest.
PLAN = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),  # absolute, or a URL
        pa.field("size", pa.int64()),  # bytes
        pa.field("modified", pa.float64()),  # s since 1970; null where a store does not tell
        pa.field("hash", pa.string()),  # "sha256:...", or a store's own mark; null where the file cannot be read
        pa.field("duration", pa.float64()),  # s; null until the clip has been labelled
    ]
)


@dataclass(frozen=True)
class Entry:
    """One row of the plan."""

    id: str  # stable name inside the corpus: a relative path with its ending
    path: str
    size: int
    modified: float | None
    hash: str | None
    columns: pa.Table | None = None  # one row: what the user's manifest says of the clip

    @property
    def columns_hash(self) -> str | None:
        """Changes with any value, name or type of the user's columns."""
        if self.columns is None:
            return None
        return hashlib.sha256(repr((self.columns.schema.to_string(), self.columns.to_pylist())).encode()).hexdigest()


def entries_of(table: pa.Table) -> list[Entry]:
    """The entries of a plan's rows."""
    own = table.drop_columns(PLAN.names)
    told = table.select(PLAN.names).drop_columns(["duration"]).to_pylist()
    if not own.num_columns:
        return [Entry(**row) for row in told]
    return [Entry(**row, columns=own.slice(number, 1)) for number, row in enumerate(told)]


def check_id(name: str) -> str:
    """The name of a clip; ConfigError where no file of the output can be called so."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise ConfigError(f"'{name}' cannot name a clip: an id is a relative path without '..'")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"the name of {name!r} is not UTF-8; rename the file") from None
    return str(PurePosixPath(name))

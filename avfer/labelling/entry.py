"""A clip of a corpus as the plan lists it, and the shards that a corpus can be divided into."""

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Self

import pyarrow as pa

from avfer import local_paths
from avfer.errors import ConfigError
from avfer.yaml_reader import shown

MAX_DIGITS = 20  # characters of I/N
MAX_NAME = local_paths.MAX_NAME - len(".parquet")  # bytes of each name in an id
# Columns of the plan; those of the user's manifest follow them.
PLAN_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),  # absolute path, or a URL
        pa.field("size", pa.int64()),  # bytes
        pa.field("modified", pa.float64()),  # s since 1970; null if a remote store does not report it
        pa.field("hash", pa.string()),  # "sha256:..." or the mark of a remote store; null if the file is unreadable
        pa.field("duration", pa.float64()),  # s; null until the clip has been labelled
    ]
)


@dataclass(frozen=True)
class Entry:
    """One row of the plan: a clip, how to find it, and how to notice that it has changed.

    The id names the files of the clip in the output folder, so it stays the same when the corpus is moved.
    """

    id: str  # relative path with suffix, unique in the corpus; names the files of the output folder
    path: str  # absolute path, or a URL
    size: int  # bytes
    modified: float | None  # s since 1970
    hash: str | None  # "sha256:..." or the mark of a remote store; None if the clip is unreadable
    columns: pa.Table | None = None  # one row: the user's columns for this clip

    @property
    def columns_hash(self) -> str | None:
        """A hash that changes with any value, name or type of the user's columns; None without columns."""
        if self.columns is None:
            return None
        return hashlib.sha256(repr((self.columns.schema.to_string(), self.columns.to_pylist())).encode()).hexdigest()


def entries_from(table: pa.Table) -> list[Entry]:
    """Return the rows of a plan, a table of PLAN_SCHEMA with the user's columns behind, as entries in their order."""
    columns = table.drop_columns(PLAN_SCHEMA.names)
    rows = table.select(PLAN_SCHEMA.names).drop_columns(["duration"]).to_pylist()
    if not columns.num_columns:
        return [Entry(**row) for row in rows]
    return [Entry(**row, columns=columns.slice(number, 1)) for number, row in enumerate(rows)]


def check_id(name: str) -> str:
    """Return the id of a clip in its normal form.

    Raises ConfigError if files named by it could lie outside the output folder, if it is not valid UTF-8, or if a name
    in it is too long for the files of the output folder.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise ConfigError(f"'{name}' cannot name a clip: an id must be a relative path without '..'")
    try:
        longest = max(parts, key=lambda part: len(part.encode()))
    except UnicodeEncodeError:
        raise ConfigError(f"the name of {name!r} is not UTF-8; rename the file") from None
    if (size := len(longest.encode())) > MAX_NAME:
        problem = f"the name {shown(longest)} has {size} bytes, and labels take at most {MAX_NAME}"
        raise ConfigError(f"{problem}; rename the file, or name the clip in the column 'id' of a manifest")
    return str(PurePosixPath(name))


@dataclass(frozen=True)
class Shard:
    """A share of a corpus: the clips whose hashed id falls into it. `Shard(2, 3)` is the second of three.

    Which clips these are depends on their ids only, so machines can label the shards of a corpus independently.
    """

    index: int = 1  # from 1 to count
    count: int = 1  # number of shares

    def __str__(self) -> str:
        return f"{self.index}-of-{self.count}"

    def contains(self, name: str) -> bool:
        """Return whether the clip with this id belongs to the shard; every clip belongs to exactly one of `count`."""
        return self == Shard.of(name, self.count)

    @classmethod
    def of(cls, name: str, count: int) -> Self:
        """Return the shard to which the clip with this id belongs if the corpus is divided into `count`."""
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        return cls(number % count + 1, count)

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Return the shard written as "2/3"; the whole corpus for None. Raises ConfigError for any other text.

        >>> str(Shard.parse("2/3"))
        '2-of-3'
        """
        if text is None:
            return cls()
        index, slash, count = text.partition("/")
        numbers = slash and index.isdecimal() and count.isdecimal() and len(text) < MAX_DIGITS
        if not numbers or not 1 <= int(index) <= int(count):
            raise ConfigError(f"--shard: must be I/N with 1 <= I <= N, got '{text}'")
        return cls(int(index), int(count))

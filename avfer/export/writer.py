"""A table on disk, written part by part in bounded memory; it appears whole or not at all."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

import pyarrow as pa
from pyarrow.csv import CSVWriter
from pyarrow.parquet import ParquetWriter

from avfer.affect_track import AffectTrack
from avfer.errors import OutputError
from avfer.export.files import check_format, hidden, output_error
from avfer.export.table import to_table

ROWS = 8192  # written at once, whatever the parts were, so that the bytes do not depend on them


class _Sink(Protocol):
    """What puts tables into an open file."""

    def write(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


class _Parquet:
    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._writer = ParquetWriter(file, schema, compression="zstd")

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=ROWS)

    def close(self) -> None:
        self._writer.close()


class _Csv:
    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._writer = CSVWriter(file, schema)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()


class _JsonLines:
    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._file = file

    def write(self, table: pa.Table) -> None:
        columns = [_short(column) for column in table.columns]
        rows = pa.Table.from_arrays(columns, names=table.column_names).to_pylist()
        self._file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())

    def close(self) -> None:
        pass


def _short(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Single precision with the few digits that name it (0.3, not 0.30000001192092896)."""
    return column.cast(pa.string()).cast(pa.float64()) if column.type == pa.float32() else column


SINKS: dict[str, Callable[[BinaryIO, pa.Schema], _Sink]] = {"parquet": _Parquet, "csv": _Csv, "jsonl": _JsonLines}


class TableWriter:
    """Append parts of one clip to a file: `with TableWriter(path) as writer: writer.append(part)`.

    The rows go to a hidden file beside, which takes the name at the end and is removed on any error.
    """

    def __init__(self, path: Path, format: str | None = None) -> None:  # noqa: A002
        self.path = path
        self.rows = 0
        self._make = SINKS[check_format(format or path.suffix.removeprefix("."))]
        self._part = hidden(path)
        self._file: BinaryIO | None = None
        self._sink: _Sink | None = None
        self._waiting: pa.Table | None = None

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("wb")
        except OSError as error:
            raise output_error(self.path, error) from error
        return self

    def append(self, part: AffectTrack | pa.Table) -> None:
        """Add the rows of a part; full groups go to disk."""
        table = to_table(part) if isinstance(part, AffectTrack) else part
        self.rows += len(table)
        waiting = table if self._waiting is None else pa.concat_tables([self._waiting, table])
        try:
            while len(waiting) >= ROWS:
                self._write(waiting.slice(0, ROWS))
                waiting = waiting.slice(ROWS)
        except OSError as error:
            raise output_error(self.path, error) from error
        self._waiting = waiting

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        except OSError as failure:
            raise output_error(self.path, failure) from failure
        finally:
            self._discard()

    def _write(self, table: pa.Table) -> None:
        assert self._file is not None
        if self._sink is None:
            self._sink = self._make(self._file, table.schema)
        self._sink.write(table.combine_chunks())

    def _finish(self) -> None:
        if self._waiting is None:
            raise OutputError(f"{self.path} is not written: there were no rows at all")
        if len(self._waiting) or self._sink is None:
            self._write(self._waiting)
        assert self._sink is not None and self._file is not None
        self._sink.close()
        self._file.close()
        self._part.replace(self.path)

    def _discard(self) -> None:
        """Leave nothing behind; after success there is nothing."""
        for opened in (self._sink, self._file):
            if opened is not None:
                with suppress(OSError, ValueError, pa.ArrowException):
                    opened.close()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)


def save(track: AffectTrack, path: Path) -> Path:
    """Write a whole result to one file; the format is the file's ending."""
    with TableWriter(path) as writer:
        writer.append(track)
    return path

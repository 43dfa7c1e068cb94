"""Write the table of one clip part by part, in bounded memory; the file appears whole or not at all."""

from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa

from avfer.atomic import atomic_rename, output_errors
from avfer.errors import OutputError
from avfer.export import TableFormat, find_format

MAX_PIECES = 64  # of a table that grows; each takes about 1 kB for each column, whatever its number of rows
ROWS_PER_WRITE = 8192  # whatever the size of the parts, so that the bytes of the file do not depend on it


class TableWriter:
    """A table on disk that grows part by part.

    The rows go to a temporary file beside `path`, which is renamed at the end and removed on any error; an existing
    file is replaced only then. At most ROWS_PER_WRITE rows and one part are in memory. All parts have the schema of the
    first.

    Example: `with TableWriter(Path("a.parquet")) as writer: writer.append(track.to_table())`.
    """

    def __init__(self, path: Path, format: str | None = None) -> None:  # noqa: A002
        """Prepare a writer for `path`.

        format: "parquet", "csv", "jsonl" or `package.module:Name`; by default the suffix of `path` without its dot.
        Raises ConfigError if the format is unknown or its class lacks a member of TableFormat.
        """
        self.path = path
        self.rows = 0  # appended so far
        self._format = find_format(format or path.suffix.removeprefix("."))
        self._open = ExitStack()  # renames or removes the temporary file
        self._file: BinaryIO | None = None
        self._encoder: TableFormat | None = None
        self._pending: pa.Table | None = None  # fewer than ROWS_PER_WRITE rows

    def __enter__(self) -> Self:
        with ExitStack() as stack, output_errors(self.path):
            part = stack.enter_context(atomic_rename(self.path))
            self._file = part.open("wb")
            stack.callback(self._close_quietly)
            self._open = stack.pop_all()
        return self

    def append(self, table: pa.Table) -> None:
        """Add the rows of a table; full groups of ROWS_PER_WRITE rows go to the disk.

        Raises OutputError if they cannot be written. Leaving the `with` block raises it too if nothing was appended.
        """
        self.rows += len(table)
        pending = appended(self._pending, table)
        with output_errors(self.path):
            while len(pending) >= ROWS_PER_WRITE:
                self._write(pending.slice(0, ROWS_PER_WRITE))
                pending = pending.slice(ROWS_PER_WRITE)
        self._pending = pending

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            with self._open, output_errors(self.path):
                self._finish()
        else:
            self._open.__exit__(kind, error, trace)

    def _write(self, table: pa.Table) -> None:
        """Encode rows; the first call creates the encoder, as it needs the schema."""
        assert self._file is not None
        if self._encoder is None:
            self._encoder = self._format(self._file, table.schema)
        self._encoder.write(table.combine_chunks())

    def _finish(self) -> None:
        """Write the remaining rows and close the file."""
        if self._pending is None:
            raise OutputError(f"{self.path} was not written: the pipeline returned no rows")
        if len(self._pending) or self._encoder is None:
            self._write(self._pending)
        assert self._encoder is not None and self._file is not None
        self._encoder.close()
        self._file.close()

    def _close_quietly(self) -> None:
        """Close what an error left open."""
        for opened in (self._encoder, self._file):
            if opened is not None:
                with suppress(OSError, ValueError, pa.ArrowException):
                    opened.close()


def appended(table: pa.Table | None, part: pa.Table) -> pa.Table:
    """Return the rows of both tables as one table of at most MAX_PIECES pieces; `table` is None at the beginning."""
    whole = part if table is None else pa.concat_tables([table, part])
    pieces = whole.column(0).num_chunks if whole.num_columns else 0
    return whole if pieces <= MAX_PIECES else whole.combine_chunks()

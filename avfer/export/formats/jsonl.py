"""JSON lines: one object for each row; a missing value is null. The metadata of the schema is not kept.

Dates and times in columns of the user's own manifest become text: "2024-03-01 10:00:00".
"""

import json
from typing import BinaryIO

import pyarrow as pa


class JsonLinesFormat:
    """Encodes a table as JSON lines in UTF-8.

    file: opened for writing bytes; schema: of every table that is written, not used.
    """

    suffix = ".jsonl"

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._file = file

    def write(self, table: pa.Table) -> None:
        """Append one line for each row."""
        columns = [_shortest(column) for column in table.columns]
        rows = pa.Table.from_arrays(columns, names=table.column_names).to_pylist()
        self._file.write("".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows).encode())

    def close(self) -> None:
        """Do nothing: every row is written at once."""


def _shortest(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give float32 numbers the fewest digits that identify them: 0.3 instead of 0.30000001192092896."""
    return column.cast(pa.string()).cast(pa.float64()) if column.type == pa.float32() else column

"""CSV with a header line; a missing value is an empty cell. The metadata of the schema is not kept."""

from typing import BinaryIO

import pyarrow as pa
from pyarrow.csv import CSVWriter


class CsvFormat:
    """Encodes a table as comma-separated values in UTF-8.

    file: opened for writing bytes; schema: of every table that is written.
    """

    suffix = ".csv"

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._writer = CSVWriter(file, schema)

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        self._writer.write_table(table)

    def close(self) -> None:
        """Write what is buffered."""
        self._writer.close()

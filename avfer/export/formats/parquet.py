"""Parquet: typed columns with nulls, compressed with zstd; the metadata of the schema is kept."""

from typing import BinaryIO

import pyarrow as pa
from pyarrow.parquet import ParquetWriter


class ParquetFormat:
    """Encodes a table as Parquet, one row group for each call of `write`."""

    suffix = ".parquet"

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._writer = ParquetWriter(file, schema, compression="zstd")

    def write(self, table: pa.Table) -> None:
        """Append one row group."""
        self._writer.write_table(table)

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()

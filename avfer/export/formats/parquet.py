"""Parquet: typed columns with nulls, compressed with zstd; the metadata of the schema is kept."""

from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from pyarrow.parquet import ParquetWriter, read_schema

from avfer.export import metadata_of


class ParquetFormat:
    """Encodes a table as Parquet, one row group for each call of `write`.

    file: opened for writing bytes; schema: of every table that is written, with the metadata.
    """

    suffix = ".parquet"

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._writer = ParquetWriter(file, schema, compression="zstd")

    @staticmethod
    def read_metadata(path: Path) -> dict[str, str]:
        """Return the metadata of a table, empty if the file is damaged or no Parquet."""
        try:
            return metadata_of(read_schema(path))
        except (OSError, ValueError):
            return {}

    def write(self, table: pa.Table) -> None:
        """Append one row group."""
        self._writer.write_table(table)

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()

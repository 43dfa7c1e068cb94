"""The table as delimited text for spreadsheets: delimiter and decimal mark by choice, and no cell that is a formula."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa

from avfer.atomic import atomic_write
from avfer.errors import ConfigError
from avfer.export.text_cells import column_cells, write_cells

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
DECIMALS = {"point": ".", "comma": ","}


@dataclass
class CsvTable:
    """Exporter "csv": all columns and rows of the table; `--set delimiter=semicolon --set decimal=comma` for Excel.

    With a decimal comma, the file begins with a byte order mark, by which Excel knows that it is UTF-8.
    A missing value is an empty cell. `avfer run --format csv` writes the plain table, which avfer reads back.
    Raises ConfigError if both options are "comma".
    """

    delimiter: Literal["comma", "semicolon", "tab"] = "comma"
    decimal: Literal["point", "comma"] = "point"
    suffix: ClassVar[str] = ".csv"
    needs_frames: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.delimiter == self.decimal:
            raise ConfigError("decimal: a comma needs another delimiter; add --set delimiter=semicolon")

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write the table; the clip is not read. Raises OutputError if the file cannot be written."""
        decimal = DECIMALS[self.decimal]
        with atomic_write(path) as part:
            cells = (column_cells(column, decimal=decimal) for column in table.columns)
            write_cells(part, table.column_names, cells, DELIMITERS[self.delimiter], mark=self.decimal == "comma")

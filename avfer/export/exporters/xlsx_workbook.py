"""An Excel workbook: the table, what its columns mean, and what made it. Needs XlsxWriter (`avfer[xlsx]`)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from avfer.atomic import atomic_write
from avfer.errors import ConfigError, MissingExtra
from avfer.export import metadata_of
from avfer.export.column_facts import NOT_AN_INTENSITY, SCALES, action_unit_scale, describe_column
from avfer.export.text_cells import number_cell

MAX_ROWS = 1_048_575  # of Excel, without the header
MAX_TEXT = 32_767  # characters of a cell of Excel
PLAIN = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
ABOUT = ("clip", "version", "pipeline_name", "pipeline_sha256", "device", "au_scale")  # keys of the metadata


@dataclass
class XlsxWorkbook:
    """Exporter "xlsx": sheets "table", "columns" and "about". A missing value is an empty cell, and text is never a
    formula or a link.
    """

    suffix: ClassVar[str] = ".xlsx"
    needs_frames: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Raise MissingExtra without XlsxWriter: before a clip is analysed, not after it."""
        if find_spec("xlsxwriter") is None:
            raise MissingExtra("export xlsx", "XlsxWriter", "xlsx")

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write the workbook; the clip is not read.

        Raises ConfigError for more rows than Excel takes, OutputError if writing fails.
        """
        from xlsxwriter import Workbook

        if len(table) > MAX_ROWS:
            raise ConfigError(f"the table has {len(table)} rows, and Excel takes {MAX_ROWS}; export csv instead")
        scale = action_unit_scale(table)
        metadata = metadata_of(table.schema)
        with atomic_write(path) as part, Workbook(part, PLAIN) as book:
            book.set_properties({"created": datetime(2000, 1, 1, tzinfo=UTC)})  # equal values give equal bytes
            _write_rows(book.add_worksheet("table"), table.column_names, zip(*map(_values, table.columns), strict=True))
            facts = [(name, describe_column(name, scale)) for name in table.column_names]
            rows = [(name, one.label, one.unit, one.low, one.high) for name, one in facts]
            _write_rows(book.add_worksheet("columns"), ("column", "meaning", "unit", "minimum", "maximum"), rows)
            about = [(key, metadata[key]) for key in ABOUT if key in metadata]
            about.append(("action units", f"{SCALES[scale]}. {NOT_AN_INTENSITY}."))
            _write_rows(book.add_worksheet("about"), ("what", "value"), about)


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Return the values of a column as Python objects; float32 numbers as the shortest decimals, as in CSV."""
    if column.type == pa.float32():
        return [None if value is None else float(number_cell(value, "nan")) for value in column.to_pylist()]
    return column.to_pylist()


def _write_rows(sheet: Any, header: Any, rows: Any) -> None:
    """Write a header and rows of values into a sheet, and freeze the header."""
    sheet.freeze_panes(1, 0)
    for number, row in enumerate([header, *rows]):
        for column, value in enumerate(row):
            if isinstance(value, bool):
                sheet.write_boolean(number, column, value)
            elif isinstance(value, int | float) and np.isfinite(value):
                sheet.write_number(number, column, value)
            elif value is not None and value == value:  # NaN differs from itself, and is missing
                sheet.write_string(number, column, str(value)[:MAX_TEXT])

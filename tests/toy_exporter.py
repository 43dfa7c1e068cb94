"""Exporters from outside avfer: `tests.toy_exporter:CountRows` and `tests.toy_exporter:FailingExporter`."""

from pathlib import Path

import pyarrow as pa

from avfer.atomic import atomic_write
from avfer.errors import OutputError


class CountRows:
    """Writes the number of rows of the table and the name of the clip."""

    suffix = ".rows.txt"
    needs_frames = True

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        with atomic_write(path) as part:
            part.write_text(f"{clip.name} {len(table)}")


class FailingExporter:
    """Raises an error instead of writing."""

    suffix = ".never"
    needs_frames = False

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        raise OutputError(f"{path} cannot be written: toy error")

"""What a run left in its output folder."""

from pathlib import Path

import pyarrow.parquet

FRAMES = 12  # of the clip of the tests


def rows(path: Path) -> int:
    return pyarrow.parquet.read_table(path).num_rows


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")] if folder.exists() else []

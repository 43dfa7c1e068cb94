"""The segments of each person as CSV: smiles, blinks, expressions, and the rules that found them in a JSON beside."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from avfer.atomic import atomic_write
from avfer.export import beside
from avfer.export.person_rows import column_numbers
from avfer.export.table_segments import EVENTS, EventKind, parameters, segment_table
from avfer.export.text_cells import column_cells, number_cells, time_cell, write_cells

TIMES = ("start_s", "stop_s", "duration_s", "peak_s")  # columns rounded as times
VALUES = ("mean", "peak")  # columns rounded to the digits of float32, which is the type of what they summarize


@dataclass
class SegmentList:
    """Exporter "segments": the columns of `segment_table`, one row each; times are rounded to 1 microsecond.

    events: the kinds of segments, `--set smile.on=0.6`. Their rules are in `STEM.rules.json`.
    """

    events: Mapping[str, EventKind] = field(default_factory=lambda: EVENTS)
    suffix: ClassVar[str] = ".segments.csv"
    needs_frames: ClassVar[bool] = False

    def side_files(self, table: pa.Table, path: Path) -> list[Path]:
        """Return the path of the rules."""
        return [beside(path, ".rules.json")]

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write the segments and the rules; the clip is not read. Raises OutputError if they cannot be written."""
        segments = segment_table(table, self.events)
        cells = [_cells(segments, name) for name in segments.column_names]
        with atomic_write(self.side_files(table, path)[0]) as part:
            part.write_text(json.dumps(parameters(self.events, table), indent=2) + "\n", encoding="utf-8")
        with atomic_write(path) as part:
            write_cells(part, segments.column_names, cells)


def _cells(segments: pa.Table, name: str) -> list[str]:
    """Return the cells of a column of segments."""
    if name in TIMES:
        return ["" if time is None else time_cell(time) for time in segments[name].to_pylist()]
    if name in VALUES:
        return number_cells(column_numbers(segments, name))
    return column_cells(segments[name])

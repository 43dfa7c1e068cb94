"""A Praat TextGrid with the segments of each person, and PitchTier files with the series beside it.

The formats are those of Praat's manual ("TextGrid file formats", "PitchTier"). Praat has no tier for numbers other than
pitch, so the values of a series are in the place of hertz; their unit is that of the column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from avfer.atomic import atomic_write
from avfer.export import beside
from avfer.export.column_facts import check_series, series_columns
from avfer.export.person_rows import ClipRows, PersonRows
from avfer.export.single_clip import single_clip
from avfer.export.table_segments import EVENTS, EventKind, describe_rules, find_segments
from avfer.export.text_cells import number_cell, time_cell

Interval = tuple[float, float, str]  # start and stop in s, label


@dataclass
class PraatTextGrid:
    """Exporter "praat": an interval tier for each person and kind of segment; times are rounded to 1 microsecond.

    events: the kinds of segments, `--set smile.on=0.6`; the rules are in `STEM.praat.note.txt`. columns: a file
    `STEM.LABEL.COLUMN.PitchTier` for each person and column of these that has values.
    """

    events: Mapping[str, EventKind] = field(default_factory=lambda: EVENTS)
    columns: tuple[str, ...] = ("valence", "arousal")
    suffix: ClassVar[str] = ".TextGrid"
    needs_frames: ClassVar[bool] = False

    def side_files(self, table: pa.Table, path: Path) -> list[Path]:
        """Return the paths of the note and of the series."""
        series = [_series_path(path, person, name) for person, name in self._series(single_clip(table))]
        return [beside(path, ".praat.note.txt"), *series]

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write all files; the clip is not read.

        Raises ConfigError for several clips, DatasetError for columns without numbers, OutputError if writing fails.
        """
        rows = single_clip(table)
        check_series(table, self.columns)
        start, stop = float(rows.starts[0]), float(rows.stops.max())
        tiers: dict[str, list[Interval]] = {}
        for person in rows.people:
            for name, kind in self.events.items():
                if (segments := find_segments(person, name, kind)) is not None:
                    tiers[f"{person.label} {name}"] = [(one.start, one.stop, one.label) for one in segments]
        with atomic_write(beside(path, ".praat.note.txt")) as part:
            part.write_text(f"Segments: {describe_rules(self.events, table)}\n", encoding="utf-8")
        for person, name in self._series(rows):
            with atomic_write(_series_path(path, person, name)) as part:
                part.write_text(_pitch_tier(person.starts, person.numbers(name), start, stop), encoding="utf-8")
        with atomic_write(path) as part:
            part.write_text(_text_grid(tiers or {"segments": []}, start, stop), encoding="utf-8")

    def _series(self, clip: ClipRows) -> list[tuple[PersonRows, str]]:
        """Return the people and columns that have values."""
        return [
            (person, name) for person in clip.people for name in self.columns if name in series_columns(person.table)
        ]


def _series_path(path: Path, person: PersonRows, column: str) -> Path:
    return beside(path, f".{person.label.replace(' ', '_')}.{column}.PitchTier")


def _text_grid(tiers: Mapping[str, Sequence[Interval]], start: float, stop: float) -> str:
    """Return a TextGrid in the long text format, whose tiers have intervals without a label between the segments.

    start, stop: s, of the whole grid.
    """
    limits = f"xmin = {time_cell(start)}\nxmax = {time_cell(stop)}"
    lines = [
        'File type = "ooTextFile"\nObject class = "TextGrid"\n',
        f"{limits}\ntiers? <exists>\nsize = {len(tiers)}\nitem []:",
    ]
    for number, (name, segments) in enumerate(tiers.items(), 1):
        intervals = _filled(segments, start, stop)
        lines += [
            f'    item [{number}]:\n        class = "IntervalTier"\n        name = {_quoted(name)}',
            f"        xmin = {time_cell(start)}\n        xmax = {time_cell(stop)}",
            f"        intervals: size = {len(intervals)}",
        ]
        for index, (begin, end, label) in enumerate(intervals, 1):
            lines += [
                f"        intervals [{index}]:\n            xmin = {time_cell(begin)}",
                f"            xmax = {time_cell(end)}\n            text = {_quoted(label)}",
            ]
    return "\n".join(lines) + "\n"


def _filled(segments: Sequence[Interval], start: float, stop: float) -> list[Interval]:
    """Return segments in the order of time with empty ones between them, so that they cover start to stop (s)."""
    filled: list[Interval] = []
    end = start
    for segment in segments:
        if time_cell(segment[0]) != time_cell(end):
            filled.append((end, segment[0], ""))
        filled.append(segment)
        end = segment[1]
    if time_cell(end) != time_cell(stop):
        filled.append((end, stop, ""))
    return filled


def _pitch_tier(times: np.ndarray, values: np.ndarray, start: float, stop: float) -> str:
    """Return a PitchTier with the values that are not NaN.   times: (N,) s; values: (N,); start, stop: s"""
    points = [(time, value) for time, value in zip(times, values, strict=True) if not np.isnan(value)]
    lines = [
        'File type = "ooTextFile"\nObject class = "PitchTier"\n',
        f"xmin = {time_cell(start)}\nxmax = {time_cell(stop)}\npoints: size = {len(points)}",
    ]
    for index, (time, value) in enumerate(points, 1):
        lines.append(f"points [{index}]:\n    number = {time_cell(time)}\n    value = {number_cell(value)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return a text in quotation marks; those inside are doubled."""
    escaped = " ".join(text.split()).replace('"', '""')
    return f'"{escaped}"'

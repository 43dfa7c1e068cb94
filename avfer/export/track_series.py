"""The values of each person over time, extracted from a table for charts.

The plot and the notebook draw these series. Where a person is absent, and where the recording pauses, the line breaks.
Long clips are averaged. Gaze has values where the eyes are open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from avfer.baseline import ACTION_UNIT, CORRECTED
from avfer.export.open_eyes import GAZE_COLUMNS, meaningful_numbers
from avfer.export.person_rows import labels_by_presence, person_label
from avfer.segments import TOUCHING, row_stops

BOX_COLUMNS = ("face_x1", "face_y1", "face_x2", "face_y2")  # px, left, upper, right and lower side
POSE_COLUMNS = ("yaw_deg", "pitch_deg", "roll_deg")
FRAME_SECONDS = 0.04  # duration of a row when a person has only one


@dataclass(frozen=True, eq=False)
class TrackSeries:
    """The values of one person at M points in time; a row of NaN in every gap breaks a chart's line there."""

    label: str  # see `person_label`: "person 0", "track 1" or "voice alone"
    rows: int  # rows of the table that were averaged
    times: np.ndarray  # (M,) float64 s
    valence: np.ndarray  # (M,) float32 in [-1, 1]
    arousal: np.ndarray  # (M,) float32 in [-1, 1]
    expressions: np.ndarray  # (M,) str, "" where missing
    measures: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])  # column -> (M,) float32

    def expression_spans(self) -> list[tuple[float, float, str]]:
        """Return the stretches of time with a constant expression: (start s, stop s, name)."""
        if not len(self.times):
            return []
        step = float(np.median(np.diff(self.times))) if len(self.times) > 1 else FRAME_SECONDS
        edges = np.flatnonzero(self.expressions[1:] != self.expressions[:-1]) + 1
        starts = np.concatenate([[0], edges])
        stops = np.append(self.times[edges], self.times[-1] + step)
        spans = zip(self.times[starts], stops, self.expressions[starts], strict=True)
        return [(float(start), float(stop), str(name)) for start, stop, name in spans if name]

    def sampled(self, columns: Sequence[str], start: float, stop: float, width: int) -> np.ndarray:
        """Return measures at the middles of `width` equal steps of time: (len(columns), width) float32.

        Each value lasts until the next point in time. NaN where a value is missing, in gaps and outside the track.
        start, stop: s, of the first and the last step.
        """
        times = start + (np.arange(width) + 0.5) * (stop - start) / width
        step = float(np.median(np.diff(self.times))) if len(self.times) > 1 else FRAME_SECONDS
        index = np.searchsorted(self.times, times, side="right") - 1
        outside = (index < 0) | (times >= self.times[-1] + step)
        values = np.stack([self.measures[column] for column in columns])[:, np.maximum(index, 0)]
        return np.where(outside, np.nan, values).astype(np.float32)


def track_series(table: pa.Table, max_points: int = 1200) -> list[TrackSeries]:
    """Return the series of each person in a table, or of each track if persons are unknown, by `labels_by_presence`.

    table: the columns of `AffectTrack.to_table`. max_points: longer series are averaged to about so many points, which
    keeps the size of a chart independent of the length of the clip. Rows without any of valence, expression and
    measures are ignored.
    """
    labels = np.array(list(map(person_label, _ids(table, "person"), _ids(table, "track"))), dtype=str)
    stops = row_stops(table["time_s"].to_numpy())
    known = ~np.isnan(_numbers(table, "valence")) | np.array(table["expression"].is_valid())
    measures = measured_columns(table)
    for name in measures:
        known |= ~np.isnan(_numbers(table, name))
    shown = {label: (labels == label) & known for label in labels_by_presence(table)}
    return [
        _series(table.filter(pa.array(rows)), stops[rows], label, measures, max_points)
        for label, rows in shown.items()
        if rows.any()
    ]


def action_unit_columns(table: pa.Table) -> list[str]:
    """Return the columns of action units that have a value: the corrected ones if the table has them, else the raw."""
    raw = [name for name in table.column_names if ACTION_UNIT.fullmatch(name)]
    corrected = [name + CORRECTED for name in raw if name + CORRECTED in table.column_names]
    return _with_values(table, corrected or raw)


def measured_columns(table: pa.Table) -> list[str]:
    """Return the columns of action units, head pose and gaze that have a value."""
    return action_unit_columns(table) + _with_values(table, (*POSE_COLUMNS, *GAZE_COLUMNS))


def class_names(table: pa.Table) -> list[str]:
    """Return the expressions for which a table has columns of probabilities."""
    return [name.removeprefix("p_") for name in table.column_names if name.startswith("p_")]


def _with_values(table: pa.Table, names: Sequence[str]) -> list[str]:
    """Return the names of the columns that a table has and that are not null in every row."""
    return [name for name in names if name in table.column_names and table[name].null_count < len(table)]


def _ids(table: pa.Table, name: str) -> list[int | None]:
    """Return a column of N whole numbers with None where it is null; all None if the table lacks it."""
    return table[name].to_pylist() if name in table.column_names else [None] * len(table)


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    """Return a column of N rows as (N,) float32, null as NaN."""
    return table[name].to_numpy(zero_copy_only=False)


def _series(table: pa.Table, stops: np.ndarray, label: str, measures: Sequence[str], max_points: int) -> TrackSeries:
    """Average groups of consecutive rows of one person and insert a row of NaN into every gap.

    table: its M rows; stops: (M,) float64 s, of the rows. A gap is where a row does not begin at the stop of the row
    before it; where rows are averaged, shorter gaps than a group do not count, so that a flickering track has few
    points too. A group never crosses a gap. Its expression is that of its first row.
    """
    times = table["time_s"].to_numpy()
    names = np.array(table["expression"].fill_null("").to_pylist(), dtype=str)
    stride = max(1, -(-len(times) // max_points))
    shortest = (stride - 1) * float(np.median(stops - times)) + TOUCHING
    after_gap = np.flatnonzero(times[1:] - stops[:-1] > shortest) + 1
    starts = np.unique(np.concatenate([np.arange(0, len(times), stride), after_gap]))
    sizes = np.diff([*starts, len(times)])
    mean_times, expressions = np.add.reduceat(times, starts) / sizes, names[starts]
    gaps = np.searchsorted(starts, after_gap)
    means = {
        name: np.insert(_group_means(meaningful_numbers(table, name).astype(np.float32), starts), gaps, np.nan)
        for name in ("valence", "arousal", *measures)
    }
    return TrackSeries(
        label,
        len(times),
        np.insert(mean_times, gaps, stops[after_gap - 1]),
        means["valence"],
        means["arousal"],
        np.insert(expressions, gaps, ""),
        {name: means[name] for name in measures},
    )


def _group_means(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the mean of the values of each group of rows, NaN where a group has none: (R,), (G,) int -> (G,)."""
    known = ~np.isnan(values)
    counts = np.add.reduceat(known.astype(np.float32), starts)
    sums = np.add.reduceat(np.where(known, values, 0), starts)
    return np.divide(sums, counts, out=np.full(len(starts), np.nan, np.float32), where=counts > 0)

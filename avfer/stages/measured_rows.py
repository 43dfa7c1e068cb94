"""Rows and face measures that reach a stage at different times, matched by frame and track."""

from dataclasses import dataclass
from typing import Generic

import numpy as np

from avfer.face_measures import FaceMeasures
from avfer.rows import RowsOfFaces, concat, matching_rows, select


@dataclass(frozen=True, eq=False)
class UnmatchedRows(Generic[RowsOfFaces]):
    """Rows of each input on frames that the other input has not reached yet."""

    rows: RowsOfFaces | None = None  # None before the first step
    measures: FaceMeasures | None = None  # None before the first step


@dataclass(frozen=True, eq=False)
class MatchedRows(Generic[RowsOfFaces]):
    """Rows on the frames that both inputs have reached, and the measures to look up for them."""

    rows: RowsOfFaces  # N rows
    measures: FaceMeasures  # M rows, also those of later frames
    place: np.ndarray  # (N,) int64, for each of `rows` its row of `measures`, -1 for a face that was not measured

    def of_rows(self, values: np.ndarray) -> np.ndarray:
        """Return values of the measured faces for `rows`, NaN where not measured: (M, ...) float32 -> (N, ...)."""
        padded = np.concatenate([values, np.full((1, *values.shape[1:]), np.nan, values.dtype)])
        return padded[self.place]


def match(
    state: UnmatchedRows[RowsOfFaces], rows: RowsOfFaces, measures: FaceMeasures
) -> tuple[UnmatchedRows[RowsOfFaces], MatchedRows[RowsOfFaces]]:
    """Add new rows and measures to those of a state; return the new state, and the rows that can be matched by now.

    These are the rows on the frames that both inputs have reached; at the end of the clip, all remaining rows.
    """
    rows = rows if state.rows is None else concat([state.rows, rows])
    measures = measures if state.measures is None else concat([state.measures, measures])
    clock, stop = rows.clock, min(rows.clock.stop, measures.clock.stop)
    ready = rows.faces.frames < stop
    known = select(rows, ready, clock.part(clock.first, stop))
    later = measures.faces.frames >= stop
    waiting = UnmatchedRows(
        select(rows, ~ready, clock.part(stop, clock.stop)),
        select(measures, later, measures.clock.part(stop, measures.clock.stop)),
    )
    return waiting, MatchedRows(known, measures, matching_rows(known.faces, measures.faces))

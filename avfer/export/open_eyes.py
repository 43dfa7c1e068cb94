"""Gaze where the eyes are open: the gaze of closed eyes has no meaning, so no mean, curve or drawing uses it."""

import numpy as np
import pyarrow as pa

from avfer.export.person_rows import column_numbers

GAZE_COLUMNS = ("gaze_yaw_deg", "gaze_pitch_deg")
EYE_CLOSED, CLOSED = "eye_closed", 0.5  # column, and value from which on the eyes count as closed


def meaningful_numbers(table: pa.Table, column: str) -> np.ndarray:
    """Return a column of N rows as (N,) float64, NaN where it is null, and for gaze where the eyes are closed.

    All NaN if the table lacks the column; a table without `eye_closed` keeps all gaze.
    """
    values = column_numbers(table, column)
    if column in GAZE_COLUMNS:
        values = np.where(column_numbers(table, EYE_CLOSED) >= CLOSED, np.nan, values)
    return values

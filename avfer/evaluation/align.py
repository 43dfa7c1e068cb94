"""Bring a table of predictions to the steps of an example: one value a step, and how it came there.

One face a frame is read: where several are, the largest box, or for an example `..._left` or `..._right` the face
whose centre is leftmost or rightmost. A step takes the row of its own frame, or the row whose time is nearest and no
more than half a step away. A step without such a row is filled: the last value is held, the first ones take the
first value. What a table does not hold at all is NaN.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from avfer.datasets.example import Example
from avfer.errors import DatasetError

NEAR = 1e-3  # s, how far beyond half a step a row may lie
RULE = "a step without a row of its own holds the last value; the first ones take the first"
FACE_RULE = "one face a frame: the largest box, or the leftmost or rightmost for examples named so"


@dataclass(frozen=True, eq=False)
class Aligned:
    """Predictions at the T steps of an example."""

    example: Example
    values: dict[str, np.ndarray]  # column -> (T,) float64; NaN where the table has no value at all
    filled: np.ndarray  # (T,) bool: no row of its own


def align(example: Example, table: pd.DataFrame, columns: list[str]) -> Aligned:
    """The columns of a table (of the contract's form) at the steps of an example."""
    needed = {"frame", "time_s"} - set(table.columns)
    if needed:
        raise DatasetError(f"predictions for {example.id} have no column {', '.join(sorted(needed))}")
    rows = one_face(table, example.id)
    if example.frames is not None:
        index, own = _by_frame(example.frames, rows)
    elif example.times is not None:
        index, own = _by_time(example.times, rows["time_s"].to_numpy(np.float64))
    else:
        raise DatasetError(f"{example.id} has neither frames nor times; a picture is scored by --model")
    values: dict[str, np.ndarray] = {}
    filled = ~own
    for column in columns:
        given = rows[column].to_numpy(np.float64) if column in rows else np.full(len(rows), np.nan)
        at_steps = np.where(own, given[index], np.nan) if len(rows) else np.full(len(example), np.nan)
        values[column] = hold(at_steps)
        filled |= np.isnan(at_steps) & ~np.isnan(values[column])
    return Aligned(example, values, filled)


def one_face(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """One row a frame; rows without a face (the voice's) stay where no face is."""
    if "track" not in table or "face_x1" not in table:
        return table.drop_duplicates("frame" if bool(table["frame"].notna().all()) else "time_s")
    width = table["face_x2"] - table["face_x1"]
    area = (width * (table["face_y2"] - table["face_y1"])).fillna(-1.0)
    centre = ((table["face_x1"] + table["face_x2"]) / 2).fillna(0.0)
    rank = -area
    if name.endswith("_left"):
        rank = centre.where(area >= 0, np.inf)
    elif name.endswith("_right"):
        rank = (-centre).where(area >= 0, np.inf)
    key = "frame" if bool(table["frame"].notna().all()) else "time_s"
    ranked = table.assign(_rank=rank).sort_values([key, "_rank"], kind="stable")
    return ranked.drop_duplicates(key).drop(columns="_rank")


def hold(values: np.ndarray) -> np.ndarray:
    """NaN replaced by the last value before it, the first ones by the first value after; all NaN stays so."""
    return pd.Series(values).ffill().bfill().to_numpy(np.float64)


def _by_frame(frames: np.ndarray, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """For each step the row of its frame (T,), and whether there is one (T,)."""
    have = rows["frame"].to_numpy(np.float64)
    index = np.searchsorted(have, frames).clip(max=max(len(have) - 1, 0))
    return index, (have[index] == frames) if len(have) else np.zeros(len(frames), bool)


def _by_time(times: np.ndarray, have: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each step the row nearest in time (T,), and whether it is near enough (T,)."""
    if not len(have):
        return np.zeros(len(times), np.int64), np.zeros(len(times), bool)
    step = float(np.median(np.diff(times))) if len(times) > 1 else np.inf
    right = np.searchsorted(have, times).clip(max=len(have) - 1)
    left = np.maximum(right - 1, 0)
    index = np.where(np.abs(have[left] - times) <= np.abs(have[right] - times), left, right)
    return index, np.abs(have[index] - times) <= step / 2 + NEAR

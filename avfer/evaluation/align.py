"""Bring a table of predictions to the steps of an example: one value a step, and how it came there.

One face a frame is read: where several are, the largest box, or for one of two people in a video the face whose centre
is leftmost or rightmost. A step takes the row of its own frame, or the row whose time is nearest and no more than half
a step away. A step without such a row is filled: the last value is held, the first ones take the first value. What a
table does not hold at all is NaN.
"""

from dataclasses import dataclass
from typing import Self, cast

import numpy as np
import pandas as pd

from avfer.datasets.example import Example, Side
from avfer.errors import DatasetError

NEAR = 1e-3  # s, how far beyond half a step a row may lie
RULE = "a step without a row of its own holds the last value; the first ones take the first"
FACE_RULE = "one face a frame: the largest box, or the leftmost or rightmost for one of two people"


@dataclass(frozen=True, eq=False)
class Aligned:
    """Predictions at the T steps of an example."""

    example: Example
    values: dict[str, np.ndarray]  # column -> (T,) float64; NaN where there is no value at all
    filled: dict[str, np.ndarray]  # column -> (T,) bool: the step has no row of its own, and holds another's value
    step: float | None = None  # s between two steps; None where nothing tells it
    others: int = 0  # rows of further faces on the same frames, left out

    @classmethod
    def nothing(cls, example: Example, columns: list[str]) -> "Aligned":
        """An example without any prediction."""
        steps = len(example)
        return cls(example, {c: np.full(steps, np.nan) for c in columns}, {c: np.zeros(steps, bool) for c in columns})

    @classmethod
    def of(cls, example: Example, given: dict[str, np.ndarray], step: float | None = None, others: int = 0) -> Self:
        """From (T,) values of each column, NaN where a step has none of its own."""
        values = {column: hold(at_steps) for column, at_steps in given.items()}
        filled = {column: np.isnan(at_steps) & ~np.isnan(values[column]) for column, at_steps in given.items()}
        return cls(example, values, filled, step, others)


def align(example: Example, table: pd.DataFrame, columns: list[str]) -> Aligned:
    """The columns of a table (of the contract's form) at the steps of an example; one that it lacks is all NaN."""
    rows = one_face(_keyed(example, table), example.id, example.side)
    if _goes_by_frame(example, table):
        index, own = _by_frame(cast(np.ndarray, example.frames), rows)
    else:
        index, own = _by_time(cast(np.ndarray, example.times), rows["time_s"].to_numpy(np.float64))
    given: dict[str, np.ndarray] = {}
    for column in columns:
        cells = numbers(rows, column, example.id)
        given[column] = np.where(own, cells[index], np.nan) if len(rows) else np.full(len(example), np.nan)
    return Aligned.of(example, given, _step(example, rows), len(table) - len(rows))


def one_face(table: pd.DataFrame, name: str, side: Side | None = None) -> pd.DataFrame:
    """One row a frame, in order, of the person on that side; rows of no face (the voice's) stay where no face is."""
    key = "frame" if "frame" in table and bool(table["frame"].notna().all()) else "time_s"
    if "track" not in table or "face_x1" not in table:
        keys = table[key].to_numpy()
        if (twice := np.asarray(table[key].duplicated())).any():
            told = f"{twice.sum()} rows repeat a {key}, {keys[twice.argmax()]} first"
            raise DatasetError(f"predictions for {name}: {told}; give one row each, or columns track and face_x1 ...")
        return table.sort_values(key)
    width = table["face_x2"] - table["face_x1"]
    area = (width * (table["face_y2"] - table["face_y1"])).fillna(-1.0)
    centre = ((table["face_x1"] + table["face_x2"]) / 2).fillna(0.0)
    rank = -area
    if side == "left":
        rank = centre.where(area >= 0, np.inf)
    elif side == "right":
        rank = (-centre).where(area >= 0, np.inf)
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


def _goes_by_frame(example: Example, table: pd.DataFrame) -> bool:
    """By frame where the corpus numbers frames and the table does; rows of a fixed clock have times alone."""
    numbered = "frame" in table and bool(table["frame"].notna().all())
    return example.frames is not None and (numbered or example.times is None)


def _keyed(example: Example, table: pd.DataFrame) -> pd.DataFrame:
    """The table, if it can be brought to the steps of the example at all."""
    if example.frames is None and example.times is None:
        raise DatasetError(f"{example.id} has neither frames nor times; a picture is scored by --model")
    key = "frame" if _goes_by_frame(example, table) else "time_s"
    if key not in table:
        raise DatasetError(f"predictions for {example.id} have no column {key}")
    cells = numbers(table, key, example.id)
    if np.isnan(cells).any():
        raise DatasetError(f"predictions for {example.id}: {np.isnan(cells).sum()} rows have no {key}")
    return table


def numbers(rows: pd.DataFrame, column: str, name: str) -> np.ndarray:
    """(N,) float64 of a column, NaN where it is empty or absent."""
    if column not in rows:
        return np.full(len(rows), np.nan)
    try:
        return rows[column].to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"predictions for {name}: column {column} holds what is no number: {error}") from error


def _step(example: Example, rows: pd.DataFrame) -> float | None:
    """Seconds between two steps: as the corpus tells, else as the frames of the table do."""
    if example.times is not None and len(example.times) > 1:
        return float(np.median(np.diff(example.times)))
    if example.frames is None or not {"frame", "time_s"} <= set(rows) or len(rows) < 2:
        return None
    return float(np.median(np.diff(rows["time_s"]) / np.diff(rows["frame"].to_numpy(np.float64))))

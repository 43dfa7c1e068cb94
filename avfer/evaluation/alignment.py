"""Align a table of predictions with the steps of an example, and name the columns that each kind of label is scored on.

One face is used for each frame: the largest box, or, for one of two people in a video, the leftmost or rightmost face.
A step takes the row of its own frame, or the row whose time is nearest if that is at most half a step away. Other steps
are filled: they repeat the last value before them, the first steps repeat the first value; a single step is filled with
the nearest value. A label of a whole clip is scored by the mean of its rows. A column that the table does not have is
NaN at every step.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self, cast

import numpy as np
import pandas as pd

from avfer.datasets.example import DIMENSIONS, Example, Labels, Side
from avfer.errors import DatasetError, counted

Kind = Literal["valence", "arousal", "expression", "action_units"]
KINDS: tuple[Kind, ...] = (*DIMENSIONS, "expression", "action_units")
EDGES = ("face_x1", "face_y1", "face_x2", "face_y2")
TOLERANCE = 1e-3  # s, by which a row may be further away than half a step
LEAST_FRAMES, LEAST_SECONDS = 25, 1.0  # by which the ends of a table and its labels differ if they are not the same
MATCHING_RULE = "a step takes the row of its own frame, else the row nearest in time if at most half a step away"
CLIP_RULE = (
    "scored by the mean of the predictions of the clip, over rows that have one, also those of the voice alone; each"
    " counts as one step"
)
PICTURE_RULE = "scored by the one picture of the clip that the corpus gives"
FILLING_RULE = (
    "a step without a row of its own repeats the value before it; the first steps repeat the first value, and the only"
    " step of a clip takes the nearest one"
)
FACE_RULE = "one face per frame: the largest box, or the leftmost or rightmost for one of two people"


@dataclass(frozen=True, eq=False)
class AlignedPredictions:
    """Predictions at the T steps of an example."""

    example: Example
    values: dict[str, np.ndarray]  # column -> (T,) float64; NaN at every step if there is no value at all
    filled: dict[str, np.ndarray]  # column -> (T,) bool: the step has no row of its own and repeats another value
    step: float | None = None  # s between two steps; None if it is unknown
    other_faces: int = 0  # rows of further faces on the same frames, which are ignored
    relative_length: float | None = None  # last row of the table over the last step, 1 if alike; None if it is unknown
    unit_scale: str = ""  # of the action units: "activation", "occurrence", or "" if the table does not state it

    @classmethod
    def empty(cls, example: Example, columns: list[str]) -> Self:
        """Return an example without any prediction: (T,) NaN for each column."""
        return cls.from_values(example, {column: np.full(len(example), np.nan) for column in columns})

    @classmethod
    def from_values(
        cls, example: Example, given: dict[str, np.ndarray], step: float | None = None, other_faces: int = 0
    ) -> Self:
        """Fill the gaps of each column and remember them.   given: column -> (T,) float64, NaN at a gap"""
        values = {column: fill_gaps(at_steps) for column, at_steps in given.items()}
        filled = {column: np.isnan(at_steps) & ~np.isnan(values[column]) for column, at_steps in given.items()}
        return cls(example, values, filled, step, other_faces)


def kinds_of(example: Example) -> list[Kind]:
    """Return the kinds that an example has labels of, valid or not, in the order of KINDS."""
    return [kind for kind in KINDS if kind in example.labels]


def is_picture(example: Example) -> bool:
    """Return whether an example has neither times nor frames: a single picture with one step."""
    return example.times is None and example.frames is None


def columns_of(kind: Kind, labels: Labels) -> list[str]:
    """Return the columns of a table that a kind is scored on: ["valence"], ["p_neutral", ...], ["au01", ...]."""
    if kind == "expression":
        return [f"p_{name}" for name in labels.names]
    if kind == "action_units":
        return [f"au{int(name[2:]):02d}" for name in labels.names]
    return [kind]


def all_columns_of(example: Example) -> list[str]:
    """Return the columns of a table that all kinds of an example are scored on."""
    return [column for kind in kinds_of(example) for column in columns_of(kind, example.labels[kind])]


def align(example: Example, table: pd.DataFrame, columns: list[str]) -> AlignedPredictions:
    """Return the columns of a table at the steps of an example.

    table: rows with frame or time_s, the columns, and, if there are several faces, track and face_x1, face_y1, ....
    A column that the table lacks becomes NaN.

    Raises DatasetError if the example or the table has neither frames nor times, a column has text or infinite values,
    or several rows share a frame without boxes to choose by.
    """
    rows = select_face(_with_numeric_keys(example, table), example.id, example.side)
    by_frame = _has_common_frames(example, table)
    key, least = ("frame", LEAST_FRAMES) if by_frame else ("time_s", LEAST_SECONDS)
    wanted = cast(np.ndarray, example.frames if by_frame else example.times)
    available = rows[key].to_numpy(np.float64)
    index, own = _match_frames(wanted, available) if by_frame else _match_times(wanted, available)
    cells = {column: numeric_column(rows, column, example.id) for column in columns}
    _check_finite(cells, available, key, example.id)
    if example.whole_clip:
        means = {column: np.array([pd.Series(of_rows).mean()]) for column, of_rows in cells.items()}
        return AlignedPredictions.from_values(example, means, other_faces=len(table) - len(rows))
    nothing = np.full(len(example), np.nan)
    given = {column: np.where(own, cells[column][index], np.nan) if len(rows) else nothing for column in columns}
    step, other_faces = _step_length(example, rows), len(table) - len(rows)
    found = AlignedPredictions.from_values(example, given, step, other_faces)
    found = replace(found, relative_length=_relative_length(wanted, available, least))
    return found if len(example) > 1 else _fill_only_step(found, cells, np.abs(available - wanted))


def select_face(table: pd.DataFrame, name: str, side: Side | None = None) -> pd.DataFrame:
    """Return one row for each frame (or time), sorted: the largest face, or the face of the person on `side`.

    name: recording or video, for errors. Rows without a face, such as those of a voice, are kept where a frame has no
    face. Raises DatasetError if rows share a frame and the table has no track and boxes, or boxes that are not numeric.
    """
    key = "frame" if "frame" in table and bool(table["frame"].notna().all()) else "time_s"
    if not {"track", *EDGES} <= set(table):
        keys = table[key].to_numpy()
        if (repeated := np.asarray(table[key].duplicated())).any():
            rows = counted(repeated.sum(), "row repeats", "rows repeat")
            problem = f"{rows} a {key}, {keys[repeated.argmax()]:g} first"
            raise DatasetError(f"predictions for {name}: {problem}; give one row each, or track and face_x1 ...")
        return table.sort_values(key)
    left, top, right, bottom = (numeric_column(table, edge, name) for edge in EDGES)
    area = np.nan_to_num((right - left) * (bottom - top), nan=-1.0)
    rank = -area
    if side is not None:
        centre = (left + right) / 2
        rank = np.where(area >= 0, centre if side == "left" else -centre, np.inf)
    ranked = table.assign(_rank=rank).sort_values([key, "_rank"], kind="stable")
    return ranked.drop_duplicates(key).drop(columns="_rank")


def fill_gaps(values: np.ndarray) -> np.ndarray:
    """Replace NaN by the last value before it, at the start by the first value.

    values: (T,) float64 -> (T,) float64; all NaN if there is no value.
    """
    return pd.Series(values).ffill().bfill().to_numpy(np.float64)


def numeric_column(rows: pd.DataFrame, column: str, name: str) -> np.ndarray:
    """Return a column as (N,) float64, NaN where it is empty or absent.

    name: recording or video, for the error. Raises DatasetError if the column has text that is not numeric.
    """
    if column not in rows:
        return np.full(len(rows), np.nan)
    try:
        return rows[column].to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"predictions for {name}: column {column} must be numeric or empty: {error}") from error


def _check_finite(cells: dict[str, np.ndarray], keys: np.ndarray, key: str, name: str) -> None:
    """Raise DatasetError if a column (N,) has infinite values.   keys: (N,) frame or time_s of the rows"""
    for column, values in cells.items():
        if (infinite := np.isinf(values)).any():
            found = f"{counted(infinite.sum(), 'infinite value')}, the first at {key} {keys[infinite.argmax()]:g}"
            raise DatasetError(f"predictions for {name}: column {column} has {found}; leave missing values empty")


def _match_frames(frames: np.ndarray, available: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each step the index of the row of its frame (T,), and whether that row exists (T,) bool."""
    index = np.searchsorted(available, frames).clip(max=max(len(available) - 1, 0))
    return index, (available[index] == frames) if len(available) else np.zeros(len(frames), bool)


def _match_times(times: np.ndarray, available: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each step the index of the row nearest in time (T,), and whether it is near enough (T,) bool."""
    if not len(available):
        return np.zeros(len(times), np.int64), np.zeros(len(times), bool)
    step = float(np.median(np.diff(times))) if len(times) > 1 else np.inf
    right = np.searchsorted(available, times).clip(max=len(available) - 1)
    left = np.maximum(right - 1, 0)
    index = np.where(np.abs(available[left] - times) <= np.abs(available[right] - times), left, right)
    return index, np.abs(available[index] - times) <= step / 2 + TOLERANCE


def _fill_only_step(
    found: AlignedPredictions, cells: dict[str, np.ndarray], distance: np.ndarray
) -> AlignedPredictions:
    """Fill the one step of a clip, where it has no value, with the nearest value of the table.

    cells: column -> (N,) float64, NaN where missing; distance: (N,) of the rows from the step.
    """
    values, filled = dict(found.values), dict(found.filled)
    for column, of_rows in cells.items():
        known = ~np.isnan(of_rows)
        if known.any() and np.isnan(values[column][0]):
            values[column] = of_rows[known][[distance[known].argmin()]]
            filled[column] = np.ones(1, bool)
    return replace(found, values=values, filled=filled)


def _has_common_frames(example: Example, table: pd.DataFrame) -> bool:
    """Return whether to match by frame: corpus and table number frames, or the corpus has no times.

    Rows of a fixed clock (voice only) have times but no frames.
    """
    numbered = "frame" in table and bool(table["frame"].notna().all())
    return example.frames is not None and (numbered or example.times is None)


def _with_numeric_keys(example: Example, table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with frame and time_s as float64, whatever the program that wrote it made of them.

    Raises DatasetError if it cannot be matched with the steps of the example.
    """
    if example.frames is None and example.times is None:
        raise DatasetError(f"{example.id} has neither frames nor times; score a picture with --model")
    key = "frame" if _has_common_frames(example, table) else "time_s"
    if key not in table:
        raise DatasetError(f"predictions for {example.id} have no column {key}; add it")
    keys = {name: numeric_column(table, name, example.id) for name in ("frame", "time_s") if name in table}
    if (missing := np.isnan(keys[key])).any():
        hint = ", or use a pipeline that reads pictures: the labels are counted in frames" if key == "frame" else ""
        problem = f"{counted(missing.sum(), 'row has', 'rows have')} no {key}"
        raise DatasetError(f"predictions for {example.id}: {problem}; fill in the column{hint}")
    return table.assign(**keys)


def _step_length(example: Example, rows: pd.DataFrame) -> float | None:
    """Return the seconds between two steps: by the times of the corpus, else by those of its frames in the table.

    None if neither is known, or the times do not increase.
    """
    if example.times is not None and len(example.times) > 1:
        return float(np.median(np.diff(example.times)))
    if example.frames is None or not {"frame", "time_s"} <= set(rows):
        return None
    timed = rows[rows["time_s"].notna()]
    seconds = np.diff(timed["time_s"]) / np.diff(timed["frame"])  # of one frame
    step = float(np.median(seconds)) * frames_between_steps(example) if len(seconds) else 0.0
    return step if step > 0 else None


def _relative_length(wanted: np.ndarray, available: np.ndarray, least: float) -> float | None:
    """Return the last frame or time of a table over that of the labels; None where one of them has fewer than two.

    wanted: (T,) and available: (N,) frames, or s; least: difference from which they count as different.
    """
    if len(wanted) < 2 or len(available) < 2 or wanted[-1] <= 0:
        return None
    end = float(available.max())
    return end / float(wanted[-1]) if abs(end - wanted[-1]) >= least else 1.0


def frames_between_steps(example: Example) -> float:
    """Return how many frames two steps are apart: 1 where every frame is labelled, and where frames are unknown."""
    if example.frames is None or len(example.frames) < 2:
        return 1.0
    return float(np.median(np.diff(example.frames)))

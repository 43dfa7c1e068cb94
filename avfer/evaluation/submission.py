"""Write submission files of the ABAW challenges that will be scored; avfer.evaluation.submission_check describes them.

The organisers' sample file is the reference: a submission has its rows, in its order, every one predicted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from avfer.atomic import atomic_write
from avfer.datasets.aff_wild2_layout import side_of, without_side
from avfer.datasets.example import Side
from avfer.errors import ConfigError, DatasetError, counted, shortened
from avfer.evaluation.alignment import fill_gaps, numeric_column, select_face
from avfer.evaluation.prediction_sources import THRESHOLD_MISSING, TableFiles, read_predictions, table_metadata
from avfer.evaluation.submission_check import (
    EXPRESSIONS,
    MAX_DIGITS,
    MAX_LISTED,
    UNITS,
    SubmissionTask,
    sample_header,
    sample_names,
)
from avfer.metrics.action_units import OCCURRENCE_THRESHOLD

NOT_MEASURED = (
    "the network that measured the action units of the table does not measure these. Label the videos with a network"
    " that has a head for them (avfer models list), or with --set output=affect, whose units follow from expressions"
)

MAX_FRAME = 10**8  # of a video; more are no frame numbers, but stamps of time
PICTURES_NEEDED = "make it again, with a pipeline that reads pictures: rows of sound alone have no frames"


@dataclass(frozen=True)
class WrittenSubmission:
    """A submission on disk."""

    path: Path  # of the file
    rows: int  # lines after the header
    filled: int  # rows that repeat another frame's prediction, because there was none for their frame


class VideoPredictions(NamedTuple):
    """Predictions for F frames of a video, with n values each."""

    values: np.ndarray  # (F, n) float64 for "va", one class index for "expr", bool for "au"
    own: np.ndarray  # (F,) bool: predicted on the frame itself
    in_table: np.ndarray  # (F,) bool: the table has a row of the frame


def write_submission(
    task: SubmissionTask,
    sample: Path,
    predictions: Path,
    output: Path,
    *,
    extend: bool = False,
    threshold: float | None = None,
) -> WrittenSubmission:
    """Write the rows of the sample file with the predictions of a folder of tables, one for each video, or below it.

    Row `video/00001.jpg` takes frame 0 of the table of `video`. A frame without a face (a row with a reason) repeats
    the last prediction.

    extend: also repeat the last prediction for frames without any row, instead of raising an error.
    threshold: an action unit is written as 1 where its value is above it; None: 0.5, for probabilities only.

    Raises DatasetError, and writes nothing, if a video has no table, a table lacks a column or a row of the sample, or
    a value is not finite or out of range; OutputError if the file cannot be written.
    """
    names, header = sample_names(sample), sample_header(sample, task)
    if unplaced := [name for name in names if "/" not in name]:
        raise DatasetError(f"{sample}: '{unplaced[0]}' names no video, expected video/00001.jpg; use the sample file")
    videos = dict.fromkeys(name.rpartition("/")[0] for name in names)
    tables = TableFiles(predictions)
    found = {video: _predict_video(task, video, side_of(video, videos), tables, threshold) for video in videos}
    rows: list[str] = []
    missing: list[str] = []
    filled = 0
    for line, name in enumerate(names, 2):
        video, _, image = name.rpartition("/")
        given, frame = found[video], _frame_number(image, sample, line)
        used = min(frame, len(given.values) - 1)
        missing += [] if frame == used and given.in_table[used] else [name]
        filled += frame != used or not given.own[used]
        rows.append(",".join([name, *(_format_value(task, value) for value in given.values[used])]))
    if missing and not extend:
        problem = f"no prediction for {len(missing)} of {counted(len(names), 'row')}: {shortened(missing, MAX_LISTED)}"
        raise DatasetError(f"{problem}; predict all frames, or use --extend to repeat the last value")
    with atomic_write(output) as part:
        part.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return WrittenSubmission(output, len(rows), filled)


def _frame_number(image: str, sample: Path, line: int) -> int:
    """Return the 0-based frame of an image name: 0 for `00001.jpg`."""
    stem = image.partition(".")[0]
    if not (stem.isascii() and stem.isdigit() and len(stem) < MAX_DIGITS and int(stem) >= 1):
        raise DatasetError(
            f"{sample}, line {line}: '{image}' is not an image name such as 00001.jpg; use the organisers' sample file"
        )
    return int(stem) - 1


def _predict_video(
    task: SubmissionTask, video: str, side: Side | None, tables: TableFiles, threshold: float | None
) -> VideoPredictions:
    """Read the table of a video and return one prediction for each frame, with gaps filled.

    Expressions become the index of the most probable class that the table has, action units True above the threshold.
    """
    path = _find_table(video, tables)
    measured = task == "au" and table_metadata(path).get("au_scale") == "activation"
    table = select_face(_read_table(path, video), video, side)
    columns = _value_columns(task, table, video)
    frames = table["frame"].to_numpy(np.int64)
    given = np.stack([numeric_column(table, column, video) for column in columns], 1)
    if absent := [column for column, values in zip(columns, given.T, strict=True) if np.isnan(values).all()]:
        hint = NOT_MEASURED if measured else "use a model that predicts them"
        if "reason" in table and bool(table["reason"].notna().all()):
            reasons = ", ".join(sorted({str(reason) for reason in table["reason"]}))
            hint = f"no frame was read ({reasons}): label the video with smaller faces too, --set boxes.min_size=20"
        raise DatasetError(f"predictions for {video} have no value of {', '.join(absent)} on any frame; {hint}")
    if measured and threshold is None:
        raise ConfigError(f"{path}: {THRESHOLD_MISSING}: --threshold 0.5")
    _check_values(given, table, columns, video, low=-1 if task == "va" else 0)
    finite = np.asarray(np.isfinite(given).all(axis=1))
    own, in_table = np.zeros(int(frames.max()) + 1, bool), np.zeros(int(frames.max()) + 1, bool)
    own[frames], in_table[frames] = finite, True
    values = np.full((len(own), len(columns)), np.nan)
    values[frames] = np.where(finite[:, None], given, np.nan)
    values = np.stack([fill_gaps(values[:, i]) for i in range(len(columns))], 1)
    if task == "expr":
        indices = [EXPRESSIONS.index(column.removeprefix("p_").capitalize()) for column in columns]
        values = np.array(indices)[values.argmax(1)][:, None]
    if task == "au":
        values = values > (OCCURRENCE_THRESHOLD if threshold is None else threshold)
    return VideoPredictions(values, own, in_table)


def _check_values(given: np.ndarray, table: pd.DataFrame, columns: list[str], video: str, low: int) -> None:
    """Raise DatasetError if a value lies outside [low, 1], or is missing on a row without a reason or on all rows.

    given: (N, n), the columns of the rows of a table.
    """
    frames, finite = table["frame"].to_numpy(np.int64), np.isfinite(given).all(axis=1)
    explained = table["reason"].notna().to_numpy() if "reason" in table else np.zeros(len(table), bool)
    _check_frames(~finite & ~explained, frames, video, "without finite values")
    outside = np.any((given < low) | (given > 1), axis=1)
    _check_frames(finite & outside, frames, video, f"with values outside [{low}, 1]")
    if not finite.any():
        raise DatasetError(f"predictions for {video} have no frame with all of {', '.join(columns)}; predict it again")


def _check_frames(wrong: np.ndarray, frames: np.ndarray, video: str, problem: str) -> None:
    """Raise DatasetError, with the frames, if any row is wrong.   wrong: (N,) bool, frames: (N,)"""
    if wrong.any():
        listed = shortened([f"{frame:g}" for frame in frames[wrong]], MAX_LISTED)
        found = f"{counted(int(wrong.sum()), 'row')} {problem} (frame {listed})"
        raise DatasetError(f"predictions for {video}: {found}; predict it again")


def _find_table(video: str, tables: TableFiles) -> Path:
    """Return the table of a video: a person's own, else that of the video without `_left` or `_right`."""
    names = (video, without_side(video))
    path = tables.named(names) or tables.below(names)
    if path is None:
        raise DatasetError(
            f"{tables.folder} has no table for {video} ({video}.parquet or .csv); every video must be predicted"
        )
    return path


def _read_table(path: Path, video: str) -> pd.DataFrame:
    """Return the table of a video, frames as float64. Raises DatasetError unless each row has a frame number."""
    table = read_predictions(path)
    if "frame" not in table:
        raise DatasetError(
            f"{path} has no column frame, found: {shortened([str(name) for name in table], MAX_LISTED)}; add it"
        )
    frames = numeric_column(table, "frame", video)
    if not len(table) or np.isnan(frames).any():
        raise DatasetError(f"{path} has rows without a frame number, or no rows; {PICTURES_NEEDED}")
    whole = np.isfinite(frames) & (frames == np.floor(frames))
    _check_frames((frames < 0) | ~whole, frames, video, "with a frame that is not an integer >= 0")
    _check_frames(frames > MAX_FRAME, frames, video, f"with a frame above {MAX_FRAME:,}")
    return table.assign(frame=frames)


def _value_columns(task: SubmissionTask, table: pd.DataFrame, video: str) -> list[str]:
    """Return the columns of a table that the task needs; of expressions, those that the table has."""
    if task == "expr":
        columns = [f"p_{name.lower()}" for name in EXPRESSIONS if f"p_{name.lower()}" in table]
        if not columns:
            raise DatasetError(
                f"predictions for {video} have no column p_neutral, p_anger, ...; use a model of expressions"
            )
        return columns
    expected = ["valence", "arousal"] if task == "va" else [f"au{int(unit[2:]):02d}" for unit in UNITS]
    missing = [name for name in expected if name not in table]
    if missing:
        raise DatasetError(
            f"predictions for {video} have no column {', '.join(missing)}; use a model that predicts them"
        )
    return expected


def _format_value(task: SubmissionTask, value: float) -> str:
    return f"{value + 0.0:.6g}" if task == "va" else str(int(value))

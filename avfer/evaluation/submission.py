"""Submission files of the ABAW challenges: write files that will be scored, and check any file before it is sent.

The organisers' sample file is the reference: a submission has its rows, in its order, every one predicted. Incomplete
files are not scored; in ABAW8 that turned away 26 of the 40 valence-arousal teams that submitted and beat the baseline.

A file is comma-separated text with a header. Rows by task:

    va      video1/00001.jpg,0.25,-0.1      valence and arousal in [-1, 1]
    expr    video1/00001.jpg,4              index into EXPRESSIONS, 0 to 7
    au      video1/00001.jpg,0,1,...        occurrence, 0 or 1, of the twelve UNITS

Image names count frames from 1. Of two people in a video, `video1` and `video1_left` or `video1_right` have rows of
their own.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from avfer.atomic import atomic_write
from avfer.datasets.aff_wild2_layout import side_of, without_side
from avfer.datasets.example import Side
from avfer.errors import DatasetError
from avfer.evaluation.alignment import column_values, fill_gaps, select_face
from avfer.evaluation.prediction_sources import TABLE_SUFFIXES, read_table

SubmissionTask = Literal["va", "expr", "au"]
EXPRESSIONS = ("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Other")
UNITS = ("AU1", "AU2", "AU4", "AU6", "AU7", "AU10", "AU12", "AU15", "AU23", "AU24", "AU25", "AU26")
HEADERS: dict[SubmissionTask, tuple[str, ...]] = {
    "va": ("image_location", "valence", "arousal"),
    "expr": ("image_location", *EXPRESSIONS),
    "au": ("image_location", *UNITS),
}
VALUES_PER_ROW: dict[SubmissionTask, int] = {"va": 2, "expr": 1, "au": len(UNITS)}
MAX_LISTED = 20  # faults of one kind, or names in a message


class Fault(NamedTuple):
    """A reason why a file would not be scored."""

    line: int  # counted from 1; 0 if the fault has no line of its own
    message: str


@dataclass(frozen=True)
class Written:
    """A submission on disk."""

    path: Path
    rows: int
    filled: int  # rows that repeat another frame's prediction, because there was none for their frame


class VideoPredictions(NamedTuple):
    """Predictions for F frames of a video, with n values each."""

    values: np.ndarray  # (F, n) float64 for "va", one class index for "expr", bool for "au"
    own: np.ndarray  # (F,) bool: predicted on the frame itself
    in_table: np.ndarray  # (F,) bool: the table has a row of the frame


def write(
    task: SubmissionTask, sample: Path, predictions: Path, output: Path, *, extend: bool = False, threshold: float = 0.5
) -> Written:
    """Write the rows of the sample file with the predictions of a folder of tables, one for each video.

    Row `video/00001.jpg` takes frame 0 of the table of `video`. A frame without a face (a row with a reason) repeats
    the last prediction.

    extend: also repeat the last prediction for frames without any row, instead of raising an error.
    threshold: an action unit is written as 1 where its probability is above it.

    Raises DatasetError, and writes nothing, if a video has no table, a table lacks a column or a row of the sample, or
    a value is not finite or out of range; OutputError if the file cannot be written.
    """
    names, header = _sample_names(sample), _sample_header(sample, task)
    videos = dict.fromkeys(name.rpartition("/")[0] for name in names)
    found = {video: _predict_video(task, video, side_of(video, videos), predictions, threshold) for video in videos}
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
        listed = ", ".join(missing[:MAX_LISTED]) + (", ..." if len(missing) > MAX_LISTED else "")
        problem = f"{len(missing)} of {len(names)} rows have no prediction: {listed}"
        raise DatasetError(f"{problem}; predict all frames, or use --extend to repeat the last value")
    with atomic_write(output) as part:
        part.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return Written(output, len(rows), filled)


def check(task: SubmissionTask, sample: Path, submission: Path) -> list[Fault]:
    """Return every fault of a submission file in the order of its lines; empty if it will be scored.

    Raises DatasetError if a file cannot be read.
    """
    expected = _sample_names(sample)
    lines = _read_lines(submission)
    if not lines:
        return [Fault(0, "the file is empty")]
    faults = list(_check_header(task, lines[0]))
    first_lines: dict[str, int] = {}
    order: list[str] = []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            faults.append(Fault(number, "an empty line"))
            continue
        name, *values = (cell.strip() for cell in line.split(","))
        if name in first_lines:
            faults.append(Fault(number, f"{name} is in line {first_lines[name]} already"))
        first_lines.setdefault(name, number)
        order.append(name)
        faults.extend(Fault(number, message) for message in _check_values(task, values))
    return faults + list(_check_rows(expected, first_lines, order))


def _check_rows(expected: list[str], first_lines: dict[str, int], order: list[str]) -> Iterator[Fault]:
    """Yield faults of the set and the order of the rows; the order is checked only if the set is right."""
    missing = [name for name in expected if name not in first_lines]
    known = set(expected)
    extra = [(name, line) for name, line in first_lines.items() if name not in known]
    yield from _limit([Fault(0, f"{name} is missing") for name in missing], "rows are missing")
    yield from _limit(
        [Fault(line, f"{name} is not in the sample file") for name, line in extra], "rows are not in the sample file"
    )
    if not missing and not extra and len(order) == len(expected):
        first = next((i for i, (a, b) in enumerate(zip(order, expected, strict=True)) if a != b), None)
        if first is not None:
            message = f"{order[first]}, but the sample file has {expected[first]} here: keep the order of the sample"
            yield Fault(first + 2, message)


def _limit(faults: list[Fault], summary: str) -> Iterator[Fault]:
    """Yield the first faults of a kind, and their number if there are more."""
    yield from faults[:MAX_LISTED]
    if len(faults) > MAX_LISTED:
        yield Fault(0, f"{len(faults)} {summary} in all")


def _check_header(task: SubmissionTask, header: str) -> Iterator[Fault]:
    found = tuple(cell.strip() for cell in header.split(","))
    if found != HEADERS[task]:
        yield Fault(1, f"the header is '{header.strip()}', not '{','.join(HEADERS[task])}'")


def _check_values(task: SubmissionTask, values: list[str]) -> Iterator[str]:
    """Yield what is wrong with the values of a row."""
    if len(values) != VALUES_PER_ROW[task]:
        yield f"{len(values)} values, not {VALUES_PER_ROW[task]}"
        return
    checks: dict[SubmissionTask, Callable[[str], str | None]] = {
        "va": _check_affect,
        "expr": _check_class,
        "au": _check_occurrence,
    }
    yield from (message for message in map(checks[task], values) if message)


def _check_affect(text: str) -> str | None:
    try:
        value = float(text)
    except ValueError:
        return f"'{text}' is not numeric"
    if not math.isfinite(value):
        return f"{text} is not finite"
    return None if -1 <= value <= 1 else f"{text} lies outside [-1, 1]"


def _check_class(text: str) -> str | None:
    valid = text.isascii() and text.isdigit() and int(text) < len(EXPRESSIONS)
    return None if valid else f"'{text}' is not a class from 0 to {len(EXPRESSIONS) - 1}"


def _check_occurrence(text: str) -> str | None:
    return None if text in {"0", "1"} else f"'{text}' is neither 0 nor 1"


def _sample_names(sample: Path) -> list[str]:
    """Return the image names of the sample file in its order."""
    lines = _read_lines(sample)
    names = [line.split(",")[0].strip() for line in lines[1:] if line.strip()]
    if not names:
        raise DatasetError(f"{sample} has no rows; give the organisers' sample file")
    return names


def _sample_header(sample: Path, task: SubmissionTask) -> str:
    """Return the header of the sample file; raise DatasetError if it is that of another task."""
    header = _read_lines(sample)[0].strip()
    fault = next(_check_header(task, header), None)
    if fault is not None:
        raise DatasetError(f"{sample} is not a sample file of task {task}: line 1: {fault.message}")
    return header


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _frame_number(image: str, sample: Path, line: int) -> int:
    """Return the 0-based frame of an image name: 0 for `00001.jpg`."""
    stem = image.partition(".")[0]
    if not stem.isdigit() or int(stem) < 1:
        raise DatasetError(f"{sample}, line {line}: '{image}' is not an image name such as 00001.jpg")
    return int(stem) - 1


def _predict_video(
    task: SubmissionTask, video: str, side: Side | None, folder: Path, threshold: float
) -> VideoPredictions:
    """Read the table of a video and return one prediction for each frame, with gaps filled.

    Expressions become the index of the most probable class that the table has, action units True above the threshold.
    """
    table = select_face(_find_table(video, folder), video, side)
    columns = _value_columns(task, table, video)
    frames = table["frame"].to_numpy(np.int64)
    given = np.stack([column_values(table, column, video) for column in columns], 1)
    finite = np.asarray(np.isfinite(given).all(axis=1))
    explained = table["reason"].notna().to_numpy() if "reason" in table else np.zeros(len(table), bool)
    _check_frames(~finite & ~explained, frames, video, "are not finite")
    low = 0 if task != "va" else -1
    _check_frames(finite & np.any((given < low) | (given > 1), axis=1), frames, video, f"lie outside [{low}, 1]")
    if not finite.any():
        raise DatasetError(f"predictions for {video} have no value of {', '.join(columns)} at all")
    own, in_table = np.zeros(int(frames.max()) + 1, bool), np.zeros(int(frames.max()) + 1, bool)
    own[frames], in_table[frames] = finite, True
    values = np.full((len(own), len(columns)), np.nan)
    values[frames] = np.where(finite[:, None], given, np.nan)
    values = np.stack([fill_gaps(values[:, i]) for i in range(len(columns))], 1)
    if task == "expr":
        indices = [EXPRESSIONS.index(column.removeprefix("p_").capitalize()) for column in columns]
        values = np.array(indices)[values.argmax(1)][:, None]
    return VideoPredictions(values > threshold if task == "au" else values, own, in_table)


def _check_frames(wrong: np.ndarray, frames: np.ndarray, video: str, problem: str) -> None:
    """Raise DatasetError, with the frames, if any row is wrong.   wrong: (N,) bool, frames: (N,)"""
    if wrong.any():
        more = ", ..." if wrong.sum() > MAX_LISTED else ""
        listed = ", ".join(f"{frame:g}" for frame in frames[wrong][:MAX_LISTED]) + more
        raise DatasetError(f"predictions for {video}: {int(wrong.sum())} rows {problem} (frames {listed})")


def _find_table(video: str, folder: Path) -> pd.DataFrame:
    """Return the table of a video: a person's own, else that of the video without `_left` or `_right`."""
    stems = dict.fromkeys([video, without_side(video)])
    for path in (folder / f"{stem}.{suffix}" for stem in stems for suffix in TABLE_SUFFIXES):
        if path.is_file():
            table = read_table(path)
            frames = column_values(table, "frame", video)
            if not len(table) or np.isnan(frames).any():
                raise DatasetError(f"{path} has no frame numbers, or no rows")
            _check_frames((frames < 0) | (frames % 1 != 0), frames, video, "have a frame that is not an integer >= 0")
            return table
    raise DatasetError(f"{folder} has no table for {video} ({video}.parquet or .csv); every video must be predicted")


def _value_columns(task: SubmissionTask, table: pd.DataFrame, video: str) -> list[str]:
    """Return the columns of a table that the task needs; of expressions, those that the table has."""
    if task == "expr":
        columns = [f"p_{name.lower()}" for name in EXPRESSIONS if f"p_{name.lower()}" in table]
        if not columns:
            raise DatasetError(f"predictions for {video} have no column p_neutral, p_anger, ...")
        return columns
    expected = ["valence", "arousal"] if task == "va" else [f"au{int(unit[2:]):02d}" for unit in UNITS]
    missing = [name for name in expected if name not in table]
    if missing:
        raise DatasetError(f"predictions for {video} have no column {', '.join(missing)}")
    return expected


def _format_value(task: SubmissionTask, value: float) -> str:
    return f"{value + 0.0:.6g}" if task == "va" else str(int(value))

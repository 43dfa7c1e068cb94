"""Submission files of the ABAW challenges: written so that they are scored, checked before they are sent.

The organisers' sample file is the authority: its rows, in its order, every one predicted. Incomplete files are not
scored; in ABAW8 26 of the 40 valence-arousal teams that submitted beat the baseline and were turned away for that.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from avfer.datasets.aff_wild2_layout import side_of, without_side
from avfer.datasets.example import Side
from avfer.errors import DatasetError, OutputError
from avfer.evaluation.align import hold, numbers, one_face
from avfer.evaluation.tables import ENDINGS, read_table

Task = Literal["va", "expr", "au"]
EXPRESSIONS = ("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Other")
UNITS = ("AU1", "AU2", "AU4", "AU6", "AU7", "AU10", "AU12", "AU15", "AU23", "AU24", "AU25", "AU26")
HEADERS: dict[Task, tuple[str, ...]] = {
    "va": ("image_location", "valence", "arousal"),
    "expr": ("image_location", *EXPRESSIONS),
    "au": ("image_location", *UNITS),
}
VALUES: dict[Task, int] = {"va": 2, "expr": 1, "au": len(UNITS)}  # of a row
MOST = 20  # faults of one kind that are listed


class Fault(NamedTuple):
    """Something that keeps a file from being scored."""

    line: int  # counted from 1; 0 where no line is at fault
    told: str


@dataclass(frozen=True)
class Written:
    """A submission on disk."""

    path: Path
    rows: int
    filled: int  # rows on whose frame no face was read: the last value was held


class Video(NamedTuple):
    """Predictions of F frames."""

    values: np.ndarray  # (F, n)
    own: np.ndarray  # (F,) bool: read on the frame itself
    there: np.ndarray  # (F,) bool: the table has a row of the frame


def write(
    task: Task, sample: Path, predictions: Path, output: Path, *, extend: bool = False, threshold: float = 0.5
) -> Written:
    """Write the rows of `sample` with the predictions of a folder of tables, one a video.

    Row `video/00001.jpg` takes frame 0 of `video`'s table. A frame on which no face was read (a row with a reason)
    holds the last value. Nothing is written where a video has no table, a table lacks a column or, unless `extend`,
    a row of the sample, or where a value is not finite or out of range.
    """
    names, header = _names(sample), _header(sample, task)
    videos = dict.fromkeys(name.rpartition("/")[0] for name in names)
    found = {video: _predicted(task, video, side_of(video, videos), predictions, threshold) for video in videos}
    rows: list[str] = []
    missing: list[str] = []
    filled = 0
    for line, name in enumerate(names, 2):
        video, _, image = name.rpartition("/")
        given, frame = found[video], _frame(image, sample, line)
        held = min(frame, len(given.values) - 1)
        missing += [] if frame == held and given.there[held] else [name]
        filled += frame != held or not given.own[held]
        rows.append(",".join([name, *(_text(task, value) for value in given.values[held])]))
    if missing and not extend:
        some = ", ".join(missing[:MOST]) + (", ..." if len(missing) > MOST else "")
        told = f"{len(missing)} of {len(names)} rows have no prediction: {some}"
        raise DatasetError(f"{told}; predict all frames, or let --extend hold the last value")
    content = "\n".join([header, *rows]) + "\n"
    part = output.with_name(output.name + ".part")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(content, encoding="utf-8")
        part.replace(output)
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror}") from error
    return Written(output, len(rows), filled)


def check(task: Task, sample: Path, submission: Path) -> list[Fault]:
    """Every fault of anybody's file, by line; none where it will be scored."""
    wanted = _names(sample)
    lines = _lines(submission)
    if not lines:
        return [Fault(0, "the file is empty")]
    faults = list(_header_faults(task, lines[0]))
    seen: dict[str, int] = {}
    order: list[str] = []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            faults.append(Fault(number, "an empty line"))
            continue
        name, *values = (cell.strip() for cell in line.split(","))
        if name in seen:
            faults.append(Fault(number, f"{name} stands in line {seen[name]} already"))
        seen.setdefault(name, number)
        order.append(name)
        faults.extend(Fault(number, told) for told in _value_faults(task, values))
    return faults + list(_row_faults(wanted, seen, order))


def _row_faults(wanted: list[str], seen: dict[str, int], order: list[str]) -> Iterator[Fault]:
    missing = [name for name in wanted if name not in seen]
    known = set(wanted)
    extra = [(name, line) for name, line in seen.items() if name not in known]
    yield from _some([Fault(0, f"{name} is missing") for name in missing], "rows are missing")
    yield from _some(
        [Fault(line, f"{name} is not in the sample file") for name, line in extra], "rows are not asked for"
    )
    if not missing and not extra and len(order) == len(wanted):
        first = next((i for i, (a, b) in enumerate(zip(order, wanted, strict=True)) if a != b), None)
        if first is not None:
            told = f"{order[first]} stands where the sample file has {wanted[first]}: keep the order of the sample"
            yield Fault(first + 2, told)


def _some(faults: list[Fault], told: str) -> Iterator[Fault]:
    """The first faults of a kind, and how many there are in all."""
    yield from faults[:MOST]
    if len(faults) > MOST:
        yield Fault(0, f"{len(faults)} {told} in all")


def _header_faults(task: Task, header: str) -> Iterator[Fault]:
    found = tuple(cell.strip() for cell in header.split(","))
    if found != HEADERS[task]:
        yield Fault(1, f"the header is '{header.strip()}', not '{','.join(HEADERS[task])}'")


def _value_faults(task: Task, values: list[str]) -> Iterator[str]:
    if len(values) != VALUES[task]:
        yield f"{len(values)} values, not {VALUES[task]}"
        return
    checks: dict[Task, Callable[[str], str | None]] = {"va": _not_affect, "expr": _not_class, "au": _not_occurrence}
    yield from (told for told in map(checks[task], values) if told)


def _not_affect(text: str) -> str | None:
    try:
        value = float(text)
    except ValueError:
        return f"'{text}' is no number"
    if not math.isfinite(value):
        return f"{text} is not finite"
    return None if -1 <= value <= 1 else f"{text} lies outside [-1, 1]"


def _not_class(text: str) -> str | None:
    fine = text.isascii() and text.isdigit() and int(text) < len(EXPRESSIONS)
    return None if fine else f"'{text}' is no class from 0 to {len(EXPRESSIONS) - 1}"


def _not_occurrence(text: str) -> str | None:
    return None if text in {"0", "1"} else f"'{text}' is neither 0 nor 1"


def _names(sample: Path) -> list[str]:
    """Image names of the sample file, in its order."""
    lines = _lines(sample)
    names = [line.split(",")[0].strip() for line in lines[1:] if line.strip()]
    if not names:
        raise DatasetError(f"{sample} lists no row; give the organisers' sample file")
    return names


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is no UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _header(sample: Path, task: Task) -> str:
    found = _lines(sample)[0].strip()
    if tuple(cell.strip() for cell in found.split(",")) != HEADERS[task]:
        raise DatasetError(
            f"{sample} is no sample of task {task}: line 1 is '{found}', not '{','.join(HEADERS[task])}'"
        )
    return found


def _frame(image: str, sample: Path, line: int) -> int:
    """0-based frame of `00001.jpg`."""
    stem = image.partition(".")[0]
    if not stem.isdigit() or int(stem) < 1:
        raise DatasetError(f"{sample}, line {line}: '{image}' is no image name such as 00001.jpg")
    return int(stem) - 1


def _predicted(task: Task, video: str, side: Side | None, folder: Path, threshold: float) -> Video:
    table = one_face(_table(video, folder), video, side)
    columns = _columns(task, table, video)
    frames = table["frame"].to_numpy(np.int64)
    given = np.stack([numbers(table, column, video) for column in columns], 1)
    finite = np.asarray(np.isfinite(given).all(axis=1))
    explained = table["reason"].notna().to_numpy() if "reason" in table else np.zeros(len(table), bool)
    _refuse(~finite & ~explained, frames, video, "are not finite")
    low = 0 if task != "va" else -1
    _refuse(finite & np.any((given < low) | (given > 1), axis=1), frames, video, f"lie outside [{low}, 1]")
    if not finite.any():
        raise DatasetError(f"predictions for {video} hold no value of {', '.join(columns)} at all")
    own, there = np.zeros(int(frames.max()) + 1, bool), np.zeros(int(frames.max()) + 1, bool)
    own[frames], there[frames] = finite, True
    values = np.full((len(own), len(columns)), np.nan)
    values[frames] = np.where(finite[:, None], given, np.nan)
    values = np.stack([hold(values[:, i]) for i in range(len(columns))], 1)
    if task == "expr":
        indices = [EXPRESSIONS.index(column.removeprefix("p_").capitalize()) for column in columns]
        values = np.array(indices)[values.argmax(1)][:, None]
    return Video(values > threshold if task == "au" else values, own, there)


def _refuse(wrong: np.ndarray, frames: np.ndarray, video: str, told: str) -> None:
    """Name the frames that are wrong, if any is."""
    if wrong.any():
        some = ", ".join(f"{frame:g}" for frame in frames[wrong][:MOST]) + (", ..." if wrong.sum() > MOST else "")
        raise DatasetError(f"predictions for {video}: {int(wrong.sum())} rows {told} (frames {some})")


def _table(video: str, folder: Path) -> pd.DataFrame:
    """The table of a video; a person's own table, then the video's, `_left` and `_right` taken off."""
    stems = dict.fromkeys([video, without_side(video)])
    for path in (folder / f"{stem}.{ending}" for stem in stems for ending in ENDINGS):
        if path.is_file():
            table = read_table(path)
            frames = numbers(table, "frame", video)
            if not len(table) or np.isnan(frames).any():
                raise DatasetError(f"{path} has no frame numbers, or no rows")
            _refuse((frames < 0) | (frames % 1 != 0), frames, video, "have a frame that is no whole number from 0")
            return table
    raise DatasetError(f"{folder} holds no table for {video} ({video}.parquet or .csv); every video must be predicted")


def _columns(task: Task, table: pd.DataFrame, video: str) -> list[str]:
    if task == "expr":
        columns = [f"p_{name.lower()}" for name in EXPRESSIONS if f"p_{name.lower()}" in table]
        if not columns:
            raise DatasetError(f"predictions for {video} have no column p_neutral, p_anger, ...")
        return columns
    wanted = ["valence", "arousal"] if task == "va" else [f"au{int(unit[2:]):02d}" for unit in UNITS]
    missing = [name for name in wanted if name not in table]
    if missing:
        raise DatasetError(f"predictions for {video} have no column {', '.join(missing)}")
    return wanted


def _text(task: Task, value: float) -> str:
    return f"{value + 0.0:.6g}" if task == "va" else str(int(value))

"""Check submission files of the ABAW challenges, made by any program, before they are sent.

The organisers' sample file is the reference: a submission has its rows, in its order, every one predicted. Incomplete
files are not scored; in ABAW8 this excluded 26 of the 40 valence-arousal teams that submitted and beat the baseline.

A file is comma-separated text with a header. Rows by task:

    va      video1/00001.jpg,0.25,-0.1      valence and arousal in [-1, 1]
    expr    video1/00001.jpg,4              index into EXPRESSIONS, 0 to 7
    au      video1/00001.jpg,0,1,...        occurrence, 0 or 1, of the twelve UNITS

Image names count frames from 1. Of two people in a video, `video1` and `video1_left` or `video1_right` have rows of
their own.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from avfer.datasets.text_files import NUMBER
from avfer.errors import AvferWarning, DatasetError, counted

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
MAX_DIGITS = 18  # of the number of a frame or class
NON_FINITE = frozenset({"nan", "inf", "infinity"})
CARRIAGE_RETURN = "a carriage return without a line feed: end lines with LF alone"


class Fault(NamedTuple):
    """A reason why a file would not be scored."""

    line: int  # counted from 1; 0 if the fault has no line of its own
    message: str


def check_submission(task: SubmissionTask, sample: Path, submission: Path) -> list[Fault]:
    """Return every fault of a submission file in the order of its lines; empty if it will be scored.

    Raises DatasetError if a file cannot be read.
    """
    expected = sample_names(sample)
    text = _read_text(submission)
    if not text.strip():
        return [Fault(0, "the file is empty")]
    if "\r\n" in text:
        warnings.warn(f"{submission} has CRLF line ends; those of the sample are LF", AvferWarning, stacklevel=2)
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    faults = list(_check_header(task, lines[0]))
    faults += [Fault(number, CARRIAGE_RETURN) for number, line in enumerate(lines, 1) if "\r" in line][:MAX_LISTED]
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
        yield f"{counted(len(values), 'value')}, not {VALUES_PER_ROW[task]}"
        return
    checks: dict[SubmissionTask, Callable[[str], str | None]] = {
        "va": _check_affect,
        "expr": _check_class,
        "au": _check_occurrence,
    }
    yield from (message for message in map(checks[task], values) if message)


def _check_affect(text: str) -> str | None:
    if not NUMBER.fullmatch(text):
        return f"{text} is not finite" if text.lower().lstrip("+-") in NON_FINITE else f"'{text}' is not numeric"
    value = float(text)
    if not math.isfinite(value):
        return f"{text} is not finite"
    return None if -1 <= value <= 1 else f"{text} lies outside [-1, 1]"


def _check_class(text: str) -> str | None:
    valid = len(text) < MAX_DIGITS and text.isascii() and text.isdigit() and int(text) < len(EXPRESSIONS)
    return None if valid else f"'{text}' is not a class from 0 to {len(EXPRESSIONS) - 1}"


def _check_occurrence(text: str) -> str | None:
    return None if text in {"0", "1"} else f"'{text}' is neither 0 nor 1"


def sample_names(sample: Path) -> list[str]:
    """Return the image names of the sample file in its order."""
    lines = _read_lines(sample)
    names = [line.split(",")[0].strip() for line in lines[1:] if line.strip()]
    if not names:
        raise DatasetError(f"{sample} has no rows; give the organisers' sample file")
    return names


def sample_header(sample: Path, task: SubmissionTask) -> str:
    """Return the header of the sample file; raise DatasetError if it is that of another task."""
    header = _read_lines(sample)[0].strip()
    fault = next(_check_header(task, header), None)
    if fault is not None:
        raise DatasetError(f"{sample} is not a sample file of task {task}: line 1: {fault.message}")
    return header


def _read_lines(path: Path) -> list[str]:
    """Return the lines of the sample file, with any line ends."""
    return _read_text(path).splitlines()


def _read_text(path: Path) -> str:
    """Return the text of a file with its line ends. Raises DatasetError if it cannot be read or is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error

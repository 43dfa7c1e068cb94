"""Label files of Aff-Wild2: after a header, line i is frame i, counted from 1. Sentinels become `valid` False.

valence, arousal: `valence,arousal`, then `0.123,-0.5`; -5 in either means that the frame has no label.
expression: names of the classes, then one number a line, an index into them; -1 without a label.
action units: `AU1,AU2,AU4,...`, then 0 or 1 for each; -1 for an unknown unit.
multi-task: `image,valence,arousal,expression,aus`, then `video/00001.jpg,0.1,0.2,4,1,0,...` with the same sentinels.
"""

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avfer.datasets.example import Labels, Notes
from avfer.datasets.text_files import (
    NUMBER,
    TableRow,
    lines,
    parse_number,
    read_lines,
    same_width,
    without_empty_end,
    wrong_width,
)
from avfer.errors import DatasetError
from avfer.models.class_orders import SYNONYMS

SENTINEL = -5.0  # valence or arousal of a frame without a label
CLASSES = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "other")
UNITS = tuple(f"AU{unit:02d}" for unit in (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26))
ONE_SENTINEL = "lines with a sentinel in one of valence and arousal alone: both not valid"
OUTSIDE = "lines with valence or arousal outside [-1, 1] and no sentinel: not valid"
MIXED = "lines with some action units unknown: those alone not valid"
BLANK = "lines without a value: not valid"
REPEATED = "lines that repeat a picture: the first is kept"

KindLabels = dict[str, Labels]  # kind of label -> labels


class PersonLabels(NamedTuple):
    """The lines of one person in a multi-task file."""

    frames: np.ndarray  # (T,) int64, 0-based, increasing
    labels: KindLabels


def read_va(path: Path, notes: Notes) -> KindLabels:
    """Read valence and arousal, (T,) float64 each. Raises DatasetError, which names the line, for a damaged file."""
    header, table = _read(path, notes)
    names = [name.lower() for name in header]
    if sorted(names) != ["arousal", "valence"]:
        raise DatasetError(f"{path}, line 1: columns must be valence,arousal, got {', '.join(header)}")
    return _affect(table[:, names.index("valence")], table[:, names.index("arousal")], path, notes)


def read_expr(path: Path, notes: Notes) -> KindLabels:
    """Read the expression, (T,) int64, with the classes of the header: seven until 2021, then eight.

    Raises DatasetError, which names the line, for a damaged file or an unknown class.
    """
    header, table = _read(path, notes, width=1)
    names = tuple(SYNONYMS.get(name.lower(), name.lower()) for name in header)
    if not set(names) <= set(CLASSES) or len(set(names)) < max(len(names), 2):
        raise DatasetError(f"{path}, line 1: classes must be among {', '.join(CLASSES)}, got {', '.join(header)}")
    return {"expression": _expression(table[:, 0], names, lambda row: f"{path}, line {row + 2}")}


def read_au(path: Path, notes: Notes) -> KindLabels:
    """Read occurrences of action units, (T, K) float64, with the units of the header: eight in 2020, then twelve.

    Raises DatasetError, which names the line, for a damaged file or a value other than 0, 1 and -1.
    """
    header, table = _read(path, notes)
    units = _unit_names(header, path)
    return {"action_units": _units(table, units, path, notes, lambda row: f"{path}, line {row + 2}")}


def read_multi_task(path: Path, notes: Notes) -> Iterator[tuple[str, PersonLabels]]:
    """Yield (person, labels) of a file of lines `video/00001.jpg,valence,arousal,expression,AU1,...`.

    People come in the order of the file, their lines in order of frames; of repeated frames the first is kept.
    Raises DatasetError, which names the line, for a damaged file.
    """
    width = 3 + len(UNITS)
    rows: dict[str, list[tuple[int, int, list[float]]]] = {}
    parser = _CellParser(path)
    for line, name, given in _picture_lines(path):
        given = without_empty_end(given, width)
        if len(given) != width:
            raise DatasetError(f"{path}, line {line}: {wrong_width(len(given) + 1, width + 1)}")
        video, frame = _frame(name, path, line)
        rows.setdefault(video, []).append((frame, line, parser.numbers(given, line)))
    for video, found in rows.items():
        found.sort(key=lambda row: row[:2])
        frames = np.array([frame for frame, _, _ in found], np.int64)
        first = np.diff(frames, prepend=-1) > 0
        notes.add(REPEATED, f"{path}, {video}", int((~first).sum()))
        line_numbers = [found[i][1] for i in np.flatnonzero(first)]
        table = np.array([row[2] for row in found], np.float64)[first]
        yield video, PersonLabels(frames[first], _all_tasks(table, path, notes, line_numbers))


def read_picture_list(path: Path) -> dict[str, np.ndarray]:
    """Return the 0-based frames of each video, (T,) int64, in a list of pictures without labels."""
    found: dict[str, set[int]] = {}
    for line, name, _ in _picture_lines(path):
        video, frame = _frame(name, path, line)
        found.setdefault(video, set()).add(frame)
    return {video: np.array(sorted(frames), np.int64) for video, frames in found.items()}


class _CellParser:
    """Numbers of cells; each distinct text is parsed once, which is fast for files of few distinct values."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, float] = {}

    def numbers(self, cells: list[str], line: int) -> list[float]:
        """Return the numbers in the cells of a line, NaN for empty cells."""
        found = [self.known.get(cell) for cell in cells]
        return [self._parse(cell, line) if value is None else value for cell, value in zip(cells, found, strict=True)]

    def _parse(self, cell: str, line: int) -> float:
        self.known[cell] = parse_number(cell, f"{self.path}, line {line}")
        return self.known[cell]


def _read(path: Path, notes: Notes, width: int | None = None) -> tuple[list[str], np.ndarray]:
    """Return the names in the header, and the lines as (T, width) float64, NaN where a cell is empty.

    width: number of cells in a line; None for as many as in the header.
    """
    found = read_lines(path)
    header = [cell.strip() for cell in found[0].split(",")] if found else [""]
    if NUMBER.fullmatch(header[0]):
        raise DatasetError(f"{path}, line 1: no header, so frames cannot be numbered; copy the file again")
    if len(found) < 2:
        raise DatasetError(f"{path}: no line after the header; copy the file again")
    header, parser = without_empty_end(header, 1), _CellParser(path)
    width = len(header) if width is None else width
    table = [parser.numbers(_split(text, width, path, line), line) for line, text in enumerate(found[1:], start=2)]
    values = np.array(table, np.float64)
    notes.add(BLANK, path, int(np.isnan(values).any(axis=1).sum()))
    return header, values


def _split(text: str, width: int, path: Path, line: int) -> list[str]:
    """Return the `width` cells of a line; those of a blank line are empty. Raises DatasetError for another width."""
    cells = text.split(",") if text.strip() else [""] * width
    return same_width(TableRow(line, cells), width, path)


def _picture_lines(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Yield (line, picture, further cells); a header, which names no picture, is left out."""
    for line, text in enumerate(lines(path), start=1):
        name, *cells = text.split(",")
        if "/" in name:
            yield line, name.strip(), cells
        elif text.strip() and line > 1:
            raise DatasetError(f"{path}, line {line}: expected video/00001.jpg, got '{name}'; copy the file again")


def _frame(name: str, path: Path, line: int) -> tuple[str, int]:
    """Return the video and the 0-based frame of a picture `video/00001.jpg`."""
    video, _, picture = name.rpartition("/")
    stem = picture.rpartition(".")[0] or picture
    if not re.fullmatch("[0-9]{1,9}", stem) or int(stem) < 1:
        raise DatasetError(
            f"{path}, line {line}: the name of a picture must be the number of its frame, counted from 1, "
            f"got '{picture}'; copy the file again"
        )
    return video, int(stem) - 1


def _all_tasks(table: np.ndarray, path: Path, notes: Notes, line_numbers: list[int]) -> KindLabels:
    """Return the labels of all tasks.   table: (T, 15) valence, arousal, expression, 12 action units"""
    notes.add(BLANK, path, int(np.isnan(table).any(axis=1).sum()))

    def where(row: int) -> str:
        return f"{path}, line {line_numbers[row]}"

    return {
        **_affect(table[:, 0], table[:, 1], path, notes),
        "expression": _expression(table[:, 2], CLASSES, where),
        "action_units": _units(table[:, 3:], UNITS, path, notes, where),
    }


def _affect(valence: np.ndarray, arousal: np.ndarray, path: Path, notes: Notes) -> KindLabels:
    """Return valence and arousal, (T,) each, valid where both are in [-1, 1]."""
    both = np.stack([valence, arousal], axis=1)
    with np.errstate(invalid="ignore"):
        inside = np.abs(both) <= 1
    valid = np.asarray(inside.all(axis=1))
    sentinel = both == SENTINEL
    notes.add(ONE_SENTINEL, path, int((sentinel.any(axis=1) & ~sentinel.all(axis=1)).sum()))
    notes.add(OUTSIDE, path, int((~inside & ~sentinel & ~np.isnan(both)).any(axis=1).sum()))
    return {
        "valence": Labels(np.where(valid, valence, np.nan), valid),
        "arousal": Labels(np.where(valid, arousal, np.nan), valid),
    }


def _expression(column: np.ndarray, names: tuple[str, ...], where: Callable[[int], str]) -> Labels:
    """Return classes (T,); negative numbers are not valid. Raises DatasetError for another number than 0 to K - 1."""
    valid = ~np.isnan(column) & (column >= 0)
    wrong = valid & ((column >= len(names)) | (column != np.floor(column)))
    if wrong.any():
        row = int(wrong.argmax())
        raise DatasetError(
            f"{where(row)}: class must be 0 to {len(names) - 1} ({', '.join(names)}), got {column[row]:g}; "
            "is the file of another year?"
        )
    return Labels(np.where(valid, column, -1).astype(np.int64), valid, names)


def _units(table: np.ndarray, names: tuple[str, ...], path: Path, notes: Notes, where: Callable[[int], str]) -> Labels:
    """Return action units (T, K); negative numbers are not valid. Raises DatasetError for others than 0 and 1."""
    valid = ~np.isnan(table) & (table >= 0)
    wrong = (valid & (table != 0) & (table != 1)).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise DatasetError(f"{where(row)}: an action unit must be 0, 1 or -1, got {np.nanmax(table[row]):g}")
    notes.add(MIXED, path, int((valid.any(axis=1) & ~valid.all(axis=1)).sum()))
    return Labels(np.where(valid, table, math.nan), valid, names)


def _unit_names(header: list[str], path: Path) -> tuple[str, ...]:
    """Return the action units "AU01", ... of a header AU1,AU2,... Raises DatasetError for other names."""
    matches = [re.fullmatch(r"AU0*([0-9]+)", name, re.IGNORECASE) for name in header]
    names = tuple(f"AU{int(match[1]):02d}" for match in matches if match)
    if len(set(names)) < len(header):
        raise DatasetError(f"{path}, line 1: columns must be AU1,AU2,..., got {', '.join(header)}")
    return names

"""Label files of Aff-Wild2: a header, then line i is frame i, counted from 1; sentinels become `valid` False."""

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avfer.datasets.example import Labels, Notes
from avfer.datasets.text import NUMBER, lines, number, read_lines
from avfer.errors import DatasetError
from avfer.models.class_orders import SAME

UNSEEN = -5.0  # valence or arousal of a frame without a label
CLASSES = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "other")
UNITS = tuple(f"AU{unit:02d}" for unit in (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26))
ONE_ALONE = "lines with a sentinel in one of valence and arousal alone: both not valid"
OUTSIDE = "lines with valence or arousal outside [-1, 1] that is no sentinel: not valid"
MIXED = "lines with some action units unknown: those alone not valid"
BLANK = "lines without a value: not valid"
TWICE = "lines that repeat a picture: the first is kept"

Parsed = dict[str, Labels]


class Person(NamedTuple):
    """The lines of one person in a multi-task file."""

    frames: np.ndarray  # (T,) int64, 0-based, growing
    labels: Parsed


def read_va(path: Path, notes: Notes) -> Parsed:
    """Valence and arousal, (T,) each."""
    header, table = _read(path, notes, len)
    names = [name.lower() for name in header]
    if sorted(names) != ["arousal", "valence"]:
        raise DatasetError(f"{path}, line 1: columns {', '.join(header)}; they should be valence,arousal")
    return _affect(table[:, names.index("valence")], table[:, names.index("arousal")], path, notes)


def read_expr(path: Path, notes: Notes) -> Parsed:
    """The expression, (T,), by the classes that the header names: seven up to 2021, then eight."""
    header, table = _read(path, notes, lambda header: 1)
    names = tuple(SAME.get(name.lower(), name.lower()) for name in header)
    if not set(names) <= set(CLASSES) or len(set(names)) < max(len(names), 2):
        raise DatasetError(f"{path}, line 1: classes {', '.join(header)}; they should be of {', '.join(CLASSES)}")
    return {"expression": _expression(table[:, 0], names, lambda row: f"{path}, line {row + 2}")}


def read_au(path: Path, notes: Notes) -> Parsed:
    """Action units, (T, A), those that the header names: eight in 2020, then twelve."""
    header, table = _read(path, notes, len)
    return {"action_units": _units(table, _unit_names(header, path), path, notes, lambda row: f"line {row + 2}")}


def read_multi_task(path: Path, notes: Notes) -> Iterator[tuple[str, Person]]:
    """All people of a file of lines `video/00001.jpg,valence,arousal,expression,AU1,...`, in the order met."""
    width = 3 + len(UNITS)
    rows: dict[str, list[tuple[int, int, list[float]]]] = {}
    cells = _Cells(path)
    for line, name, given in _pictures(path):
        if len(given) != width:
            told = f"{len(given) + 1} cells where {width + 1} are expected"
            raise DatasetError(f"{path}, line {line}: {told}; a decimal comma, or cut off? copy the file again")
        video, frame = _frame(name, path, line)
        rows.setdefault(video, []).append((frame, line, cells.numbers(given, line)))
    for video, told in rows.items():
        told.sort(key=lambda row: row[:2])
        frames = np.array([frame for frame, _, _ in told], np.int64)
        first = np.diff(frames, prepend=-1) > 0
        notes.add(TWICE, f"{path}, {video}", int((~first).sum()))
        at = [row[1] for row in told]
        table = np.array([row[2] for row in told], np.float64)[first]
        yield video, Person(frames[first], _all_tasks(table, path, notes, [at[i] for i in np.flatnonzero(first)]))


def read_picture_list(path: Path) -> dict[str, np.ndarray]:
    """(T,) 0-based frames of each video in a list of pictures without labels."""
    found: dict[str, set[int]] = {}
    for line, name, _ in _pictures(path):
        video, frame = _frame(name, path, line)
        found.setdefault(video, set()).add(frame)
    return {video: np.array(sorted(frames), np.int64) for video, frames in found.items()}


class _Cells:
    """Numbers of cells; the few that there are again and again are read once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, float] = {}

    def numbers(self, cells: list[str], line: int) -> list[float]:
        found = [self.known.get(cell) for cell in cells]
        return [self._new(cell, line) if value is None else value for cell, value in zip(cells, found, strict=True)]

    def _new(self, cell: str, line: int) -> float:
        self.known[cell] = number(cell, f"{self.path}, line {line}")
        return self.known[cell]


def _read(path: Path, notes: Notes, width_of: Callable[[list[str]], int]) -> tuple[list[str], np.ndarray]:
    """Names in the header, and (T, n) float64, NaN where a cell is empty."""
    told = read_lines(path)
    header = [cell.strip() for cell in told[0].split(",")] if told else [""]
    if NUMBER.fullmatch(header[0]):
        raise DatasetError(f"{path} has no header, so no line is sure to be frame 1; copy the file again")
    if len(told) < 2:
        raise DatasetError(f"{path} has no line after its header; copy the file again")
    while len(header) > 1 and not header[-1]:
        header.pop()
    width, cells = width_of(header), _Cells(path)
    table = [cells.numbers(_split(line, width, path, at), at) for at, line in enumerate(told[1:], start=2)]
    values = np.array(table, np.float64)
    notes.add(BLANK, path, int(np.isnan(values).any(axis=1).sum()))
    return header, values


def _split(line: str, width: int, path: Path, at: int) -> list[str]:
    cells = line.split(",") if line.strip() else [""] * width
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    if len(cells) != width:
        told = f"{len(cells)} cells where {width} are expected"
        raise DatasetError(f"{path}, line {at}: {told}; a decimal comma, or cut off? copy the file again")
    return cells


def _pictures(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Line, picture, further cells; a header names no picture and is left out."""
    for at, line in enumerate(lines(path), start=1):
        name, *cells = line.split(",")
        if "/" in name:
            yield at, name.strip(), cells
        elif line.strip() and at > 1:
            raise DatasetError(f"{path}, line {at}: '{name}' is no video/00001.jpg; copy the file again")


def _frame(name: str, path: Path, line: int) -> tuple[str, int]:
    video, _, picture = name.rpartition("/")
    stem = picture.rpartition(".")[0] or picture
    if not re.fullmatch("[0-9]+", stem) or int(stem) < 1:
        raise DatasetError(f"{path}, line {line}: '{picture}' is no number of a frame, from 1; copy the file again")
    return video, int(stem) - 1


def _all_tasks(table: np.ndarray, path: Path, notes: Notes, at: list[int]) -> Parsed:
    notes.add(BLANK, path, int(np.isnan(table).any(axis=1).sum()))
    return {
        **_affect(table[:, 0], table[:, 1], path, notes),
        "expression": _expression(table[:, 2], CLASSES, lambda row: f"{path}, line {at[row]}"),
        "action_units": _units(table[:, 3:], UNITS, path, notes, lambda row: f"line {at[row]}"),
    }


def _affect(valence: np.ndarray, arousal: np.ndarray, path: Path, notes: Notes) -> Parsed:
    both = np.stack([valence, arousal], axis=1)
    with np.errstate(invalid="ignore"):
        inside = np.abs(both) <= 1
    valid = np.asarray(inside.all(axis=1))
    unseen = both == UNSEEN
    notes.add(ONE_ALONE, path, int((unseen.any(axis=1) & ~unseen.all(axis=1)).sum()))
    notes.add(OUTSIDE, path, int((~inside & ~unseen & ~np.isnan(both)).any(axis=1).sum()))
    return {
        "valence": Labels(np.where(valid, valence, np.nan), valid),
        "arousal": Labels(np.where(valid, arousal, np.nan), valid),
    }


def _expression(column: np.ndarray, names: tuple[str, ...], place: Callable[[int], str]) -> Labels:
    valid = ~np.isnan(column) & (column >= 0)
    wrong = valid & ((column >= len(names)) | (column != np.floor(column)))
    if wrong.any():
        row = int(wrong.argmax())
        told = f"class {column[row]:g} of {len(names)} ({', '.join(names)})"
        raise DatasetError(f"{place(row)}: {told}; is it a file of another year?")
    return Labels(np.where(valid, column, -1).astype(np.int64), valid, names)


def _units(table: np.ndarray, names: tuple[str, ...], path: Path, notes: Notes, place: Callable[[int], str]) -> Labels:
    valid = ~np.isnan(table) & (table >= 0)
    wrong = (valid & (table != 0) & (table != 1)).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise DatasetError(f"{path}, {place(row)}: an action unit is 0, 1 or -1, not {np.nanmax(table[row]):g}")
    notes.add(MIXED, path, int((valid.any(axis=1) & ~valid.all(axis=1)).sum()))
    return Labels(np.where(valid, table, math.nan), valid, names)


def _unit_names(header: list[str], path: Path) -> tuple[str, ...]:
    matches = [re.fullmatch(r"AU0*([0-9]+)", name, re.IGNORECASE) for name in header]
    names = tuple(f"AU{int(match[1]):02d}" for match in matches if match)
    if len(set(names)) < len(header):
        raise DatasetError(f"{path}, line 1: columns {', '.join(header)}; they should be AU1,AU2,...")
    return names

"""A table of your own: clips or pictures and their labels, in a CSV or Parquet file beside them."""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from avfer.datasets.clips import middle
from avfer.datasets.example import PARTITIONS, Example, Labels, Notes, Partition
from avfer.datasets.listing import PICTURES, SOUNDS, VIDEOS, natural
from avfer.datasets.shares import read_shares, shared_out
from avfer.datasets.table_columns import EXPRESSIONS, Columns, Told
from avfer.datasets.table_file import find_table, place, table_rows
from avfer.errors import ConfigError, DatasetError

ALL_TRAIN = "no column partition: all of it is train; add one, or set split=70/15/15"
OWN_CLASSES = "expressions that are none of avfer's: kept under the table's own names"
TWICE = "rows that repeat a time or frame: the first is kept"


@dataclass
class Rows:
    """The rows of one path."""

    told: Told
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    numbers: "array[float]" = field(default_factory=lambda: array("d"))  # those of one row after those of another
    classes: "array[int]" = field(default_factory=lambda: array("q"))  # -1 where there is none


@dataclass
class Survey:
    """What the whole table names, as far as it can be read."""

    classes: tuple[str, ...] = ()
    there: set[Partition] = field(default_factory=set[Partition])
    shared: dict[str, Partition] = field(default_factory=dict[str, Partition])  # person or path -> where it goes


class Table:
    """A table of your own: one row a picture, a clip, or a step of a clip; CSV or Parquet, with these columns.

    path         the clip or picture, relative to the table's folder; rows of one path belong together, in any order
    audio        sound that lies in a file of its own
    partition    train, dev (or val) or test; without this column all is train, or goes by `split`
    subject      the person, in one partition alone
    time_s       seconds of a step; or
    frame        the decoded frame of a step, counted from 0; without both a row is of the whole clip, and its
                 label stands at the middle
    valence, arousal    in [-1, 1]
    expression   by name: neutral, anger, disgust, fear, happiness, sadness, surprise, contempt, other, or your own
    au01, au02, ...     action units: 0 or 1, or an intensity up to 5

    At least path and one label are needed. An empty cell, or NaN, is a label that is not valid.
    file: the table's name, where a folder holds several. split: "70/15/15", shares of train, dev and test by subject
    (by path where there is none), always the same for the same names; or "test" for all of it.
    """

    name = "table"

    def __init__(self, root: Path | str, file: str | None = None, split: str | None = None) -> None:
        self.notes = Notes()
        self._path = find_table(root, file)
        self.root = self._path.parent
        self._columns = Columns.of(self._path, self.notes)
        by_column = "partition" in self._columns.names
        if by_column and split is not None:
            raise ConfigError(f"{self._path} has a column partition; leave out split '{split}'")
        self._shares = None if by_column else read_shares(split or "train")
        if not by_column and split is None:
            self.notes.add(ALL_TRAIN, self._path)
        self.distribution = self._path.name
        told = f"split {split} by the names of subjects" if split else "all in train"
        self.protocol = "partitions as the table tells" if by_column else told

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those that rows belong to; train where not one can be read, so that reading it tells why."""
        return tuple(partition for partition in PARTITIONS if partition in self._survey.there) or ("train",)

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Clips and pictures in natural order of their paths. DatasetError, with its line, for what cannot be read."""
        found = self._read(partition)
        for path in sorted(found, key=natural):
            yield self._example(path, partition, found.pop(path))

    def _read(self, partition: Partition) -> dict[str, Rows]:
        columns, classes = self._columns, self._survey.classes
        met: dict[str, tuple[Told, int]] = {}
        found: dict[str, Rows] = {}
        for row in table_rows(self._path, len(columns.names)):
            path, told, expression = columns.media(row), columns.told(row), columns.expression(row)
            first, line = met.setdefault(path, (told, row.line))
            if told != first:
                where = place(self._path, row.line)
                raise DatasetError(f"{where}: '{path}' has another partition, subject or audio than in line {line}")
            if self._partition(path, told) != partition:
                continue
            rows = found.setdefault(path, Rows(told))
            rows.lines.append(row.line)
            rows.numbers.extend(columns.values(row))
            rows.classes.append(-1 if expression is None else classes.index(expression))
        return found

    @cached_property
    def _survey(self) -> Survey:
        columns, survey = self._columns, Survey()
        classes, people = dict[str, str](), set[str]()
        try:
            for row in table_rows(self._path, len(columns.names)):
                path, told = columns.media(row), columns.told(row)
                people.add(told.subject or path)
                survey.there |= {told.partition} if told.partition else set()
                if name := columns.expression(row):
                    classes.setdefault(name, place(self._path, row.line))
        except DatasetError:
            pass  # told by `examples`, which reads the same rows
        own = sorted(set(classes) - set(EXPRESSIONS))
        for name in own:
            self.notes.add(OWN_CLASSES, f"{classes[name]}, '{name}'")
        if self._shares:
            survey.shared = shared_out(people, self._shares)
            survey.there = set(survey.shared.values())
        survey.classes = (*(name for name in EXPRESSIONS if name in classes), *own)
        return survey

    def _partition(self, path: str, told: Told) -> Partition:
        return told.partition or self._survey.shared[told.subject or path]

    def _example(self, path: str, partition: Partition, rows: Rows) -> Example:
        where = place(self._path, rows.lines[0])
        media, audio = self._media(path, where), self._media(rows.told.audio, where)
        numbers = np.array(rows.numbers).reshape(len(rows.lines), len(self._columns.numbers))
        ending = Path(path).suffix.lower()
        if ending in PICTURES:
            if len(rows.lines) > 1:
                raise DatasetError(f"{place(self._path, rows.lines[1])}: '{path}' has a row already; keep one")
            labels = self._labels(numbers, rows.classes, np.arange(1))
            return Example(path, partition, labels, rows.told.subject, audio=audio, pictures=(media,))
        if ending not in (*VIDEOS, *SOUNDS) or media is None:
            raise DatasetError(f"{where}: '{path}' ends like no picture ({', '.join(PICTURES)}), video or sound")
        times, frames, order = self._steps(media, numbers, rows)
        labels = self._labels(numbers, rows.classes, order)
        video = media if ending in VIDEOS else None
        return Example(path, partition, labels, rows.told.subject, video, audio or media, times=times, frames=frames)

    def _media(self, path: str, where: str) -> Path | None:
        if path and not (self.root / path).is_file():
            raise DatasetError(f"{where}: '{path}' is not in '{self.root}'; paths go from the table's folder")
        return self.root / path if path else None

    def _steps(
        self, media: Path, numbers: np.ndarray, rows: Rows
    ) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray]:
        """Times (T,) and frames (T,), and which rows (T,) they are of.   numbers: (R, C)"""
        stamps = {name: self._column(numbers, name) for name in ("frame", "time_s")}
        whole = {name: values for name, values in stamps.items() if not np.isnan(values).any()}
        if not whole and len(numbers) == 1:
            return middle(media, self.notes), None, np.arange(1)
        if not whole:
            lacking = np.isnan(stamps["frame"]) & np.isnan(stamps["time_s"])
            where = place(self._path, rows.lines[int(lacking.argmax())])
            raise DatasetError(f"{where}: one of several rows of this path, without time_s or frame as others; add it")
        key = next(iter(whole.values()))
        _, order = np.unique(key, return_index=True)
        repeated = np.setdiff1d(np.arange(len(key)), order)
        if len(repeated):
            self.notes.add(TWICE, place(self._path, rows.lines[int(repeated[0])]), len(repeated))
        times, frames = (whole[name][order] if name in whole else None for name in ("time_s", "frame"))
        return times, None if frames is None else frames.astype(np.int64), order

    def _labels(self, numbers: np.ndarray, classes: "array[int]", order: np.ndarray) -> dict[str, Labels]:
        """Of the rows in an order (T,)."""
        labels: dict[str, Labels] = {}
        for name in (name for name in ("valence", "arousal") if name in self._columns.numbers):
            labels[name] = _valid(self._column(numbers, name)[order])
        if self._survey.classes:
            index = np.array(classes, np.int64)[order]
            labels["expression"] = Labels(index, index >= 0, self._survey.classes)
        if units := self._columns.units:
            labels["action_units"] = _valid(numbers[order, -len(units) :], tuple(units.values()))
        return labels

    def _column(self, numbers: np.ndarray, name: str) -> np.ndarray:
        known = self._columns.numbers
        return numbers[:, known.index(name)] if name in known else np.full(len(numbers), math.nan)


def _valid(values: np.ndarray, names: tuple[str, ...] = ()) -> Labels:
    return Labels(values, ~np.isnan(values), names)

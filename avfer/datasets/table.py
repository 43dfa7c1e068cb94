"""A table of your own labels: clips or pictures, one row for each step, in a CSV or Parquet file beside them.

    path,subject,time_s,valence,arousal,expression
    a.mp4,s1,0.00,0.5,-0.1,happiness
    a.mp4,s1,0.04,0.5,-0.1,

The table is read twice, row by row: first for its classes and partitions, then for the rows of a partition, which are
packed into arrays. A table of millions of rows therefore needs little memory.
"""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from avfer.datasets.example import PARTITIONS, Corpus, Example, Labels, Notes, Partition
from avfer.datasets.listing import PICTURES, SOUNDS, VIDEOS, natural
from avfer.datasets.single_label import middle_time
from avfer.datasets.splits import read_percentages, split_by_percentages
from avfer.datasets.table_rows import EXPRESSIONS, PathFacts, TableColumns, find_table, location, table_rows
from avfer.errors import ConfigError, DatasetError, shortened
from avfer.local_paths import is_file

ALL_TRAIN = "no column partition: all of it is train; add one, or set split=70/15/15"
OWN_CLASSES = "expressions that avfer has no name for: kept under the table's own names"
REPEATED_STEP = "rows that repeat a time or frame: the first is kept"
STAMPS = ("frame", "time_s")  # columns that place a row in its clip


@dataclass
class PathRows:
    """The R rows of one path, packed: a table may have millions of rows."""

    facts: PathFacts  # what the rows have in common
    lines: "array[int]" = field(default_factory=lambda: array("q"))  # R
    numbers: "array[float]" = field(default_factory=lambda: array("d"))  # R * C, row after row
    classes: "array[int]" = field(default_factory=lambda: array("q"))  # R, -1 for a row without an expression


@dataclass
class Survey:
    """Classes and partitions of the whole table, as far as it can be read."""

    classes: tuple[str, ...] = ()  # expressions, in the order of the labels
    partitions: set[Partition] = field(default_factory=set[Partition])
    partition_of: dict[str, Partition] = field(
        default_factory=dict[str, Partition]
    )  # subject or path, if `split` is set


class Table(Corpus):
    """A table of your own, CSV or Parquet: path, subject, time_s or frame, valence, arousal, expression, au01, ...

    One row is a picture, a clip, or a step of a clip. The columns are:

    path         the clip or picture, relative to the table's folder; rows of one path belong together, in any order
    audio        the audio of the clip, if it is a file of its own
    partition    train, dev (or val) or test; without this column all is train, or goes by `split`
    subject      the person, in one partition alone
    time_s       seconds of a step; or
    frame        the decoded frame of a step, counted from 0; without both the row of a clip is a label for its
                 whole length
    valence, arousal    in [-1, 1]
    expression   by name: neutral, anger, disgust, fear, happiness, sadness, surprise, contempt, other, or your own
    au01, au02, ...     action units: 0 or 1, or an intensity up to 5

    At least path and one label are needed. An empty cell, NaN or n/a is a label that is not valid.
    file: name of the table, if a folder contains several.
    split: "70/15/15", percentages of train, dev and test by subject (by path without subjects), always the same for
    the same names; or "test" for all of it.

    root: the table, or its folder.
    """

    name = "table"

    def __init__(self, root: Path | str, file: str | None = None, split: str | None = None) -> None:
        self.notes = Notes()
        self._path = find_table(root, file)
        self.root = self._path.parent
        self._columns = TableColumns.read(self._path, self.notes)
        by_column = "partition" in self._columns.names
        if by_column and split is not None:
            raise ConfigError(f"{self._path} has a column partition; leave out split '{split}'")
        self._percentages = None if by_column else read_percentages(split or "train")
        if not by_column and split is None:
            self.notes.add(ALL_TRAIN, self._path)
        self.distribution = self._path.name
        by_split = f"split {split} by the names of subjects" if split else "all in train"
        self.protocol = "partitions as in the table" if by_column else by_split

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with rows; train if the table cannot be read, so that reading it raises the error."""
        return tuple(partition for partition in PARTITIONS if partition in self._survey.partitions) or ("train",)

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield clips and pictures in natural order of their paths.

        Raises DatasetError, which names the line, for a cell that cannot be read or for missing files.
        """
        found = self._read(partition)
        self._check_files(found)
        for path in sorted(found, key=natural):
            yield self._example(path, partition, found.pop(path))

    def _read(self, partition: Partition) -> dict[str, PathRows]:
        """Return the rows of a partition by path. Raises DatasetError if rows of one path contradict each other."""
        columns, classes = self._columns, self._survey.classes
        first_facts: dict[str, tuple[PathFacts, int]] = {}
        found: dict[str, PathRows] = {}
        for row in table_rows(self._path, len(columns.names)):
            path, facts, expression = columns.media(row), columns.facts(row), columns.expression(row)
            first, line = first_facts.setdefault(path, (facts, row.line))
            if facts != first:
                where = location(self._path, row.line)
                raise DatasetError(
                    f"{where}: '{path}' has another partition, subject or audio than in line {line}; make them equal"
                )
            if self._partition(path, facts) != partition:
                continue
            rows = found.setdefault(path, PathRows(facts))
            rows.lines.append(row.line)
            rows.numbers.extend(columns.values(row))
            rows.classes.append(-1 if expression is None else classes.index(expression))
        return found

    @cached_property
    def _survey(self) -> Survey:
        """Read the whole table once for its classes and partitions, up to the first row that cannot be read."""
        columns, survey = self._columns, Survey()
        classes, people = dict[str, str](), set[str]()
        try:
            for row in table_rows(self._path, len(columns.names)):
                path, facts = columns.media(row), columns.facts(row)
                people.add(facts.subject or path)
                survey.partitions |= {facts.partition} if facts.partition else set()
                if name := columns.expression(row):
                    classes.setdefault(name, location(self._path, row.line))
        except DatasetError:
            pass  # `examples` reads the same rows and raises the same error
        own = sorted(set(classes) - set(EXPRESSIONS))
        for name in own:
            self.notes.add(OWN_CLASSES, f"{classes[name]}, '{name}'")
        if self._percentages:
            survey.partition_of = split_by_percentages(people, self._percentages)
            survey.partitions = set(survey.partition_of.values())
        survey.classes = (*(name for name in EXPRESSIONS if name in classes), *own)
        return survey

    def _partition(self, path: str, facts: PathFacts) -> Partition:
        """Return the partition of a path: of its column, else by `split` for its subject, else for the path itself."""
        return facts.partition or self._survey.partition_of[facts.subject or path]

    def _example(self, path: str, partition: Partition, rows: PathRows) -> Example:
        """Return the example of a path: a picture, or a clip of one or more steps.

        Raises DatasetError for an unknown ending, or several rows of one picture.
        """
        where = location(self._path, rows.lines[0])
        media = self.root / path
        audio = self.root / rows.facts.audio if rows.facts.audio else None
        numbers = np.array(rows.numbers).reshape(len(rows.lines), len(self._columns.numbers))
        suffix = Path(path).suffix.lower()
        if suffix in PICTURES:
            if len(rows.lines) > 1:
                raise DatasetError(f"{location(self._path, rows.lines[1])}: '{path}' has a row already; keep one")
            labels = self._labels(numbers, rows.classes, np.arange(1))
            return Example(path, partition, labels, rows.facts.subject, audio=audio, pictures=(media,))
        if suffix not in (*VIDEOS, *SOUNDS):
            known = ", ".join((*PICTURES, *VIDEOS, *SOUNDS))
            raise DatasetError(f"{where}: '{path}' is neither a picture nor video nor audio; known endings: {known}")
        times, frames, order = self._steps(media, numbers, rows)
        labels = self._labels(numbers, rows.classes, order)
        video = media if suffix in VIDEOS else None
        subject, sound = rows.facts.subject, audio or media
        example = Example(path, partition, labels, subject, video, sound, times=times, frames=frames)
        return replace(example, whole_clip=not self._whole_stamps(numbers))

    def _check_files(self, found: dict[str, PathRows]) -> None:
        """Raise DatasetError, with their number and the first names, if files that the rows name are missing."""
        named = {name: rows.lines[0] for path, rows in found.items() for name in (path, rows.facts.audio) if name}
        missing = sorted((line, name) for name, line in named.items() if not is_file(self.root / name))
        if not missing:
            return
        line, name = missing[0]
        problem = f"'{name}' is not in '{self.root}'"
        if len(missing) > 1:
            listed = shortened([f"'{name}'" for _, name in missing])
            problem += f"; {len(missing)} files are missing: {listed}"
        raise DatasetError(f"{location(self._path, line)}: {problem}; write paths relative to the table's folder")

    def _steps(
        self, media: Path, numbers: np.ndarray, rows: PathRows
    ) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray]:
        """Return times (T,) float64 s or None, frames (T,) int64 or None, and the row (T,) of each step.

        numbers: (R, C). Raises DatasetError if some of several rows have no time and some have no frame.
        """
        whole = self._whole_stamps(numbers)
        if not whole and len(numbers) == 1:
            return middle_time(media, self.notes), None, np.arange(1)
        if not whole:
            stamps = {name: self._column(numbers, name) for name in STAMPS}
            name = min(stamps, key=lambda name: int(np.isnan(stamps[name]).sum()))
            where = location(self._path, rows.lines[int(np.isnan(stamps[name]).argmax())])
            problem = f"one of several rows of this path without {name}"
            remedy = "give all of them time_s, or all of them frame; or keep one row, the label of the whole clip"
            raise DatasetError(f"{where}: {problem}; {remedy}")
        key = next(iter(whole.values()))
        _, order = np.unique(key, return_index=True)
        repeated = np.setdiff1d(np.arange(len(key)), order)
        if len(repeated):
            self.notes.add(REPEATED_STEP, location(self._path, rows.lines[int(repeated[0])]), len(repeated))
        times, frames = (whole[name][order] if name in whole else None for name in ("time_s", "frame"))
        return times, None if frames is None else frames.astype(np.int64), order

    def _whole_stamps(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Return those of the columns STAMPS, (R,) each, that have a number in every row.   numbers: (R, C)"""
        stamps = {name: self._column(numbers, name) for name in STAMPS}
        return {name: values for name, values in stamps.items() if not np.isnan(values).any()}

    def _labels(self, numbers: np.ndarray, classes: "array[int]", order: np.ndarray) -> dict[str, Labels]:
        """Return the labels of the T rows in `order`.   numbers: (R, C), classes: (R,), order: (T,)"""
        labels: dict[str, Labels] = {}
        for name in (name for name in ("valence", "arousal") if name in self._columns.numbers):
            labels[name] = _valid_labels(self._column(numbers, name)[order])
        if self._survey.classes:
            index = np.array(classes, np.int64)[order]
            labels["expression"] = Labels(index, index >= 0, self._survey.classes)
        if action_units := self._columns.action_units:
            labels["action_units"] = _valid_labels(numbers[order, -len(action_units) :], tuple(action_units.values()))
        return labels

    def _column(self, numbers: np.ndarray, name: str) -> np.ndarray:
        """Return a column by name, (R,), NaN if the table does not have it.   numbers: (R, C)"""
        known = self._columns.numbers
        return numbers[:, known.index(name)] if name in known else np.full(len(numbers), math.nan)


def _valid_labels(values: np.ndarray, names: tuple[str, ...] = ()) -> Labels:
    return Labels(values, ~np.isnan(values), names)

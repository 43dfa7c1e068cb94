"""The columns of a user's table of labels, and what one row of it says."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from avfer.datasets.delimited import Row
from avfer.datasets.example import Notes, Partition
from avfer.datasets.splits import WORDS
from avfer.datasets.table_file import header, place
from avfer.datasets.text import MISSING, NUMBER, number
from avfer.errors import DatasetError
from avfer.models.class_orders import SAME

TEXTS = ("path", "audio", "partition", "subject", "expression")
UNIT = re.compile(r"au0*([1-9][0-9]?)")
INTENSE = 5.0  # the largest intensity of an action unit
EXPRESSIONS = (
    "neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "contempt", "other"
)  # fmt: skip
UNREAD = "columns that have no meaning here: not read"


class Told(NamedTuple):
    """What the rows of one path have in common."""

    partition: Partition | None  # None where there is no such column
    subject: str | None
    audio: str


@dataclass(frozen=True)
class Columns:
    """Where each column stands."""

    path: Path
    names: list[str]
    numbers: tuple[str, ...]  # "time_s", "frame", "valence", "arousal", and the action units as they are spelled
    units: dict[str, str]  # column -> "AU01"

    @classmethod
    def of(cls, path: Path, notes: Notes) -> Self:
        """Those of a file. DatasetError where it has no path, or no label."""
        names = header(path)
        units = {name: f"AU{int(match[1]):02d}" for name in names if (match := UNIT.fullmatch(name))}
        units = dict(sorted(units.items(), key=lambda unit: unit[1]))
        numbers = [name for name in ("time_s", "frame", "valence", "arousal") if name in names]
        there = ", ".join(names) or "nothing"
        if "path" not in names:
            raise DatasetError(f"{path} has no column path; its first line names: {there}; see `avfer corpora list`")
        if not ({"valence", "arousal", "expression"} & set(names) or units):
            raise DatasetError(f"{path} has no column valence, arousal, expression or au01 ...; there is: {there}")
        if len(set(units.values())) < len(units):
            raise DatasetError(f"{path}: two columns mean one action unit ({', '.join(units)}); keep one")
        for name in (name for name in names if name not in {*TEXTS, *numbers, *units}):
            notes.add(UNREAD, f"{path}, '{name}'")
        return cls(path, names, (*numbers, *units), units)

    def text(self, row: Row, name: str) -> str:
        """A cell, empty where there is no such column or the cell says that there is no value."""
        cell = row.cells[self.names.index(name)] if name in self.names else ""
        return "" if cell.lower() in MISSING else cell

    def media(self, row: Row) -> str:
        """The path that a row is of. DatasetError for a row without one."""
        if not (path := self.text(row, "path")):
            raise DatasetError(f"{place(self.path, row.line)}: no path; name the clip or picture")
        return path.replace("\\", "/")

    def told(self, row: Row) -> Told:
        """Partition, subject and sound. DatasetError for an unknown partition."""
        partition = None
        if "partition" in self.names:
            word = self.text(row, "partition")
            partition = WORDS.get(word.lower())
            if partition is None:
                where = place(self.path, row.line)
                raise DatasetError(f"{where}: partition '{word}' is unknown; write train, dev or test")
        return Told(partition, self.text(row, "subject") or None, self.text(row, "audio").replace("\\", "/"))

    def expression(self, row: Row) -> str | None:
        """The class by avfer's name (`happy` is "happiness"), or by the table's own; DatasetError for a number."""
        cell = self.text(row, "expression")
        if NUMBER.fullmatch(cell):
            where = place(self.path, row.line)
            raise DatasetError(f"{where}: expression {cell} is a number; write names, as in {', '.join(EXPRESSIONS)}")
        name = re.sub(r"[\s-]+", "_", cell.lower())
        return SAME.get(name, name) or None

    def values(self, row: Row) -> list[float]:
        """The cells of `numbers`, NaN where there is no value. DatasetError for one out of its range."""
        where = place(self.path, row.line)
        return [self._value(row, name, where) for name in self.numbers]

    def _value(self, row: Row, name: str, where: str) -> float:
        value = number(self.text(row, name), f"{where}, {name}")
        low, high = self._range(name)
        if value < low or value > high:
            told = f"[{low:g}, {high:g}]" if math.isfinite(high) else f"{low:g} and above"
            raise DatasetError(f"{where}: {name} {value:g} is outside {told}; leave cells without a value empty")
        if name == "frame" and not math.isnan(value) and not value.is_integer():
            raise DatasetError(f"{where}: frame {value:g} is no whole number; count decoded frames from 0")
        return value

    def _range(self, name: str) -> tuple[float, float]:
        if name in self.units:
            return 0.0, INTENSE
        return {"time_s": (-math.inf, math.inf), "frame": (0.0, math.inf)}.get(name, (-1.0, 1.0))

"""Rows and columns of a table of labels: a CSV (`,`, `;` or a tab between cells) or a Parquet file.

Parquet cells are converted to the text that a CSV would contain, so both formats are parsed and checked alike.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Self

from avfer.datasets.example import Notes, Partition
from avfer.datasets.listing import check_root, list_files, not_found
from avfer.datasets.splits import PARTITION_WORDS
from avfer.datasets.text_files import MISSING, NUMBER, TableRow, lines, parse_number, read_rows, same_width
from avfer.errors import ConfigError, DatasetError, unknown
from avfer.models.class_orders import SYNONYMS

SUFFIXES = (".csv", ".tsv", ".parquet")
BATCH = 4096  # rows of a Parquet file that are converted at a time
TEXT_COLUMNS = ("path", "audio", "partition", "subject", "expression")
NUMBER_COLUMNS = ("time_s", "frame", "valence", "arousal")
ACTION_UNIT = re.compile(r"au0*([1-9][0-9]?)")
MAX_FRAME = 1e9  # more are no frame numbers, but stamps of time
MAX_INTENSITY = 5.0  # of an action unit
EXPRESSIONS = (
    "neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "contempt", "other"
)  # fmt: skip
UNKNOWN_COLUMN = "columns without a known meaning: not read"


class PathFacts(NamedTuple):
    """What all rows of one path must agree on."""

    partition: Partition | None  # None without a column partition
    subject: str | None
    audio: str  # path of an audio file of its own, empty without one


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table, and the cells of a row by column."""

    path: Path  # of the table
    names: list[str]  # of all columns, in lower case
    numbers: tuple[str, ...]  # the columns of numbers: NUMBER_COLUMNS on file, then action units as they are spelled
    action_units: dict[str, str]  # column -> "AU01"

    @classmethod
    def read(cls, path: Path, notes: Notes) -> Self:
        """Read the header of a table; note unknown columns.

        Raises DatasetError without a column path, without any column of labels, or if two columns mean the same.
        """
        names = read_header(path)
        units = {name: f"AU{int(match[1]):02d}" for name in names if (match := ACTION_UNIT.fullmatch(name))}
        units = dict(sorted(units.items(), key=lambda unit: unit[1]))
        numbers = [name for name in NUMBER_COLUMNS if name in names]
        found = ", ".join(names) or "nothing"
        if "path" not in names:
            raise DatasetError(f"{path}: no column path, found: {found}; name the columns as in `avfer corpora list`")
        if not ({"valence", "arousal", "expression"} & set(names) or units):
            raise DatasetError(f"{path}: no column valence, arousal, expression or au01 ..., found: {found}; add one")
        if len(set(units.values())) < len(units):
            raise DatasetError(f"{path}: two columns mean one action unit ({', '.join(units)}); keep one")
        for name in (name for name in names if name not in {*TEXT_COLUMNS, *numbers, *units}):
            notes.add(UNKNOWN_COLUMN, f"{path}, '{name}'")
        return cls(path, names, (*numbers, *units), units)

    def text(self, row: TableRow, name: str) -> str:
        """Return the cell of a column, empty if the column is missing or the cell marks a missing value."""
        cell = row.cells[self.names.index(name)] if name in self.names else ""
        return "" if cell.lower() in MISSING else cell

    def media(self, row: TableRow) -> str:
        """Return the path of the clip or picture in one spelling: `./a.mp4` is `a.mp4`.

        Raises DatasetError if the cell is empty.
        """
        if not (path := self.text(row, "path")):
            raise DatasetError(f"{location(self.path, row.line)}: no path; name the clip or picture")
        return str(PurePosixPath(path.replace("\\", "/")))

    def facts(self, row: TableRow) -> PathFacts:
        """Return partition, subject and audio. Raises DatasetError for an unknown partition."""
        partition = None
        if "partition" in self.names:
            word = self.text(row, "partition")
            partition = PARTITION_WORDS.get(word.lower())
            if partition is None:
                where = location(self.path, row.line)
                raise DatasetError(f"{where}: partition must be train, dev or test, got '{word}'")
        return PathFacts(partition, self.text(row, "subject") or None, self.text(row, "audio").replace("\\", "/"))

    def expression(self, row: TableRow) -> str | None:
        """Return the class by avfer's name (`happy` is "happiness"), else by the table's own; None without one.

        Raises DatasetError for a number, because class numbers differ between corpora.
        """
        cell = self.text(row, "expression")
        if NUMBER.fullmatch(cell):
            where = location(self.path, row.line)
            raise DatasetError(f"{where}: expression must be a name such as {', '.join(EXPRESSIONS)}; got {cell}")
        return class_name(cell) or None

    def values(self, row: TableRow) -> list[float]:
        """Return the cells of the columns `numbers`, NaN for a missing value.

        Raises DatasetError for a value out of range: [-1, 1] valence and arousal, [0, 5] action units, [0, 1e9] frames.
        """
        where = location(self.path, row.line)
        return [self._value(row, name, where) for name in self.numbers]

    def _value(self, row: TableRow, name: str, where: str) -> float:
        value = parse_number(self.text(row, name), f"{where}, {name}")
        low, high = self._range(name)
        if value < low or value > high:
            bounds = f"[{low:g}, {high:g}]"
            raise DatasetError(f"{where}: {name} must be in {bounds}, got {value:g}; {_way_out(name)}")
        if name == "frame" and not math.isnan(value) and not value.is_integer():
            raise DatasetError(f"{where}: frame must be a whole number, got {value:g}; count decoded frames from 0")
        return value

    def _range(self, name: str) -> tuple[float, float]:
        """Return the smallest and the largest value that a column may have."""
        if name in self.action_units:
            return 0.0, MAX_INTENSITY
        return {"time_s": (-math.inf, math.inf), "frame": (0.0, MAX_FRAME)}.get(name, (-1.0, 1.0))


def class_name(text: str) -> str:
    """Return the name of an expression as avfer spells it: known synonyms replaced, in lower case, without blanks.

    >>> class_name("Happy"), class_name("mild amusement")
    ('happiness', 'mild_amusement')
    """
    name = re.sub(r"[\s-]+", "_", text.strip().lower())
    return SYNONYMS.get(name, name)


def _way_out(name: str) -> str:
    """Return what to do about a value of a column that is out of range."""
    empty = "leave cells without a value empty"
    return empty if name in ("time_s", "frame") else f"rescale the column, and {empty}"


def find_table(root: Path | str, file: str | None) -> Path:
    """Return the path of the table: the root itself, or the table in the folder `root`.

    file: name of the table if the folder contains several. Raises ConfigError if it is missing or unknown,
    DatasetError if the folder contains no table.
    """
    root = Path(root)
    if root.is_file() and root.suffix.lower() in SUFFIXES:
        return root
    found = {path.name: path for path in list_files(check_root(root), *SUFFIXES)}
    if file is not None:
        if file not in found:
            raise ConfigError(f"table in '{root}': {unknown('file', file, found)}")
        return found[file]
    if not found:
        raise not_found("table of labels", root, [f"*{suffix}" for suffix in SUFFIXES])
    if len(found) > 1:
        raise ConfigError(f"'{root}' contains several tables ({', '.join(found)}); name one: file=labels.csv")
    return next(iter(found.values()))


def read_header(path: Path) -> list[str]:
    """Return the names of the columns in lower case. Raises DatasetError if two are equal or the file is damaged."""
    if _is_parquet(path):
        given = _parquet_names(path)
    else:
        given = next(iter(read_rows(path, separator(path))), TableRow(0, [])).cells
    names = [name.strip().lower() for name in given]
    if twice := {name for name in names if name and names.count(name) > 1}:
        raise DatasetError(f"{path}: two columns are called {', '.join(sorted(twice))}; keep one")
    return names


def table_rows(path: Path, width: int) -> Iterator[TableRow]:
    """Yield all rows below the header, one at a time, `width` cells each.

    Raises DatasetError, which names the line, for a row of another width or a damaged file.
    """
    if _is_parquet(path):
        yield from _parquet_rows(path)
        return
    table = read_rows(path, separator(path))
    next(table, None)
    for row in table:
        yield TableRow(row.line, same_width(row, width, path))


def location(path: Path, line: int) -> str:
    """Return the location of a row for messages: the line of a CSV, header counted; the row of a Parquet, from 1."""
    return f"{path}, {'row' if _is_parquet(path) else 'line'} {line}"


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def separator(path: Path) -> str:
    """Return the separator that occurs most often in the first line."""
    first = next((text for text in lines(path) if text.strip()), "")
    return max((",", ";", "\t"), key=first.count)


def _parquet_names(path: Path) -> list[str]:
    import pyarrow.parquet

    try:
        return list(pyarrow.parquet.read_schema(path).names)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is not a Parquet file: {' '.join(str(error).split())}; write it again") from error


def _parquet_rows(path: Path) -> Iterator[TableRow]:
    """Yield the rows of a Parquet file as text, counted from 1. Raises DatasetError if it is damaged."""
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            row = 0
            for batch in file.iter_batches(batch_size=BATCH):
                for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    row += 1
                    yield TableRow(row, [_to_text(cell) for cell in cells])
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {' '.join(str(error).split())}; write it again") from error


def _to_text(cell: object) -> str:
    """Return the text of a Parquet cell as a CSV would contain it."""
    if cell is None:
        return ""
    return str(int(cell) if isinstance(cell, bool) else cell).strip()

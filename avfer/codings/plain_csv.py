"""Codings in CSV or TSV: one row a mark, or one row a time with a column for each tier.

    tier,start,stop,value            time_s,valence,expression,au12
    AU12,1.20,2.40,                  0.00,0.10,neutral,0
    expression,0.00,1.20,neutral     0.04,0.12,neutral,1

`stop` may be `end`, and an empty or missing stop makes a point. The columns `clip` (or `path`) and `subject` are
optional in both; other columns of marks are ignored.
"""

import math
from collections.abc import Iterator
from pathlib import Path

from avfer.codings.coding import Coding, Mark, Tier, base_name
from avfer.datasets.table_rows import location, read_header, table_rows
from avfer.datasets.text_files import parse_number
from avfer.errors import DatasetError

SYNONYMS = {"path": "clip", "end": "stop", "time": "time_s", "label": "value", "behavior": "tier", "behaviour": "tier"}
KEYS = frozenset({"clip", "subject", "time_s"})


class PlainCsvFormat:
    """Reads a table of marks, or a table of times; `clip` in it separates the codings of several clips."""

    suffixes = (".csv", ".tsv")

    @staticmethod
    def fits(path: Path) -> bool:
        """Return whether the header has the columns of one of the two layouts."""
        names = _names(path)
        return {"tier", "start"} <= set(names) or ("time_s" in names and bool(set(names) - KEYS))

    @staticmethod
    def read(path: Path) -> list[Coding]:
        """Return the coding of each clip. Raises DatasetError, which names the line, for a cell that is wrong."""
        names = _names(path)
        if len(set(names)) < len(names):
            raise DatasetError(f"{path}: two columns have the same meaning ({', '.join(names)}); remove one of them")
        found: dict[str, dict[tuple[str, str], list[Mark]]] = {}  # clip -> tier and subject -> marks
        for clip, subject, tier, mark in _marks(path, names):
            found.setdefault(clip, {}).setdefault((tier, subject), []).append(mark)
        return [Coding(path, base_name(clip), _tiers(path, tiers)) for clip, tiers in found.items()]


def _names(path: Path) -> list[str]:
    """Return the columns of a file in lower case, synonyms replaced."""
    return [SYNONYMS.get(name, name) for name in read_header(path)]


def _marks(path: Path, names: list[str]) -> Iterator[tuple[str, str, str, Mark]]:
    """Yield clip, subject, tier and mark of every row, or of every cell that is not empty."""
    by_mark = "tier" in names
    columns = [] if by_mark else [(index, name) for index, name in enumerate(names) if name not in KEYS]
    for row in table_rows(path, len(names)):
        cells = dict(zip(names, row.cells, strict=True))
        clip, subject, where = cells.get("clip", ""), cells.get("subject", ""), location(path, row.line)
        if by_mark:
            start = _seconds(cells["start"], f"{where}, start")
            stop = parse_number(cells.get("stop", ""), f"{where}, stop")
            yield clip, subject, cells["tier"], Mark(start, start if math.isnan(stop) else stop, cells.get("value", ""))
            continue
        time = _seconds(cells["time_s"], f"{where}, time_s")
        for index, name in columns:
            if row.cells[index]:
                yield clip, subject, name, Mark(time, time, row.cells[index])


def _seconds(cell: str, where: str) -> float:
    """Return a time. Raises DatasetError if the cell is empty or not a number."""
    seconds = parse_number(cell, where)
    if math.isnan(seconds):
        raise DatasetError(f"{where}: the time is missing; write it in seconds")
    return seconds


def _tiers(path: Path, tiers: dict[tuple[str, str], list[Mark]]) -> tuple[Tier, ...]:
    return tuple(
        Tier.from_marks(name, marks, f"{path}, tier '{name}'", subject) for (name, subject), marks in tiers.items()
    )

"""Rows of the events that BORIS exports as TSV or CSV, of all its versions, in tabular and in aggregated form.

Before version 8 the tabular form has facts of the observation above its header; the names of some columns have changed.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from avfer.codings.coding import base_name
from avfer.datasets.table_rows import separator
from avfer.datasets.text_files import TableRow, parse_number, read_rows, same_width
from avfer.errors import DatasetError

MAX_HEAD = 1000  # rows above the header: media files and independent variables
KINDS = ("START", "STOP", "POINT", "STATE")
COLUMNS = {  # what a column has -> its names in lower case, the newest first
    "observation": ("observation id",),
    "media": ("media file name", "media file path", "media file", "media file(s)", "source"),
    "subject": ("subject",),
    "behaviour": ("behavior",),
    "kind": ("behavior type", "status"),
    "time": ("time", "start (s)", "start"),
    "stop": ("stop (s)", "stop"),
    "offset": ("time offset (s)",),
}
NO_SUBJECT = "no focal subject"


class Event(NamedTuple):
    """One event of an observation."""

    observation: str
    media: str  # file name; empty if unknown
    subject: str  # empty without one
    behaviour: str
    modifiers: str  # joined with `|`
    kind: str  # "START", "STOP", "POINT", "STATE", or "TOGGLE" for a state that starts if it does not run
    time: float  # s
    stop: float = math.nan  # s, of a "STATE"


def is_export(path: Path) -> bool:
    """Return whether a table is an export of events of BORIS by its header."""
    return _header(path)[0] is not None


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of an export. Raises DatasetError, which names the line, for a cell that is wrong."""
    header, facts = _header(path)
    if header is None:
        raise DatasetError(f"{path}: no header with the columns Behavior, Subject, Time or Start (s); export it again")
    names = [name.lower() for name in header.cells]
    modifiers = [index for index, name in enumerate(names) if name.startswith("modifier")]
    for row in read_rows(path, separator(path)):
        if row.line <= header.line:
            continue
        cells = same_width(row, len(names), path)
        found = facts | dict(zip(names, cells, strict=True))
        values = {column: _first(found, known) for column, known in COLUMNS.items()}
        yield _event(values, "|".join(cells[index] for index in modifiers), f"{path}, line {row.line}")


def _first(cells: dict[str, str], names: tuple[str, ...]) -> str:
    """Return the cell of the first of some columns that exists, empty if none does."""
    return next((cells[name] for name in names if name in cells), "")


def _event(values: dict[str, str], modifiers: str, where: str) -> Event:
    kind = values["kind"].upper()
    if kind not in KINDS:
        raise DatasetError(
            f"{where}: the type must be one of {', '.join(KINDS)}, got '{kind}'; export the events again"
        )
    times = [parse_number(values["time"], where), parse_number(values["stop"], where)]
    if math.isnan(times[0]) or (kind == "STATE" and math.isnan(times[1])):
        raise DatasetError(f"{where}: the event has no time; repair the observation in BORIS")
    offset = parse_number(values["offset"], where)
    start, stop = (time - (0.0 if math.isnan(offset) else offset) for time in times)
    subject = "" if values["subject"].lower() == NO_SUBJECT else values["subject"]
    media = media_name(values["media"])
    return Event(values["observation"], media, subject, values["behaviour"], modifiers, kind, start, stop)


def media_name(source: str) -> str:
    """Return the file name of the first player.

    >>> media_name("player #1:videos/talk.mp4;player #2:side.mp4")
    'talk.mp4'
    """
    first = source.split(";")[0]
    return base_name(first.partition(":")[2] if first.lower().startswith("player #") else first)


def _header(path: Path) -> tuple[TableRow | None, dict[str, str]]:
    """Return the header, None without one, and the facts in the rows above it by name in lower case."""
    facts: dict[str, str] = {}
    for index, row in enumerate(read_rows(path, separator(path))):
        names = {cell.lower() for cell in row.cells}
        if all(names & set(COLUMNS[needed]) for needed in ("behaviour", "time", "kind")):
            return row, facts
        if index > MAX_HEAD:
            break
        if len(row.cells) > 1:
            facts.setdefault(row.cells[0].lower(), row.cells[1])
    return None, facts

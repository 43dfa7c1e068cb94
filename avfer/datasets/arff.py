"""ARFF, the format of AVEC's labels: names of columns up to `@data`, however long the header is, then rows."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avfer.datasets.text import lines
from avfer.errors import DatasetError

NAME = r"""(?:'([^']*)'|"([^"]*)"|([^'"{\s][^{]*?)(?=[\s{]))"""
ATTRIBUTE = re.compile(rf"@attribute\s+{NAME}\s*(?:\{{.*\}}|[^\s'\"{{}}]+)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """The columns of a file, and its rows as text."""

    names: tuple[str, ...]  # as spelled
    rows: list[tuple[int, list[str]]]  # line of the file, cells without quotes and blanks around


def read(path: Path) -> Table:
    """All of an ARFF file. DatasetError where it has no `@data`, no rows, or a row of another width."""
    numbered = ((number, line.strip()) for number, line in enumerate(lines(path), start=1))
    told = ((number, line) for number, line in numbered if line and not line.startswith("%"))
    names = _header(told, path)
    rows = [(number, _cells(line)) for number, line in told]
    for number, cells in rows:
        if len(cells) != len(names):
            place = f"{path}, line {number}"
            raise DatasetError(f"{place}: {len(cells)} cells for {len(names)} attributes; a decimal comma, or cut off?")
    if not rows:
        raise DatasetError(f"{path} ends with its header: no row follows @data; copy it again")
    return Table(names, rows)


def _header(told: Iterator[tuple[int, str]], path: Path) -> tuple[str, ...]:
    names: list[str] = []
    for number, line in told:
        word = line.split(maxsplit=1)[0].lower()
        if word == "@data":
            return tuple(names)
        if word == "@attribute":
            match = ATTRIBUTE.fullmatch(line)
            if match is None:
                raise DatasetError(f"{path}, line {number}: no name and type in '{line}'; copy the file again")
            names.append(next(name for name in match.groups() if name is not None).strip())
        elif word != "@relation":
            raise DatasetError(f"{path}, line {number}: '{line[:40]}' stands before @data; is this an ARFF file?")
    raise DatasetError(f"{path} has no line @data; it is no ARFF file, or was cut off: copy it again")


def _cells(line: str) -> list[str]:
    quote = "'" if "'" in line else '"'
    return [cell.strip() for cell in next(csv.reader([line], quotechar=quote, skipinitialspace=True))]

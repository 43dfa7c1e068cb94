"""The votes of CREMA-D's raters: processedResults/tabulatedVotes.csv."""

from pathlib import Path

import numpy as np

from avfer.datasets.delimited import rows, same_width
from avfer.datasets.example import Notes
from avfer.datasets.text import integer
from avfer.errors import DatasetError

CLASSES = ("neutral", "anger", "disgust", "fear", "happiness", "sadness")
LETTERS = ("N", "A", "D", "F", "H", "S")  # the columns, in the order of the classes
KIND = 100_000  # a row's number is this times what the raters got (1 voice, 2 face, 3 both), plus that of the clip
TWICE = "rows of votes that repeat a clip: the first is kept"


def read_votes(path: Path, kind: int, notes: Notes) -> dict[str, np.ndarray]:
    """How many raters voted for each class, (6,) float64, by clip; of the raters of one kind."""
    table = rows(path)
    header = next(table, None)
    names = header.cells if header else []
    lacking = [name for name in (*LETTERS, "fileName") if name not in names]
    if lacking or names[0] not in {"", "X"}:
        told = f"no column {', '.join(lacking)}" if lacking else "the first column is not that of row numbers"
        raise DatasetError(f"{path}, line 1: {told}; copy processedResults/tabulatedVotes.csv again")
    columns, clip = [names.index(letter) for letter in LETTERS], names.index("fileName")
    votes: dict[str, np.ndarray] = {}
    for row in table:
        cells, where = same_width(row, len(names), path), f"{path}, line {row.line}"
        if integer(cells[0], where) // KIND != kind:
            continue
        name = cells[clip].removesuffix(".flv")
        if name in votes:
            notes.add(TWICE, where)
            continue
        counts = [integer(cells[column], where) for column in columns]
        if min(counts) < 0:
            raise DatasetError(f"{where}: {min(counts)} votes; copy the file again")
        votes[name] = np.array(counts, np.float64)
    return votes

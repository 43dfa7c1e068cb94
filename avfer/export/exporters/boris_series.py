"""Time-value files for BORIS, which plots them beside the video ("External data files").

BORIS 8 reads text with tabs and one header line, needs at least two different times, and draws nothing if a value is
missing. So each person has a file of their own, with the rows on which every column has a value; without
any such row it is the header alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from avfer.atomic import atomic_write
from avfer.export import beside
from avfer.export.column_facts import check_series
from avfer.export.person_rows import PersonRows
from avfer.export.single_clip import single_clip
from avfer.export.text_cells import number_cells, time_cell, write_cells


@dataclass
class BorisSeries:
    """Exporter "boris": `time_s` and the chosen columns; BORIS plots column 1 against column 2, 3, ...

    columns: names of columns with numbers. The person with the most rows is in the file itself, every other one in
    `STEM.LABEL.tsv`, such as `talk.person_2.tsv`. Times are rounded to 1 microsecond.
    """

    columns: tuple[str, ...] = ("valence", "arousal")
    suffix: ClassVar[str] = ".boris.tsv"
    needs_frames: ClassVar[bool] = False

    def side_files(self, table: pa.Table, path: Path) -> list[Path]:
        """Return the paths of the persons after the first."""
        return [self._path(person, path) for person in self._people(table)[1:]]

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write the series; the clip is not read.

        Raises ConfigError for several clips, DatasetError for columns without numbers, OutputError if writing fails.
        """
        main, *others = self._people(table)
        check_series(table, self.columns)
        for person in (*others, main):
            values = np.stack([person.numbers(name) for name in self.columns])
            known = ~np.isnan(values).any(axis=0)
            cells = [[time_cell(time) for time in person.starts[known]], *(number_cells(row[known]) for row in values)]
            with atomic_write(path if person is main else self._path(person, path)) as part:
                write_cells(part, ("time_s", *self.columns), cells, "\t")

    def _people(self, table: pa.Table) -> list[PersonRows]:
        """Return the people of the clip, the one with the most rows first."""
        return sorted(single_clip(table).people, key=len, reverse=True)

    def _path(self, person: PersonRows, path: Path) -> Path:
        return beside(path, f".{person.label.replace(' ', '_')}.tsv")

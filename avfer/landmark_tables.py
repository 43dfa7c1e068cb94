"""The second table of a clip: the landmarks of each face, where a pipeline adds them (`add_measures`, `landmarks`).

`avfer run` writes `talk.landmarks.parquet` beside `talk.parquet`, so that the latter stays readable; `avfer label`
writes `landmarks/talk.parquet` beside the folder `clips`.
"""

from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from avfer.arrow_columns import number_column, repeated_text
from avfer.export.table_reader import LANDMARKS
from avfer.export.table_writer import TableWriter

if TYPE_CHECKING:  # this imports torch
    from avfer.affect_track import AffectTrack


def landmarks_beside(table: Path) -> Path:
    """Return the path of the landmarks of a table: "talk.parquet" -> "talk.landmarks.parquet"."""
    return table.with_name(f"{table.stem}{LANDMARKS}{table.suffix}")


def landmark_table(track: "AffectTrack") -> pa.Table:
    """Return the landmarks of a part of a clip: a row for each face that has them, ordered by frame, then track.

    Columns: clip, source, frame, time_s, track as in the table of the clip, of which source, frame and track together
    identify a row; then float32 px of the displayed picture, `x1` and `y1` for point 1 of MediaPipe's face mesh and so
    on: 292 columns for 146 points.
    """
    from avfer.models.face_measurer import LANDMARK_INDEX

    faces, clock = track.faces, track.clock
    rows = np.flatnonzero(np.isfinite(track.landmarks).all((1, 2)))
    rows = rows[np.lexsort((faces.track_ids[rows], faces.frames[rows]))]
    instants = faces.frames[rows] - clock.first
    clip = track.source.clip if track.source else None
    columns: dict[str, pa.Array] = {
        "clip": repeated_text(clip, len(rows)),
        "source": repeated_text((track.source.source if track.source else None) or clip, len(rows)),
        "frame": number_column(clock.frame_numbers[instants].astype(np.int64)),
        "time_s": number_column(clock.times[instants].astype(np.float64)),
        "track": number_column(faces.track_ids[rows].astype(np.int32)),
    }
    for column, point in enumerate(LANDMARK_INDEX):
        for axis, name in enumerate("xy"):
            columns[f"{name}{point}"] = number_column(track.landmarks[rows, column, axis].astype(np.float32))
    metadata = track.source.as_metadata() if track.source else None
    return pa.table(columns).replace_schema_metadata(metadata)


class LandmarkTables:
    """Writes the landmarks of a clip; no file is made if the pipeline adds none.

    stack: completes the files when the clip is finished. files: format -> file.
    """

    def __init__(self, stack: ExitStack, files: Mapping[str, Path]) -> None:
        self._stack, self._files = stack, files
        self._writers: list[TableWriter] = []

    @property
    def written(self) -> list[Path]:
        """The files that hold landmarks; complete once the stack is closed."""
        return [writer.path for writer in self._writers]

    def write_each(self, tracks: "Iterable[AffectTrack]") -> "Generator[AffectTrack]":
        """Write the landmarks of each part of a clip, then yield the part. Raises OutputError if writing fails."""
        for track in tracks:
            if track.landmarks.shape[1]:
                self._append(landmark_table(track))
            yield track

    def _append(self, table: pa.Table) -> None:
        if not self._writers:
            self._writers = [self._stack.enter_context(TableWriter(path, name)) for name, path in self._files.items()]
        for writer in self._writers:
            writer.append(table)

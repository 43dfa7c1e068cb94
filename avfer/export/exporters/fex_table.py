"""The table of py-feat: the columns of a Fex data frame (detector "Feat", py-feat 0.7), without identity embeddings.

What avfer does not measure is blank; a note beside the file lists it and states the scales.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from avfer.atomic import atomic_write
from avfer.export import beside
from avfer.export.column_facts import SCALES, action_unit_scale, check_columns
from avfer.export.person_rows import column_numbers
from avfer.export.text_cells import number_cells, without_formula, write_cells

POINTS = 68
UNITS = ("01", "02", "04", "05", "06", "07", "09", "10", "11", "12", "14", "15", "17", "20", "23", "24", "25", "26")
EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
POSE = {"Pitch": "pitch_deg", "Roll": "roll_deg", "Yaw": "yaw_deg"}
COLUMNS = (
    *("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"),
    *(f"{axis}_{point}" for axis in "xy" for point in range(POINTS)),
    *(*POSE, "X", "Y", "Z"),
    *(f"AU{unit}" for unit in (*UNITS, "28", "43")),
    *EMOTIONS,
    *("input", "frame", "approx_time", "Identity"),
)


@dataclass
class FexTable:
    """Exporter "fex": one row for each frame and face, and a note beside the file (`STEM.note.txt`)."""

    suffix: ClassVar[str] = ".fex.csv"
    needs_frames: ClassVar[bool] = False

    def side_files(self, table: pa.Table, path: Path) -> list[Path]:
        """Return the path of the note."""
        return [beside(path, ".note.txt")]

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write the table and the note; the clip itself is not read.

        Raises DatasetError for a table without frames, OutputError if writing fails.
        """
        check_columns(table, ["frame"])
        rows = table.filter(table["frame"].is_valid())
        cells = _cells(rows)
        empty = [""] * len(rows)
        blank = [name for name in COLUMNS if not any(cells.get(name, ()))]
        with atomic_write(self.side_files(table, path)[0]) as part:
            part.write_text(_note(table, clip, len(rows), blank), encoding="utf-8")
        with atomic_write(path) as part:
            write_cells(part, COLUMNS, (cells.get(name, empty) for name in COLUMNS))


def _cells(rows: pa.Table) -> dict[str, list[str]]:
    """Return the columns with values: name in py-feat -> cells of the R rows."""
    x1, y1, x2, y2 = (column_numbers(rows, f"face_{side}") for side in ("x1", "y1", "x2", "y2"))
    numbers: dict[str, np.ndarray] = {
        "FaceRectX": x1,
        "FaceRectY": y1,
        "FaceRectWidth": x2 - x1,
        "FaceRectHeight": y2 - y1,
        "FaceScore": column_numbers(rows, "face_score"),
        "AU43": column_numbers(rows, "eye_closed"),
    }
    numbers |= {name: column_numbers(rows, column) for name, column in POSE.items()}
    numbers |= {f"AU{unit}": column_numbers(rows, f"au{unit}") for unit in (*UNITS, "28")}
    numbers |= {name: column_numbers(rows, f"p_{name}") for name in EMOTIONS}
    cells = {name: number_cells(values) for name, values in numbers.items()}
    cells["input"] = [without_formula(clip or "") for clip in rows["clip"].to_pylist()]
    cells["frame"] = [str(frame) for frame in rows["frame"].to_pylist()]
    cells["approx_time"] = [_minutes(time) for time in rows["time_s"].to_pylist()]
    cells["Identity"] = _identities(rows)
    return cells


def _identities(rows: pa.Table) -> list[str]:
    """Return "Person_1" and so on for the rows with a person, blank for others."""
    if "person" not in rows.column_names:
        return [""] * len(rows)
    return ["" if person is None else f"Person_{person}" for person in rows["person"].to_pylist()]


def _minutes(seconds: float) -> str:
    """Return a time as minutes and seconds, rounded to 1 ms: "01:02.500", and "-00:00.040" before the first frame."""
    minutes, rest = divmod(round(abs(seconds) * 1000), 60_000)
    return f"{'-' if seconds < 0 else ''}{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _note(table: pa.Table, clip: Path, rows: int, blank: list[str]) -> str:
    """Return the text of the note.   rows: number written; blank: columns without a value"""
    points = [name for name in blank if name.startswith(("x_", "y_"))]
    others = [name for name in blank if name not in points]
    listed = [*([f"x_0 to x_{POINTS - 1}", f"y_0 to y_{POINTS - 1}"] if points else []), *others]
    lines = [
        f"Table of {' '.join(clip.name.split())!r} in the columns of py-feat's Fex, written by avfer.",
        "The values are those of avfer, not of py-feat; what avfer does not measure is blank.",
        "",
        "FaceRect...: our face box in px of the displayed picture. FaceScore: score of the face detection.",
        "Pitch, Roll, Yaw: our angles in degrees; pitch is positive upwards, roll clockwise as seen, yaw to the"
        " picture's right. Versions of py-feat differ in unit and sign.",
        f"Action units: {SCALES[action_unit_scale(table)]}. AU43 is our eye_closed.",
        "Emotions: our probabilities. Those of classes that py-feat does not have, such as contempt, are left out, and"
        " then the rest does not sum to 1.",
        "approx_time: our time_s, rounded to 0.001 s. Identity: our person. Identity_1 to Identity_512: left out.",
        f"Rows without a decoded frame (sound alone) are left out: {len(table) - rows}.",
        "",
        f"Blank columns ({len(blank)} of {len(COLUMNS)}): {', '.join(listed)}.",
    ]
    return "\n".join(lines) + "\n"

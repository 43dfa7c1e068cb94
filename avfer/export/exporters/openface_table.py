"""The table of OpenFace 2: the columns of FeatureExtraction's CSV, in its order, with what avfer measures in them.

Columns and order are those of OpenFace 2.2 (RecorderCSV.cpp) with all of its outputs switched on. What avfer does not
measure is blank; a note beside the file lists it, and says how every other column was converted.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from avfer.atomic import atomic_write
from avfer.export import beside
from avfer.export.column_facts import NOT_AN_INTENSITY, SCALES, action_unit_scale, check_columns
from avfer.export.person_rows import column_numbers
from avfer.export.single_clip import single_clip
from avfer.export.text_cells import number_cells, time_cell, write_cells
from avfer.metrics.action_units import OCCURRENCE_THRESHOLD
from avfer.option_types import Share

EYE_POINTS, FACE_POINTS, SHAPE_PARAMETERS = 56, 68, 34
INTENSITIES = ("01", "02", "04", "05", "06", "07", "09", "10", "12", "14", "15", "17", "20", "23", "25", "26", "45")
PRESENCES = tuple(sorted((*INTENSITIES, "28")))
RADIANS = {  # column of OpenFace -> (ours in degrees, factor): its axes point right, down and away from the camera
    "gaze_angle_x": ("gaze_yaw_deg", 1),
    "gaze_angle_y": ("gaze_pitch_deg", -1),
    "pose_Rx": ("pitch_deg", -1),
    "pose_Ry": ("yaw_deg", -1),
    "pose_Rz": ("roll_deg", 1),
}
COLUMNS = (
    *("frame", "face_id", "timestamp", "confidence", "success"),
    *(f"gaze_{eye}_{axis}" for eye in (0, 1) for axis in "xyz"),
    *("gaze_angle_x", "gaze_angle_y"),
    *(f"eye_lmk_{axis}_{point}" for axis in "xyXYZ" for point in range(EYE_POINTS)),
    *("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz"),
    *(f"{axis}_{point}" for axis in "xyXYZ" for point in range(FACE_POINTS)),
    *("p_scale", "p_rx", "p_ry", "p_rz", "p_tx", "p_ty"),
    *(f"p_{index}" for index in range(SHAPE_PARAMETERS)),
    *(f"AU{unit}_r" for unit in INTENSITIES),
    *(f"AU{unit}_c" for unit in PRESENCES),
)


@dataclass
class OpenFaceTable:
    """Exporter "openface": one row for each frame and face, and a note beside the file (`STEM.note.txt`).

    presence: the value above which AUxx_c is 1. By default AUxx_c is blank where the table has activations, and 1 above
    0.5, as in the metrics, where it has probabilities of occurrence.
    """

    presence: Share | None = None
    suffix: ClassVar[str] = ".openface.csv"
    needs_frames: ClassVar[bool] = False

    def side_files(self, table: pa.Table, path: Path) -> list[Path]:
        """Return the path of the note."""
        return [beside(path, ".note.txt")]

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write the table and the note; the clip itself is not read.

        Raises ConfigError for several clips, as the columns do not name the clip, DatasetError for a table without
        frames, OutputError if writing fails.
        """
        single_clip(table)
        check_columns(table, ["frame"])
        rows = table.filter(table["frame"].is_valid())
        scale = action_unit_scale(table)
        cells = self._cells(rows, scale)
        blank = [name for name in COLUMNS if not any(cells.get(name, ()))]
        empty = [""] * len(rows)
        with atomic_write(self.side_files(table, path)[0]) as part:
            part.write_text(self._note(table, clip, scale, len(rows), blank), encoding="utf-8")
        with atomic_write(path) as part:
            write_cells(part, COLUMNS, (cells.get(name, empty) for name in COLUMNS))

    def _cells(self, rows: pa.Table, scale: str) -> dict[str, list[str]]:
        """Return the columns with values: name in OpenFace -> cells of the R rows.   scale: of the action units"""
        found = rows["track"].is_valid().to_pylist()
        cells = {
            "frame": [str(frame + 1) for frame in rows["frame"].to_pylist()],
            "face_id": ["" if face is None else str(face) for face in rows[_face_column(rows)].to_pylist()],
            "timestamp": [time_cell(time) for time in rows["time_s"].to_pylist()],
            "confidence": number_cells(column_numbers(rows, "face_score")),
            "success": [str(int(one)) for one in found],
        }
        for name, (column, factor) in RADIANS.items():
            cells[name] = number_cells(factor * np.radians(column_numbers(rows, column)))
        threshold = self._threshold(scale)
        for unit in PRESENCES:
            values = column_numbers(rows, f"au{unit}")
            if unit in INTENSITIES and scale != "occurrence":
                cells[f"AU{unit}_r"] = number_cells(values)
            if threshold is not None:
                cells[f"AU{unit}_c"] = number_cells(np.where(np.isnan(values), np.nan, values > threshold))
        return cells

    def _threshold(self, scale: str) -> float | None:
        """Return the value above which an action unit is present, None if that is not decided."""
        return OCCURRENCE_THRESHOLD if self.presence is None and scale == "occurrence" else self.presence

    def _note(self, table: pa.Table, clip: Path, scale: str, rows: int, blank: list[str]) -> str:
        """Return the text of the note.   rows: number written; blank: columns without a value"""
        threshold = self._threshold(scale)
        present = f"1 above {threshold:g}" if threshold is not None else "blank; --set presence=T writes 1 above T"
        intensity = (
            "blank, because a probability is no intensity" if scale == "occurrence" else "the values as they are"
        )
        lines = [
            f"Table of {' '.join(clip.name.split())!r} in the columns of OpenFace 2.2, written by avfer.",
            "The values are those of avfer, not of OpenFace; what avfer does not measure is blank.",
            "",
            "frame: index of the decoded frame plus 1, as OpenFace counts from 1.",
            f"face_id: our column {_face_column(table)}; blank on frames without a face.",
            "timestamp: our time_s, rounded to 0.000001 s.",
            "confidence: score of the face detection, not of landmarks.",
            "success: 1 where a face was found. Frames without a face are blank, where OpenFace writes 0.",
            "gaze_angle_x, gaze_angle_y, pose_Rx, pose_Ry, pose_Rz: our angles in radians, with the signs of OpenFace"
            " (x right, y down, z away from the camera): positive gaze_angle_x to the picture's right, gaze_angle_y"
            " down, pose_Rx down, pose_Ry to the picture's left, pose_Rz clockwise as seen.",
            f"Action units: {SCALES[scale]}. {NOT_AN_INTENSITY}, and OpenFace's intensities go from 0 to 5.",
            f"AUxx_r: {intensity}. AUxx_c: {present}.",
            f"Rows without a decoded frame (sound alone) are left out: {len(table) - rows}.",
            "",
            f"Blank columns ({len(blank)} of {len(COLUMNS)}): {', '.join(_ranges(blank))}.",
        ]
        return "\n".join(lines) + "\n"


def _face_column(table: pa.Table) -> str:
    """Return the column with the ids of the faces: "person" if every face has a person, else "track"."""
    if "person" not in table.column_names:
        return "track"
    return "person" if table["person"].null_count == table["track"].null_count else "track"


def _ranges(names: Iterable[str]) -> list[str]:
    """Return names with consecutive numbers as ranges: ["x_0 to x_67", "AU09_r"]."""
    runs: list[list[str]] = []
    for name in names:
        number = re.fullmatch(r"(.*_)(\d+)", name)
        before = re.fullmatch(r"(.*_)(\d+)", runs[-1][-1]) if runs else None
        follows = number and before and number[1] == before[1] and int(number[2]) == int(before[2]) + 1
        if follows:
            runs[-1].append(name)
        else:
            runs.append([name])
    return [run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]

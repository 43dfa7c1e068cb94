"""Tables as `avfer run` writes them, for the tests of exporters: made by hand, with the columns of measured faces."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from avfer.export import HasSideFiles, find_exporter
from avfer.export.person_rows import clips_of
from avfer.export.table_segments import EVENTS, find_segments

HOSTILE = "=cmd|' C calc'!A0 <img src=x onerror=alert(1)> --> \"q\" \u202egpj.mp4"
NUMBERS = ("face_score", "face_x1", "face_y1", "face_x2", "face_y2", "valence", "arousal", "p_neutral", "p_happiness")
MEASURES = ("au01", "au12", "au45", "yaw_deg", "pitch_deg", "roll_deg", "gaze_yaw_deg", "gaze_pitch_deg", "eye_closed")


def make_table(
    times: list[float],
    rows: list[tuple[int, int | None]],
    *,
    clip: str = "talk.mp4",
    scale: str | None = "activation",
    measures: bool = True,
) -> pa.Table:
    """Return a table with a row for each (frame, person); person None: no face. times: s, of each frame.

    Values are smooth waves with missing ones: valence and AU01 of every seventh row of a face are null.
    """
    n = len(rows)
    frames, persons = np.array([frame for frame, _ in rows]), [person for _, person in rows]
    face = np.array([person is not None for person in persons])
    phase = np.array([person or 0 for person in persons])
    wave = np.sin(frames / 5 + phase)
    happy = np.where(wave > 0, 0.5 + wave / 2, 0.1)
    values = {
        "face_score": np.full(n, 0.97),
        **{f"face_{side}": 10.0 * number + frames / 3 for number, side in enumerate(("x1", "y1", "x2", "y2"), 1)},
        "valence": wave,
        "arousal": wave / 3,
        "p_neutral": 1 - happy,
        "p_happiness": happy,
        "au01": np.abs(wave) / 7,
        "au12": np.maximum(wave, 0),
        "au45": np.where(frames % 20 == 10, 0.9, 0.02),
        "yaw_deg": 20 * wave,
        "pitch_deg": 10 * wave,
        "roll_deg": -5 * wave,
        "gaze_yaw_deg": 8 * wave,
        "gaze_pitch_deg": 4 * wave,
        "eye_closed": np.where(frames % 20 == 10, 0.9, 0.02),
    }
    missing = dict.fromkeys(values, ~face)
    for name in ("valence", "au01"):
        missing[name] = missing[name] | (np.arange(n) % 7 == 3)
    columns: dict[str, pa.Array] = {
        "clip": pa.array([clip] * n, pa.string()),
        "frame": pa.array(frames, pa.int64()),
        "time_s": pa.array(np.array(times)[frames], pa.float64()),
        "track": pa.array([None if person is None else person + 10 for person in persons], pa.int32()),
        "person": pa.array(persons, pa.int32()),
    }
    for name in (*NUMBERS, *(MEASURES if measures else ())):
        columns[name] = pa.array(values[name].astype(np.float32), pa.float32(), mask=missing[name])
    names = np.where(happy > 0.5, "happiness", "neutral").astype(object)
    columns["expression"] = pa.array(names, pa.string(), mask=~face)
    columns["has_face"] = pa.array(face)
    columns["reason"] = pa.array(np.where(face, "", "no_face").astype(object), pa.string(), mask=face)
    metadata = {"version": "0.1.0", "clip": clip} | ({"au_scale": scale} if scale else {})
    return pa.table(columns).replace_schema_metadata(metadata)


VARIABLE = np.cumsum([0.0, *([0.04, 0.04, 1 / 30, 0.05] * 15)][:60]).tolist()  # s, of 60 frames
TWO = make_table(
    VARIABLE, [(frame, person) for frame in range(60) for person in (1, 2) if person == 1 or 20 <= frame < 45]
)
TABLES = {
    "two people at a variable rate": TWO,
    "frames without a face between": make_table(VARIABLE, [(f, None if 10 <= f < 30 else 1) for f in range(60)]),
    "no face": make_table(VARIABLE, [(frame, None) for frame in range(12)]),
    "one row": make_table([0.0], [(0, 0)]),
    "hostile clip name": make_table(VARIABLE, [(frame, 1) for frame in range(30)], clip=HOSTILE),
    "older table": make_table(VARIABLE, [(frame, 1) for frame in range(30)], scale=None, measures=False),
}


def numbers(table: pa.Table, column: str) -> np.ndarray:
    """Return a column as (N,) float64, NaN where it is null."""
    return table[column].cast(pa.float64()).to_numpy(zero_copy_only=False)


every_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def write(name: str, table: pa.Table, folder: Path, **options: object) -> Path:
    exporter = find_exporter(name, options)
    path = folder / f"talk{exporter.suffix}"
    exporter.write(table, folder / table["clip"][0].as_py(), path)
    sides = exporter.side_files(table, path) if isinstance(exporter, HasSideFiles) else []
    assert sorted(folder.iterdir()) == sorted([path, *sides]), "every file is announced, and no temporary one is left"
    return path


def expected_segments(table: pa.Table) -> dict[str, list[tuple[float, float, str]]]:
    """Return "person 1 smile" -> (start, stop, label) of the segments."""
    return {
        f"{person.label} {name}": [(one.start, one.stop, one.label) for one in found]
        for person in clips_of(table)[0].people
        for name, kind in EVENTS.items()
        if (found := find_segments(person, name, kind)) is not None
    }

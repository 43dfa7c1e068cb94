"""A table of 50 frames in 2.0 s, to be compared with the marks of tests/codings/made.py.

Frames 0-24 are predicted neutral with valence 0.0, frames 25-49 happiness with valence 0.5; au12 is 0.9 on frames
25-44, else 0.1.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow.parquet import write_table

FRAMES = 50
EARLY = np.arange(FRAMES) < 25


def make_table(clip: str = "talk.mp4", scale: str | None = "occurrence", **columns: object) -> pa.Table:
    happy = ~EARLY
    cells = {
        "clip": [clip] * FRAMES,
        "frame": np.arange(FRAMES),
        "time_s": np.arange(FRAMES) / 25,
        "track": np.zeros(FRAMES, np.int32),
        "person": np.ones(FRAMES, np.int32),
        **{side: np.full(FRAMES, value, np.float32) for side, value in zip(SIDES, (0, 0, 50, 50), strict=True)},
        "valence": np.where(happy, 0.5, 0.0).astype(np.float32),
        "expression": np.where(happy, "happiness", "neutral").tolist(),
        "p_neutral": np.where(happy, 0.1, 0.9).astype(np.float32),
        "p_happiness": np.where(happy, 0.9, 0.1).astype(np.float32),
        "au12": np.where(happy & (np.arange(FRAMES) < 45), 0.9, 0.1).astype(np.float32),
        **columns,
    }
    metadata = {"au_scale": scale} if scale is not None else None
    return pa.table({name: pa.array(values) for name, values in cells.items()}).replace_schema_metadata(metadata)


SIDES = ("face_x1", "face_y1", "face_x2", "face_y2")


def save_table(path: Path, table: pa.Table | None = None) -> Path:
    write_table(make_table(f"{path.stem}.mp4") if table is None else table, path)
    return path

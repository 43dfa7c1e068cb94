"""A folder as `avfer label` leaves it, made without labelling anything, for any number of clips."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avfer.labelling.entry import PLAN_SCHEMA
from avfer.labelling.store import Store
from avfer.models.card_files import builtin_card

PIPELINE = "f" * 64
NAMES = ("neutral", "happiness", "sadness")


@dataclass(frozen=True)
class LabelledClip:
    """A clip of the folder: with a table, failed (with a reason), or left."""

    id: str
    table: pa.Table | None = None
    failure: str = ""


def clip_table(
    valence: Sequence[float | None],
    expressions: Sequence[str | None] = (),
    tracks: Sequence[int | None] | None = None,
    quality: Sequence[float | None] | None = None,
) -> pa.Table:
    """Return a table of N rows, one a frame of 0.04 s; arousal is half the valence, a missing face is `no_face`."""
    n = len(valence)
    tracks = [0] * n if tracks is None else tracks
    columns: dict[str, pa.Array] = {
        "time_s": pa.array([0.04 * row for row in range(n)], pa.float64()),
        "track": pa.array(tracks, pa.int32()),
        "valence": pa.array(valence, pa.float32()),
        "arousal": pa.array([None if value is None else value / 2 for value in valence], pa.float32()),
        "expression": pa.array(expressions or [None] * n, pa.string()),
        "reason": pa.array(["no_face" if track is None else None for track in tracks], pa.string()),
    }
    if quality is not None:
        columns["quality"] = pa.array(quality, pa.float32())
    return pa.table(columns).replace_schema_metadata({"au_scale": "activation"})


def random_table(number: int, rows: int = 50) -> pa.Table:
    """Return a table with a face on a share of its rows that depends on the number."""
    random = np.random.default_rng(number)
    faces = random.random(rows) < (number % 11) / 10
    valence = [float(value) if face else None for value, face in zip(random.uniform(-1, 1, rows), faces, strict=True)]
    names = [str(random.choice(NAMES)) if face else None for face in faces]
    return clip_table(
        valence, names, [0 if face else None for face in faces], [0.9 if face else None for face in faces]
    )


def write_labelled_folder(
    folder: Path, clips: Sequence[LabelledClip], media: str = "/data/clips", pipeline: str = "stages: {}\n"
) -> Path:
    """Write plan, markers and tables of clips, whose media would be in the folder `media`; pipeline: its YAML."""
    store = Store(folder)
    folder.mkdir(parents=True)
    weights = {f"{name}.safetensors": builtin_card(name).sha256 for name in ("gru_lite", "aver_lite")}
    run = {"fingerprint": PIPELINE, "version": "9.9", "pipeline": pipeline, "pipeline_sha256": "e" * 64}
    store.run_marker.write_text(json.dumps(run | {"weights": weights}))
    plan = {
        "id": [clip.id for clip in clips],
        "path": [f"{media}/{clip.id}" for clip in clips],
        "size": [1000] * len(clips),
        "modified": [0.0] * len(clips),
        "hash": ["sha256:0"] * len(clips),
        "duration": [None] * len(clips),
    }
    pq.write_table(pa.table(plan, PLAN_SCHEMA), store.manifest)
    for clip in clips:
        if clip.table is not None:
            path = store.table(clip.id)
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(clip.table, path)
            _write(store.done(clip.id), _done(clip.table, path.stat().st_size))
        elif clip.failure:
            reason = f"'{media}/{clip.id}' {clip.failure}"
            _write(store.failed(clip.id), {"id": clip.id, "stage": "open", "reason": reason})
    return folder


def _done(table: pa.Table, size: int) -> dict[str, Any]:
    faces = len(table) - table["track"].null_count
    counts = {"rows": len(table), "bytes": size, "instants": len(table), "with_face": faces}
    reasons = {"no_face": len(table) - faces} if faces < len(table) else {}
    place = {"device": "cpu", "version": "9.9", "columns": None, "seconds": 0.5, "finished": 1.0}
    return counts | place | {"reasons": reasons, "duration": 0.04 * len(table)}


def _write(path: Path, marker: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"pipeline": PIPELINE, "clip": "sha256:0", **marker}))

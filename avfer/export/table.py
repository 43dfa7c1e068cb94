"""A result as the table users get: one row per frame and track, ordered by frame, then track.

Arrow comes first, so that what is not known is null in every format, and never a number.
"""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from avfer.affect_track import AffectTrack
from avfer.types import NO_TRACK

if TYPE_CHECKING:
    import pandas as pd

FACE = ("face_x1", "face_y1", "face_x2", "face_y2")


def schema(track: AffectTrack) -> pa.Schema:
    """Names and types of the columns, with where the values come from as metadata."""
    columns = [("clip", pa.string()), ("frame", pa.int64()), ("time_s", pa.float64()), ("track", pa.int32())]
    columns += [(name, pa.float32()) for name in ("face_score", *FACE, "valence", "arousal")]
    columns += [("expression", pa.string())]
    columns += [(name, pa.float32()) for name in (*probability_columns(track), *action_unit_columns(track))]
    columns += [("reason", pa.string())]
    metadata = track.source.as_metadata() if track.source else None
    return pa.schema([pa.field(name, kind) for name, kind in columns], metadata=metadata)


def probability_columns(track: AffectTrack) -> list[str]:
    """`p_neutral`, `p_happiness`, ... in the order of the classes."""
    return [f"p_{name}" for name in track.classes]


def action_unit_columns(track: AffectTrack) -> list[str]:
    """`au01`, `au02`, ... in the order of the units."""
    return [name.lower() for name in track.action_unit_names]


def to_table(track: AffectTrack) -> pa.Table:
    """Every row of the track, and one row of nulls for each instant without any."""
    shape = schema(track)
    faces, clock = track.faces, track.clock
    instants = _instants(track)
    order = np.lexsort((_padded(faces.track_ids, len(instants)), instants))
    instants = instants[order]
    ids = _padded(faces.track_ids, len(order))[order]

    def rows(values: np.ndarray) -> np.ndarray:
        return _padded(values, len(order))[order]

    boxes, scores = rows(faces.boxes), rows(faces.scores)
    boxes[ids == NO_TRACK], scores[ids == NO_TRACK] = np.nan, np.nan
    expressions, units = rows(track.expressions), rows(track.action_units)
    columns: list[pa.Array] = [
        pa.array([track.source.clip if track.source else None] * len(order), pa.string()),
        pa.array(instants, pa.int64(), mask=np.full(len(order), not clock.pictures)),
        pa.array(clock.times[instants - clock.first], pa.float64()),
        pa.array(ids, pa.int32(), mask=ids == NO_TRACK),
        _known(scores),
        *(_known(side) for side in boxes.T),
        _known(rows(track.valence)),
        _known(rows(track.arousal)),
        _names(expressions, track.classes),
        *(_known(p) for p in expressions.T),
        *(_known(p) for p in units.T),
        _reasons(track, instants, ids),
    ]
    return pa.Table.from_arrays(columns, schema=shape)


def to_pandas(track: AffectTrack) -> "pd.DataFrame":
    """The table as a DataFrame with pandas' nullable types."""
    import pandas as pd

    kinds = {
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.float32(): pd.Float32Dtype(),
        pa.float64(): pd.Float64Dtype(),
        pa.string(): pd.StringDtype(),
    }
    return to_table(track).to_pandas(types_mapper=kinds.get)


def _instants(track: AffectTrack) -> np.ndarray:
    """The instant of every row, then the instants that have none."""
    frames = track.faces.frames.astype(np.int64)
    every = np.arange(track.clock.first, track.clock.stop)
    return np.concatenate([frames, np.setdiff1d(every, frames)])


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    """The values with what is not known after them, up to a length."""
    filler = NO_TRACK if np.issubdtype(values.dtype, np.integer) else np.nan
    more = np.full((length - len(values), *values.shape[1:]), filler, values.dtype)
    return np.concatenate([values, more])


def _known(values: np.ndarray) -> pa.Array:
    """(N,) with NaN as null."""
    return pa.array(values.astype(np.float32), pa.float32(), mask=np.isnan(values))


def _names(expressions: np.ndarray, classes: tuple[str, ...]) -> pa.Array:
    """The most probable class of every row; null where probabilities are not known."""
    if not classes:
        return pa.nulls(len(expressions), pa.string())
    unknown = np.isnan(expressions).any(axis=1)
    top = np.where(unknown, 0, np.nan_to_num(expressions).argmax(axis=1))
    return pa.array(np.asarray(classes, dtype=object)[top], pa.string(), mask=unknown)


def _reasons(track: AffectTrack, instants: np.ndarray, ids: np.ndarray) -> pa.Array:
    """Why a row has no face. A corrupt frame says so even where a face was read on it."""
    clock = track.clock
    corrupt = clock.corrupt[instants - clock.first]
    if clock.pictures:
        told = np.where(ids == NO_TRACK, "no_face", "")
    else:
        heard = np.isin(instants, track.faces.frames[track.has_voice])
        told = np.where(heard, "no_picture", "no_audio")
    told = np.where(corrupt, "decode_error", told)
    return pa.array(told.astype(object), pa.string(), mask=told == "")

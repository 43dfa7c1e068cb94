"""Hand-made results for tests."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa

from avfer.affect_track import AffectTrack
from avfer.provenance import Provenance
from avfer.rows import no_faces, select
from avfer.types import NO_PERSON, NO_TRACK, Clock, FaceTracks

CLASSES = ("neutral", "happiness", "surprise")
UNITS = ("AU01", "AU12")
SOURCE = Provenance(
    clip="talk.mp4",
    pipeline="stages: {}\n",
    pipeline_sha256="ab" * 32,
    weights={"aver_lite.safetensors": "cd" * 32},
    device="cpu",
    stream={"start_s": 1.5, "width": 640},
)


def make_track(
    rows: list[tuple[int, int]],
    instants: int,
    *,
    first: int = 0,
    corrupt: tuple[int, ...] = (),
    pictures: bool = True,
    voice: bool = True,
    last: bool = True,
    source: Provenance | None = SOURCE,
) -> AffectTrack:
    """Return a result with the given (frame, track) rows; with `voice`, rows of NO_TRACK have values from the voice."""
    frames = np.array([frame for frame, _ in rows], np.int64)
    ids = np.array([track for _, track in rows], np.int64)
    is_corrupt = np.isin(np.arange(first, first + instants), corrupt)
    clock = Clock(first, (first + np.arange(instants)) / 25.0, is_corrupt, last, pictures)
    n = len(rows)
    boxes = (np.float32([10, 20, 110, 140]) + frames[:, None]).astype(np.float32)
    scores = np.full(n, 0.9, np.float32)
    faceless = ids == NO_TRACK
    boxes[faceless], scores[faceless] = np.nan, np.nan
    faces = FaceTracks(clock, frames, boxes, np.zeros((n, 5, 2), np.float32), scores, ids) if n else no_faces(clock)
    wave = np.sin(frames / 9.0 + ids)
    known = ~faceless | voice
    probabilities = np.stack([1 - abs(wave), abs(wave) * 0.75, abs(wave) * 0.25], axis=1).reshape(n, 3)
    probabilities[~known] = np.nan
    return AffectTrack(
        clock,
        faces,
        valence=np.where(known, wave, np.nan).astype(np.float32),
        arousal=np.where(known, wave / 3, np.nan).astype(np.float32),
        expressions=probabilities.astype(np.float32),
        classes=CLASSES,
        action_units=np.where(faceless[:, None], np.nan, np.stack([wave**2, wave**2 / 2], 1)).astype(np.float32),
        action_unit_names=UNITS,
        has_voice=np.full(n, voice),
        source=source,
    )


TWO_PEOPLE = make_track(
    [(frame, track) for frame in range(60) for track in (1, 2) if track == 1 or 20 <= frame < 40], 70
)
TRACKS = {
    "two people": TWO_PEOPLE,
    "voice alone": make_track([(frame, NO_TRACK) for frame in range(30)], 30, pictures=False),
    "no rows": make_track([], 30),
    "one frame": make_track([(0, 1)], 1),
}


def with_persons(track: AffectTrack, persons: dict[int, int]) -> AffectTrack:
    """Return a result with the number of the person of some tracks.   persons: track -> person"""
    ids = np.array([persons.get(int(number), NO_PERSON) for number in track.faces.track_ids], np.int64)
    return replace(track, faces=replace(track.faces, person_ids=ids))


def with_measures(
    track: AffectTrack, columns: Sequence[str] = ("au01", "au12", "yaw_deg", "gaze_yaw_deg"), scale: str = "activation"
) -> pa.Table:
    """Return the table of a result with measures: 0.5, 20 degrees, or eyes closed by 0.25, where there is a face."""
    table = track.to_table()
    table = table.drop_columns([name for name in table.column_names if name.startswith("au")])
    known = table["has_face"].to_numpy()
    for name in columns:
        value = 20.0 if name.endswith("_deg") else 0.25 if name == "eye_closed" else 0.5
        table = table.append_column(name, pa.array(np.full(len(table), value, np.float32), mask=~known))
    metadata: dict[bytes, bytes] = table.schema.metadata or {}
    return table.replace_schema_metadata(metadata | {b"au_scale": scale.encode()})


def split(track: AffectTrack, cuts: list[int]) -> list[AffectTrack]:
    """Return the same rows as consecutive parts, cut before the given instants."""
    edges = [track.clock.first, *sorted(set(cuts)), track.clock.stop]
    return [_part(track, start, stop) for start, stop in pairwise(edges) if start < stop]


def _part(track: AffectTrack, start: int, stop: int) -> AffectTrack:
    keep = (track.faces.frames >= start) & (track.faces.frames < stop)
    clock = track.clock.part(start, stop)
    arrays = ("valence", "arousal", "expressions", "action_units", "has_voice")
    changes = {name: getattr(track, name)[keep] for name in arrays}
    return replace(track, clock=clock, faces=select(track.faces, keep, clock), **changes)

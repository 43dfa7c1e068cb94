"""The table of an AffectTrack: columns, rows, nulls, reasons and metadata."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avfer.affect_track import AffectTrack
from avfer.types import NO_TRACK
from tests.export.tracks import make_track, split

COLUMNS = {
    "clip": pa.string(),
    "frame": pa.int64(),
    "time_s": pa.float64(),
    "track": pa.int32(),
    "person": pa.int32(),
    "face_score": pa.float32(),
    "face_x1": pa.float32(),
    "face_y1": pa.float32(),
    "face_x2": pa.float32(),
    "face_y2": pa.float32(),
    "valence": pa.float32(),
    "arousal": pa.float32(),
    "expression": pa.string(),
    "p_neutral": pa.float32(),
    "p_happiness": pa.float32(),
    "p_surprise": pa.float32(),
    "au01": pa.float32(),
    "au12": pa.float32(),
    "has_face": pa.bool_(),
    "has_voice": pa.bool_(),
    "source": pa.string(),
    "reason": pa.string(),
}
FACE = ("track", "face_score", "face_x1", "face_y1", "face_x2", "face_y2")


def rows_of(track: AffectTrack) -> list[dict]:
    return track.to_table().to_pylist()


def test_columns_have_the_documented_names_order_and_types():
    schema = make_track([(0, 1)], 1).to_table().schema
    assert dict(zip(schema.names, schema.types, strict=True)) == COLUMNS
    assert schema.names == list(COLUMNS)


def test_every_frame_has_a_row_ordered_by_frame_then_track():
    rows = rows_of(make_track([(1, 3), (1, 7), (3, 3)], 5))
    assert [(row["frame"], row["track"]) for row in rows] == [(0, None), (1, 3), (1, 7), (2, None), (3, 3), (4, None)]


def test_a_row_with_a_face_has_every_value_and_no_reason():
    (row,) = rows_of(make_track([(0, 4)], 1))
    assert row["clip"] == "talk.mp4" and row["track"] == 4 and row["reason"] is None
    assert [row[name] for name in FACE[2:]] == [10, 20, 110, 140]
    assert sum(row[name] for name in ("p_neutral", "p_happiness", "p_surprise")) == pytest.approx(1)
    assert row["expression"] == "happiness" and row["au01"] == pytest.approx(2 * row["au12"])


def test_a_frame_without_rows_has_nulls_and_a_reason():
    (row,) = rows_of(make_track([], 1))
    assert (row["frame"], row["time_s"], row["reason"]) == (0, 0.0, "no_face")
    filled = {"clip", "frame", "time_s", "has_face", "has_voice", "source", "reason"}
    assert all(value is None for name, value in row.items() if name not in filled)
    assert (row["has_face"], row["has_voice"]) == (False, False)


def test_the_voice_fills_a_frame_without_a_face():
    (row,) = rows_of(make_track([(0, NO_TRACK)], 1))
    assert all(row[name] is None for name in FACE)
    assert row["valence"] is not None and row["expression"] is not None and row["reason"] == "no_face"


def test_a_frame_without_face_and_voice_has_null_values():
    (row,) = rows_of(make_track([(0, NO_TRACK)], 1, voice=False))
    assert row["valence"] is None and row["expression"] is None and row["p_neutral"] is None


@pytest.mark.parametrize("rows", [[(0, 1)], [(0, NO_TRACK)], []])
def test_a_corrupt_frame_has_the_reason_decode_error_with_or_without_a_face(rows):
    assert [row["reason"] for row in rows_of(make_track(rows, 1, corrupt=(0,)))] == ["decode_error"]


@pytest.mark.parametrize(("voice", "reason"), [(True, "no_picture"), (False, "no_audio")])
def test_rows_of_a_fixed_clock_have_times_but_no_frame(voice, reason):
    rows = rows_of(make_track([(0, NO_TRACK), (1, NO_TRACK)], 2, pictures=False, voice=voice))
    assert [row["frame"] for row in rows] == [None, None]
    assert [row["time_s"] for row in rows] == [0.0, 0.04]
    assert {row["reason"] for row in rows} == {reason}


def test_a_tick_of_a_pipeline_of_faces_alone_has_the_reason_no_picture():
    track = replace(make_track([], 2, pictures=False), reads_voice=False)
    assert [row["reason"] for row in rows_of(track)] == ["no_picture"] * 2


def test_a_tick_without_rows_has_the_reason_no_audio():
    assert [row["reason"] for row in rows_of(make_track([], 2, pictures=False))] == ["no_audio"] * 2


def test_columns_say_whether_a_row_was_read_from_a_face_or_a_voice():
    """An instant without any row was read from neither; the columns are never null."""
    both = rows_of(make_track([(0, 1), (1, NO_TRACK)], 3, voice=True))
    assert [(row["has_face"], row["has_voice"]) for row in both] == [(True, True), (False, True), (False, False)]
    silent = rows_of(make_track([(0, 1), (1, NO_TRACK)], 2, voice=False))
    assert [(row["has_face"], row["has_voice"]) for row in silent] == [(True, False), (False, False)]


def test_the_source_is_the_path_below_the_input_else_the_name_of_the_clip():
    track = make_track([(0, 1)], 2)
    assert track.source is not None
    assert track.to_table()["source"].to_pylist() == ["talk.mp4"] * 2
    below = replace(track, source=replace(track.source, source="s1/talk.mp4"))
    assert below.to_table()["source"].to_pylist() == ["s1/talk.mp4"] * 2
    assert below.to_table()["clip"].to_pylist() == ["talk.mp4"] * 2
    assert replace(track, source=None).to_table()["source"].to_pylist() == [None] * 2


def test_the_person_of_a_face_is_a_number_beside_its_track_and_null_where_it_was_not_identified():
    track = make_track([(0, 3), (0, 5), (1, NO_TRACK)], 3)
    assert [row["person"] for row in rows_of(track)] == [None] * 4
    named = replace(track, faces=replace(track.faces, person_ids=np.array([1, 0, 1])))
    assert [(row["track"], row["person"]) for row in rows_of(named)] == [(3, 1), (5, 0), (None, None), (None, None)]


def test_outputs_without_a_head_have_no_column():
    track = make_track([(0, 1)], 1)
    empty = np.zeros((1, 0), np.float32)
    table = replace(track, expressions=empty, classes=(), action_units=empty, action_unit_names=()).to_table()
    assert [name for name in table.column_names if name.startswith(("p_", "au"))] == []
    assert table["expression"].to_pylist() == [None]


def test_the_metadata_holds_the_provenance():
    metadata = {key.decode(): value.decode() for key, value in make_track([], 1).to_table().schema.metadata.items()}
    assert metadata["start_s"] == "1.5" and metadata["device"] == "cpu" and metadata["version"]
    assert metadata["pipeline"] == "stages: {}\n" and metadata["pipeline_sha256"] == "ab" * 32
    assert "aver_lite.safetensors" in metadata["weights"]


def test_pandas_has_nulls_and_nullable_integers():
    frame = make_track([(0, 1)], 2).to_pandas()
    assert frame["track"].dtype == pd.Int32Dtype() and frame["valence"].dtype == pd.Float32Dtype()
    assert frame["track"][1] is pd.NA and frame["reason"][0] is pd.NA
    assert frame["frame"].tolist() == [0, 1]


@given(st.data())
def test_the_table_does_not_depend_on_where_parts_are_cut(data):
    instants = data.draw(st.integers(1, 12))
    every = [(frame, track) for frame in range(instants) for track in (NO_TRACK, 1, 2)]
    rows = sorted(data.draw(st.lists(st.sampled_from(every), unique=True)))
    corrupt = tuple(data.draw(st.sets(st.integers(0, instants - 1))))
    track = make_track(rows, instants, corrupt=corrupt, pictures=data.draw(st.booleans()))
    parts = split(track, data.draw(st.lists(st.integers(1, instants))))
    assert pa.concat_tables([part.to_table() for part in parts]).equals(track.to_table())


def test_the_text_of_a_result_is_short():
    track = make_track([(0, 1), (1, NO_TRACK)], 24)
    assert repr(track) == "<AffectTrack of talk.mp4: 24 frames in 1.0 s, 2 rows, track 1, voice alone>"
    assert repr(make_track([], 0)) == "<AffectTrack of talk.mp4: 0 frames in 0.0 s, 0 rows, no face>"
    many = make_track([(0, track) for track in range(40)], 1)
    assert repr(many) == "<AffectTrack of talk.mp4: 1 frame in 0.0 s, 40 rows, 40 people>"


def test_segments_and_summary_are_tables_of_pandas():
    track = make_track([(frame, 1) for frame in range(60)], 60)
    smiles = track.segments("smile.on=0.4", "smile.off=0.2")
    assert smiles["event"].tolist()[0] == "smile" and (smiles["peak"][smiles["event"] == "smile"] >= 0.4).all()
    assert track.summary()["frames"].tolist() == [60]
    assert track.summary(window=1.0)["window"].tolist() == [0, 1, 2]


def test_help_explains_every_attribute_with_its_shape():
    text = AffectTrack.__doc__ or ""
    assert all(f"{field.name}" in text.split("Attributes:")[1] for field in fields(AffectTrack))
    assert text.count("(N,") >= 5 and "in [-1, 1]" in text

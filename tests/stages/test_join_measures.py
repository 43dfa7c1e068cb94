"""join_measures: the features of each face get the measures of the same frame and track."""

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.face_measures import MEASURED_UNITS, MEASURES, FaceMeasures
from avfer.models.face_measurer import NUM_LANDMARKS
from avfer.pipeline_builder import build
from avfer.pipeline_config import read_pipeline
from avfer.rows import concat, select
from avfer.stages.join import JoinFeatures
from avfer.stages.join_measures import JOINED, VALUES, JoinMeasures
from avfer.stages.predict import PredictAffect
from avfer.types import NO_TRACK, FaceFeatures
from tests.laws import assert_same, feed, part
from tests.stages.test_join import voice
from tests.stages.voice_rows import face_rows

COUNT = 20
WITHOUT = """
stages:
  frames: {use: decode_video, from: span}
  boxes:  {use: detect_faces, from: frames}
  tracks: {use: track_faces, from: [frames, boxes]}
  faces:  {use: align_faces, from: [frames, tracks]}
  look:   {use: embed_faces, from: faces}
  raw:    {use: predict_affect, from: look, model: own}
output: raw
"""


def features(count: int = COUNT) -> FaceFeatures:
    faces = face_rows(count, (0, 3))
    return FaceFeatures(faces, torch.arange(2.0 * len(faces)).reshape(-1, 2))


def measures(count: int = COUNT) -> FaceMeasures:
    """Return measures that number the rows in their first column, and random ones in the others."""
    faces, random = face_rows(count, (0, 3)), np.random.default_rng(0)
    n = len(faces)
    units = random.random((n, len(MEASURED_UNITS)), dtype=np.float32)
    units[:, 0] = np.arange(n)
    values = random.random((n, len(MEASURES)), dtype=np.float32)
    return FaceMeasures(faces, np.zeros((n, NUM_LANDMARKS, 2), np.float32), units, values)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, COUNT), max_size=5))
def test_chunks_change_no_row(where: list[int]) -> None:
    joined = feed(JoinMeasures(), [features(), measures()], where)
    assert_same(joined, feed(JoinMeasures(), [features(), measures()], []))


def test_a_face_has_the_measures_of_its_frame_and_track() -> None:
    known = measures()
    order = np.arange(len(known.faces))[::-1]
    joined = feed(JoinMeasures(), [features(), select(known, order, known.clock)], [7])
    assert joined.measures is not None and joined.measures.shape[1] == len(JOINED)
    np.testing.assert_array_equal(joined.measures[:, : len(MEASURED_UNITS)], known.action_units)
    places = [MEASURES.index(name) for name in VALUES]
    np.testing.assert_array_equal(joined.measures[:, len(MEASURED_UNITS) :], known.values[:, places])
    assert torch.equal(joined.values, features().values)


def test_a_face_that_was_not_measured_has_unknown_measures() -> None:
    known = measures()
    first = select(known, known.faces.track_ids == 0, known.clock)
    joined = feed(JoinMeasures(), [features(), first], [])
    assert joined.measures is not None
    np.testing.assert_array_equal(np.isnan(joined.measures).all(1), joined.faces.track_ids == 3)
    nothing = feed(JoinMeasures(), [features(), select(known, slice(0, 0), known.clock)], [])
    assert nothing.measures is not None and np.isnan(nothing.measures).all()


def test_features_wait_for_measures_that_come_later() -> None:
    stage, known = JoinMeasures(), measures()
    nothing = select(known, slice(0, 0), known.clock.part(0, 0))
    state, early = stage.step(stage.start(), features(), nothing)
    ended = part(features(), COUNT, COUNT)
    state, first = stage.step(state, ended, part(known, 0, 9))
    _, rest = stage.step(state, ended, part(known, 9, COUNT))
    assert (len(early.faces), len(first.clock)) == (0, 9)
    assert_same(concat([first, rest]), feed(stage, [features(), known], []))


def test_measures_go_on_with_the_voice_and_are_unknown_without_a_face() -> None:
    rows = feed(JoinMeasures(), [features(), measures()], [])
    kept = select(rows, rows.faces.frames != 4, rows.clock)
    joined = JoinFeatures().step(JoinFeatures().start(), kept, voice())[1]
    empty = joined.faces.track_ids == NO_TRACK
    assert joined.measures is not None and empty.sum() == 1
    assert np.isnan(joined.measures[empty]).all()
    np.testing.assert_array_equal(joined.measures[~empty], kept.measures)


def test_features_without_measures_stay_without_them() -> None:
    rows = replace(features(), measures=None)
    assert JoinFeatures().step(JoinFeatures().start(), rows, voice())[1].measures is None


def test_a_pipeline_without_measures_uses_the_same_heads_as_vision(tmp_path) -> None:
    (tmp_path / "mine.yaml").write_text(WITHOUT)
    stages = [
        build(read_pipeline(source))[-1 if "mine" in source else -3].stage
        for source in (f"{tmp_path}/mine.yaml", "vision")
    ]
    assert all(isinstance(stage, PredictAffect) for stage in stages)
    assert stages[0].files() == stages[1].files()

"""find_speakers: the face whose mouth moves while somebody speaks has the voice, and no other face."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.errors import ConfigError
from avfer.face_measures import FaceMeasures
from avfer.rows import select
from avfer.stages.find_speakers import FindSpeakers, mouth_opening
from avfer.types import NO_TRACK, JointFeatures
from tests.laws import assert_same, feed
from tests.stages.voice_rows import face_rows, joint, mouths

COUNT = 100
TALK = 0.06 + 0.05 * np.sin(np.arange(COUNT) * 1.3)  # opening of a mouth that speaks
REST = 0.02 + 0.003 * np.sin(np.arange(COUNT) * 0.9)


def both(first: np.ndarray, second: np.ndarray, said: np.ndarray) -> tuple[JointFeatures, FaceMeasures]:
    """Return two faces whose mouths are open by these shares, and the speech at each frame."""
    faces = face_rows(COUNT, (0, 1))
    return joint(faces, said), mouths(faces, np.column_stack([first, second]).reshape(-1))


def speakers(rows: JointFeatures, measures: FaceMeasures, **options: float) -> JointFeatures:
    stage = FindSpeakers(**options)
    return stage.step(stage.start(), rows, measures)[1]


@settings(max_examples=20)
@given(st.lists(st.integers(0, COUNT), max_size=6))
def test_chunks_change_no_row(cuts):
    random = np.random.default_rng(2)
    rows, measures = both(random.random(COUNT) * 0.1, random.random(COUNT) * 0.1, random.random(COUNT))
    assert_same(feed(FindSpeakers(), [rows, measures], cuts), feed(FindSpeakers(), [rows, measures], []))


def test_the_face_that_moves_has_the_voice_and_the_other_has_none():
    found = speakers(*both(REST, TALK, np.ones(COUNT)))
    first, second = found.faces.track_ids == 0, found.faces.track_ids == 1
    assert found.activity_names == ("speech", "speaking")
    assert found.activity[second, 1].min() > 0.9 and found.activity[first, 1].max() == 0
    assert found.has_voice[second].all() and not found.has_voice[first].any()
    assert not found.voice[first].any() and found.voice[second].all()


def test_two_mouths_at_rest_have_no_voice_while_somebody_off_screen_speaks():
    found = speakers(*both(REST, REST, np.ones(COUNT)))
    assert not found.has_voice.any() and (found.activity[:, 1] == 0).all()


def test_a_mouth_that_moves_in_silence_does_not_speak():
    found = speakers(*both(REST, TALK, np.zeros(COUNT)))
    assert not found.has_voice.any() and (found.activity[:, 1] == 0).all()


def test_two_equal_mouths_share_the_speech():
    found = speakers(*both(TALK, TALK, np.ones(COUNT)))
    np.testing.assert_allclose(found.activity[:, 1], 0.5, atol=1e-6)


def test_the_window_reaches_half_a_second_ahead():
    opening = np.where(np.arange(COUNT) < 50, REST[0], TALK)
    found = speakers(*both(opening, REST, np.ones(COUNT)))
    moving = found.clock.times[np.flatnonzero(found.activity[::2, 1] > 0)]
    assert 1.5 <= moving.min() <= 1.6  # the mouth moves from 2.0 s on


def test_a_row_without_a_face_keeps_the_voice_and_has_null_speaking():
    _, measures = both(REST, REST, np.ones(COUNT))
    none = joint(face_rows(COUNT, (NO_TRACK,)), np.ones(COUNT))
    found = speakers(none, select(measures, slice(0, 0), measures.clock))
    assert found.has_voice.all() and np.isnan(found.activity[:, 1]).all()


def test_a_track_with_too_few_rows_in_the_window_keeps_the_voice():
    faces = face_rows(6, (0,), fps=2.0)
    found = speakers(joint(faces, np.ones(6)), mouths(faces, REST[:6]))
    assert found.has_voice.all() and np.isnan(found.activity[:, 1]).all()


def test_speaking_is_null_where_speech_is():
    found = speakers(*both(REST, TALK, np.full(COUNT, np.nan)))
    assert np.isnan(found.activity[:, 1]).all()


def test_the_opening_depends_neither_on_the_size_nor_on_the_turn_of_the_face():
    faces = face_rows(4, (0,))
    points = mouths(faces, np.array([0.0, 0.1, 0.2, 0.3])).landmarks
    np.testing.assert_allclose(mouth_opening(points), [0, 0.1, 0.2, 0.3], atol=1e-6)
    turned = points @ np.array([[0, 3], [-3, 0]], np.float32)
    np.testing.assert_allclose(mouth_opening(turned), [0, 0.1, 0.2, 0.3], atol=1e-6)


def test_features_without_speech_are_an_error_that_names_the_stage():
    rows, measures = both(REST, TALK, np.ones(COUNT))
    with pytest.raises(ConfigError, match="add mask_voice before this stage"):
        speakers(joint(rows.faces), measures)

"""find_speakers: the face whose mouth moves while somebody speaks has the voice, and no other face."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.errors import ConfigError
from avfer.face_measures import FaceMeasures
from avfer.models.face_measurer import LANDMARK_INDEX
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


def test_two_equal_mouths_share_the_speech_and_both_reach_the_threshold():
    found = speakers(*both(TALK, TALK, np.ones(COUNT)))
    np.testing.assert_allclose(found.activity[:, 1], 0.5, atol=1e-6)
    assert found.has_voice.all()


def speaking_of(*deviations: float, window: float = 1.0) -> np.ndarray:
    """Return `speaking` in the middle of 41 frames at 10 Hz, of mouths that alternate between two openings.

    deviations: of each mouth in the window, which has 11 rows for 1 s: 6 at one opening, 5 at the other, and so a
    standard deviation of sqrt(120 / 121) times half of their difference; 21 rows for 2 s.
    """
    count, rows = 41, round(10 * window) + 1
    faces = face_rows(count, tuple(range(len(deviations))), fps=10.0)
    halves = np.array(deviations) / np.sqrt(1 - 1 / rows**2)
    openings = 0.1 + halves * np.where(np.arange(count) % 2, 1, -1)[:, None]
    found = speakers(joint(faces, np.ones(count)), mouths(faces, openings.reshape(-1)), window=window)
    return found.activity[faces.frames == 20, 1]


@pytest.mark.parametrize("window", [1.0, 2.0])
def test_speaking_grows_linearly_with_the_movement_in_the_window(window):
    for deviation, expected in ((0.012, 0), (0.016, 0.25), (0.020, 0.5), (0.028, 1), (0.05, 1)):
        np.testing.assert_allclose(speaking_of(deviation, window=window), [expected], atol=1e-5)


def test_a_face_has_its_share_with_the_face_that_moves_most_among_the_others():
    """Movement above rest is 16, 8 and 8, so the shares are 256 / (256 + 64) and 64 / (64 + 256)."""
    np.testing.assert_allclose(speaking_of(0.028, 0.020, 0.020), [0.8, 0.5 * 0.2, 0.5 * 0.2], atol=1e-5)


@pytest.mark.parametrize("rows", [3, 4])
def test_a_track_needs_four_rows_and_without_them_takes_no_share_of_another(rows):
    measures = both(TALK, TALK, np.ones(COUNT))
    short = (measures[0].faces.track_ids == 0) | (measures[0].faces.frames < rows)
    found = speakers(*(select(one, short, one.clock) for one in measures))
    second = found.faces.track_ids == 1
    assert np.isnan(found.activity[second, 1]).tolist() == [rows < 4] * rows
    assert found.activity[~second, 1][0] == (1 if rows < 4 else pytest.approx(0.5, abs=0.25))


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


def test_the_opening_is_the_mean_of_three_pairs_over_the_larger_size():
    """The pairs are 10, 20 and 60 px apart; the eyes 100 px, forehead and nose 90 px."""
    points = mouths(face_rows(1, (0,)), np.array([0.1])).landmarks
    for lower, gap in ((87, 20), (317, 60)):
        points[:, LANDMARK_INDEX.index(lower), 1] = 70 + gap
    assert mouth_opening(points) == pytest.approx(30 / 100)
    assert mouth_opening(points * np.float32([0.5, 1])) == pytest.approx(30 / 90)  # turned to the side
    assert mouth_opening(points * np.float32([1, 0.5])) == pytest.approx(15 / 100)  # nodding


def test_features_without_speech_are_an_error_that_names_the_stage():
    rows, measures = both(REST, TALK, np.ones(COUNT))
    with pytest.raises(ConfigError, match="add mask_voice before this stage"):
        speakers(joint(rows.faces), measures)


def test_a_second_stage_is_an_error_and_no_second_column():
    rows, measures = both(REST, TALK, np.ones(COUNT))
    once = speakers(rows, measures)
    assert once.activity_names == ("speech", "speaking")
    with pytest.raises(ConfigError, match="`speaking` already; use this stage once"):
        speakers(once, measures)

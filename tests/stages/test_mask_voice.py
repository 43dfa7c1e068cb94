"""mask_voice: speech at the time of each row, and the voice only where somebody speaks."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.rows import concat
from avfer.stages.mask_voice import MaskVoice
from avfer.types import NO_TRACK, JointFeatures, SpeechProbabilities
from tests.laws import assert_same, part
from tests.stages.voice_rows import face_rows, joint, parts_of, speech


def mask(rows: JointFeatures, sound: SpeechProbabilities, **options: float) -> JointFeatures:
    stage = MaskVoice(**options)
    return stage.step(stage.start(), rows, sound)[1]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 60), max_size=6), st.lists(st.integers(0, 60), min_size=6, max_size=6))
def test_chunks_change_no_row(cuts, sound_cuts):
    rows = joint(face_rows(60, (0, 1)))
    sound = speech(np.random.default_rng(1).random(70), start=0.3)
    stage, parts = MaskVoice(), list[JointFeatures]()
    state, borders = stage.start(), [0, *sorted(cuts), 60]
    sounds = parts_of(sound, sorted(sound_cuts)[: len(cuts)], rows.clock)
    for i, (a, b) in enumerate(pairwise(borders)):
        state, found = stage.step(state, part(rows, a, b, last=i == len(borders) - 2), sounds[i])
        parts.append(found)
    assert_same(concat(parts), mask(rows, sound))


def test_speech_is_linear_between_windows_and_the_voice_is_kept_from_the_threshold_on():
    found = mask(joint(face_rows(100, (0,))), speech(np.linspace(0, 1, 126)), threshold=0.75)
    said, times = found.activity[:, 0], found.clock.times
    inside = times >= 0.016
    np.testing.assert_allclose(said[inside], (times[inside] - 0.016) / 4, atol=1e-5)
    np.testing.assert_array_equal(found.has_voice, said >= 0.75)
    np.testing.assert_array_equal(found.voice[:, 0] == 1, found.has_voice)
    assert found.activity_names == ("speech",)


def test_the_voice_is_kept_from_a_probability_of_one_half_on_by_default():
    """The first row is before the centre of the first window, so its speech is that of the window."""
    for said, kept in ((0.5, True), (0.49, False)):
        assert mask(joint(face_rows(3, (0,))), speech(np.full(4, said))).has_voice[0] == kept


def test_speech_gives_no_voice_to_rows_without_one():
    rows = joint(face_rows(3, (0,)))
    found = mask(replace(rows, has_voice=np.array([True, False, True])), speech(np.ones(4)))
    assert found.has_voice.tolist() == [True, False, True]
    assert found.voice[:, 0].tolist() == [1, 0, 1]


def test_a_row_without_a_face_and_without_speech_has_neither():
    found = mask(joint(face_rows(50, (NO_TRACK,))), speech(np.zeros(63)))
    assert not found.has_voice.any() and not found.voice.any() and not found.has_face.any()
    assert (found.activity == 0).all()


def test_speech_is_null_outside_the_sound_and_in_digital_silence():
    silent = (np.arange(60) >= 20) & (np.arange(60) < 40)
    found = mask(joint(face_rows(75, (0,))), speech(np.ones(60), silent, start=0.5))
    times, said = found.clock.times, found.activity[:, 0]
    quiet = (times >= 0.5 + 0.032 * 20.5) & (times <= 0.5 + 0.032 * 39.5)
    outside = (times < 0.5) | (times > 0.5 + 0.032 * 60)
    np.testing.assert_array_equal(np.isnan(said), quiet | outside)
    np.testing.assert_array_equal(found.has_voice, ~np.isnan(said))


def test_a_clip_without_sound_has_null_speech():
    found = mask(joint(face_rows(10, (0,))), speech(np.zeros(0)))
    assert np.isnan(found.activity).all() and not found.has_voice.any()

"""join_features and sample_voice: the voice of each face and of each tick."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer import stage as stages
from avfer.errors import ConfigError
from avfer.rows import blank_faces, concat
from avfer.stages.join import JoinFeatures, SampleVoice
from avfer.types import NO_TRACK, FaceFeatures, FaceTracks, JointFeatures, VoiceFeatures
from tests.laws import assert_same, clock, part


def voice(start: float = 0.0, seconds: float = 4.0, hop: float = 0.2, clip_stop: float | None = None) -> VoiceFeatures:
    """Return a whole voice whose first feature is the time and whose second is noise."""
    count = 1 + max(0, math.floor((seconds - 0.975) / hop + 1e-9))
    times = start + np.arange(count) * hop + 0.4875
    noise = torch.randn(count, generator=torch.Generator().manual_seed(3))
    values = torch.stack([torch.from_numpy(times).float(), noise], 1)
    return VoiceFeatures(values, times, 0.975, start, start + seconds, last=True, clip_stop=clip_stop)


def no_voice(clip_stop: float | None = None) -> VoiceFeatures:
    return VoiceFeatures(torch.zeros(0, 2), np.zeros(0), 0.975, math.nan, math.nan, last=True, clip_stop=clip_stop)


def voice_chunks(whole: VoiceFeatures, cuts: list[int], count: int) -> list[VoiceFeatures]:
    """Return `count` chunks of rows; those after the last cut are empty."""
    borders = [0, *sorted(min(cut, len(whole.times)) for cut in cuts)][:count]
    borders += [len(whole.times)] * (count + 1 - len(borders))
    parts = list[VoiceFeatures]()
    for i, (a, b) in enumerate(pairwise(borders)):
        last = i == count - 1
        start = whole.start if b else math.nan
        stop = whole.stop if last else float(whole.times[b - 1]) if b else start
        clip_stop = whole.clip_stop if last else None
        parts.append(VoiceFeatures(whole.values[a:b], whole.times[a:b], whole.window, start, stop, last, clip_stop))
    return parts


def face_features(count: int, faces_per_frame: list[int], fps: float = 25.0, pictures: bool = True) -> FaceFeatures:
    """Return `count` frames; frame i has faces_per_frame[i % len] faces, of tracks 0, 1, ..."""
    frames = np.repeat(np.arange(count), [faces_per_frame[i % len(faces_per_frame)] for i in range(count)])
    tracks = np.concatenate([np.arange(n) for n in np.bincount(frames, minlength=count)]).astype(np.int64)
    n = len(frames)
    faces = FaceTracks(
        clock(count, fps, pictures=pictures),
        frames=frames,
        boxes=np.ones((n, 4), np.float32),
        landmarks=np.ones((n, 5, 2), np.float32),
        scores=np.ones(n, np.float32),
        track_ids=tracks,
    )
    return FaceFeatures(faces, torch.arange(1, 3 * n + 1).float().reshape(n, 3))


def join(face: FaceFeatures, sounds: list[VoiceFeatures], cuts: list[int]) -> list[JointFeatures]:
    """Join chunk by chunk; frames that are cut into fewer chunks than the sound are followed by empty ones."""
    count = len(face.clock)
    borders = [0, *sorted(cuts), count][: len(sounds)]
    borders += [count] * (len(sounds) + 1 - len(borders))
    stage, outputs = JoinFeatures(), list[JointFeatures]()
    state = stage.start()
    for (start, stop), sound in zip(pairwise(borders), sounds, strict=True):
        state, joint = stages.run(stage, state, [part(face, start, stop), sound])
        outputs.append(joint)
    return outputs


def at_once(face: FaceFeatures, sound: VoiceFeatures) -> JointFeatures:
    return join(face, [sound], [])[0]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 100), max_size=6),
    st.lists(st.integers(0, 20), max_size=6),
    st.lists(st.integers(0, 3), min_size=1, max_size=4),
    st.sampled_from([-1.0, 0.0, 0.7, 3.5, 9.0]),
)
def test_chunks_change_no_joint_row(frame_cuts, voice_cuts, faces, start):
    face, sound = face_features(100, faces), voice(start, seconds=3.0)
    count = 1 + max(len(frame_cuts), len(voice_cuts))
    parts = join(face, voice_chunks(sound, voice_cuts, count), frame_cuts)
    assert_same(concat(parts), at_once(face, sound))
    assert parts[-1].clock.last


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 20), max_size=8), st.sampled_from([0.0, -0.3, 2.0]))
def test_chunks_change_no_tick(cuts, start):
    sound = voice(start, seconds=4.1)

    def ticks(parts: list[VoiceFeatures]) -> JointFeatures:
        stage, outputs = SampleVoice(), list[JointFeatures]()
        state = stage.start()
        for item in parts:
            state, joint = stage.step(state, item)
            outputs.append(joint)
        return concat(outputs)

    assert_same(ticks(voice_chunks(sound, cuts, len(cuts) + 2)), ticks([sound]))


def test_the_voice_is_linear_between_two_centres():
    joint = at_once(face_features(100, [1]), voice())
    times = joint.clock.times
    inside = (times >= 0.4875) & (times <= voice().times[-1])
    np.testing.assert_allclose(joint.voice[inside, 0], times[inside], atol=1e-6)


def test_the_nearest_window_is_used_before_the_first_and_after_the_last_centre():
    sound = voice(start=0.5, seconds=2.0)
    joint = at_once(face_features(100, [1]), sound)
    times = joint.clock.times
    np.testing.assert_array_equal(joint.has_voice, (times >= 0.5) & (times <= 2.5))
    early, late = joint.has_voice & (times < 0.9875), joint.has_voice & (times > sound.times[-1])
    assert early.sum() >= 12
    assert late.sum() >= 12
    assert torch.all(joint.voice[early] == sound.values[0])
    assert torch.all(joint.voice[late] == sound.values[-1])


def test_the_voice_is_0_outside_the_sound():
    joint = at_once(face_features(100, [1]), voice(start=0.5, seconds=2.0))
    assert torch.all(joint.voice[~joint.has_voice] == 0)


def test_a_clip_without_sound_keeps_its_faces():
    face = face_features(10, [1, 2])
    joint = at_once(face, no_voice())
    assert not joint.has_voice.any()
    assert torch.equal(joint.face, face.values)
    assert joint.voice.shape == (15, 2)


def test_all_faces_of_a_frame_share_the_voice():
    joint = at_once(face_features(60, [3]), voice())
    by_frame = joint.voice.reshape(60, 3, 2)
    assert torch.equal(by_frame[:, 0], by_frame[:, 2])


def test_an_instant_without_a_face_has_one_row_for_the_voice():
    joint = at_once(face_features(100, [1, 0, 2]), voice())
    assert np.bincount(joint.faces.frames).tolist() == [1, 1, 2] * 33 + [1]
    blank = ~joint.has_face
    np.testing.assert_array_equal(joint.faces.frames[blank] % 3, 1)
    assert np.isnan(joint.faces.boxes[blank]).all()
    assert np.isnan(joint.faces.scores[blank]).all()
    assert np.isnan(joint.faces.landmarks[blank]).all()
    assert torch.all(joint.face[torch.from_numpy(blank)] == 0)
    assert joint.has_voice[blank].any()


def test_ticks_of_a_clip_without_video_are_joined_too():
    joint = at_once(face_features(50, [0], pictures=False), voice())
    assert not joint.clock.pictures
    assert np.all(joint.faces.track_ids == NO_TRACK)


def test_rows_wait_until_their_voice_is_final_and_no_longer():
    sound = voice(seconds=4.0)
    stage = JoinFeatures()
    first, *rest = voice_chunks(sound, [5], 2)
    state, joint = stage.step(stage.start(), face_features(100, [1]), first)
    assert joint.clock.times[-1] <= sound.times[4] < joint.clock.times[-1] + 0.04
    assert not joint.clock.last
    state, joint = stage.step(state, part(face_features(100, [1]), 100, 100), rest[0])
    assert joint.clock.stop == 100
    assert joint.clock.last


def test_no_row_waits_after_the_end_of_the_sound():
    stage = JoinFeatures()
    state, _ = stage.step(stage.start(), part(face_features(100, [1]), 0, 10), voice(seconds=1.0))
    _, joint = stage.step(state, part(face_features(100, [1]), 10, 90), voice_chunks(voice(seconds=1.0), [], 1)[0])
    assert len(joint.clock) == 80


def test_the_voice_before_the_waiting_rows_is_dropped():
    stage = JoinFeatures()
    state = stage.start()
    for i, sound in enumerate(voice_chunks(voice(seconds=40.0), list(range(5, 200, 5)), 41)):
        face = part(face_features(1000, [1]), min(25 * i, 1000), min(25 * i + 25, 1000))
        state, _ = stage.step(state, face, sound)
        assert len(state.voice.times) < 20


@pytest.mark.parametrize("start", [0.0, -0.4, 2.0])
def test_ticks_run_from_the_start_of_the_sound_to_its_end(start):
    stage = SampleVoice()
    _, joint = stage.step(stage.start(), voice(start, seconds=3.0))
    np.testing.assert_allclose(joint.clock.times, start + np.arange(75) / 25)
    assert joint.has_voice.all()
    assert joint.clock.last
    assert not joint.clock.pictures
    assert joint.face.shape == (75, 0)


def test_a_clip_without_sound_has_ticks_and_no_voice():
    stage = SampleVoice()
    state, joint = stage.step(stage.start(), no_voice(clip_stop=2.0))
    assert len(joint.clock) == 50
    assert not joint.has_voice.any()
    _, more = stage.step(state, no_voice(clip_stop=2.0))
    assert len(more.clock) == 0


@pytest.mark.parametrize("fps", [0, -1, 5000])
def test_an_impossible_rate_is_refused(fps):
    with pytest.raises(ConfigError, match="fps"):
        SampleVoice(fps=fps)


def test_blank_rows_have_no_track():
    assert set(blank_faces(clock(3), np.arange(3)).track_ids) == {NO_TRACK}


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 20), max_size=4))
def test_there_is_no_voice_between_two_silent_windows(cuts):
    sound = voice()
    sound = replace(sound, silent=(sound.times > 1.0) & (sound.times < 2.5))
    parts = [replace(p, silent=sound.silent[np.isin(sound.times, p.times)]) for p in voice_chunks(sound, cuts, 5)]
    joint = concat(join(face_features(100, [1]), parts, []))
    first, last = sound.times[sound.silent][[0, -1]]
    within = (joint.clock.times >= first) & (joint.clock.times < last)
    np.testing.assert_array_equal(joint.has_voice, ~within)
    assert (joint.voice[torch.from_numpy(within)] == 0).all()

"""Faces and the tracks that they continue, at high and low frame rates."""

import numpy as np
import pytest

from avfer.signal.appearance import Appearance
from avfer.signal.cuts import Change
from avfer.stages.association import Track, associate, new_track


def look(seed: int) -> Appearance:
    """Return the appearance of one of many different faces."""
    random = np.random.default_rng(seed)
    colours = np.zeros(512, np.float32)
    colours[random.integers(0, 512, 8)] = 1 / 8
    return Appearance(random.normal(100, 40, (16, 16)).astype(np.float32), colours)


def box(x: float, side: float = 40.0) -> np.ndarray:
    return np.array([x, 50, x + side, 50 + side], np.float32)


def known(x: float, seed: int = 0, number: int = 7) -> Track:
    return new_track(number, box(x), frame=9, time=1.0, appearance=look(seed))


def ids(tracks: list[Track], places: list[float], seeds: list[int], seconds: float, change: Change) -> dict[int, int]:
    boxes, looks = np.stack([box(x) for x in places]), [look(seed) for seed in seeds]
    found = associate(tracks, boxes, looks, 10, 1.0 + seconds, change, 0.3)
    return {face: track.id for face, track in found.items()}


def test_a_face_without_overlap_continues_at_five_frames_per_second_only() -> None:
    assert ids([known(0)], [30], [0], 0.2, Change.MOTION) == {0: 7}
    assert ids([known(0)], [30], [0], 0.02, Change.MOTION) == {}


def test_steady_motion_leads_to_the_expected_box() -> None:
    moving = known(0).moved(box(30), 9, 1.1, look(0))  # 300 px/s
    assert moving.expected(1.2)[0] == pytest.approx(60)
    assert ids([moving], [105], [0], 0.3, Change.MOTION) == {0: 7}


def test_another_face_in_the_same_place_is_another_track() -> None:
    assert ids([known(0, seed=0)], [0], [1], 0.04, Change.MOTION) == {}


def test_faces_that_change_places_keep_their_tracks() -> None:
    tracks = [known(0, 0, number=0), known(25, 1, number=1)]
    assert ids(tracks, [25, 0], [0, 1], 0.2, Change.MOTION) == {0: 0, 1: 1}


def test_after_a_cut_only_a_face_that_stays_in_place_continues() -> None:
    assert ids([known(0)], [2], [0], 0.04, Change.CUT) == {0: 7}
    assert ids([known(0)], [25], [0], 0.2, Change.CUT) == {}
    absent = new_track(7, box(0), frame=5, time=0.8, appearance=look(0))
    assert ids([absent], [2], [0], 0.04, Change.CUT) == {}


def test_a_face_of_another_size_does_not_continue() -> None:
    boxes = np.stack([box(0, side=90)])
    assert associate([known(0)], boxes, [look(0)], 10, 1.2, Change.MOTION, 0.3) == {}


def test_no_face_and_no_track_are_no_error() -> None:
    assert associate([], np.stack([box(0)]), [look(0)], 0, 0.0, Change.MOTION, 0.3) == {}
    assert associate([known(0)], np.zeros((0, 4), np.float32), [], 10, 1.0, Change.MOTION, 0.3) == {}

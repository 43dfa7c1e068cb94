"""How far a face may move, how much it may grow and how alike it must look to continue a track."""

from collections.abc import Callable

import numpy as np
import pytest

from avfer.signal.appearance import Appearance
from avfer.signal.cuts import Change
from avfer.stages import association
from avfer.stages.association import Track, associate, new_track


def look(seed: int) -> Appearance:
    """Return the appearance of one of many different faces."""
    random = np.random.default_rng(seed)
    colours = np.zeros(512, np.float32)
    colours[random.integers(0, 512, 8)] = 1 / 8
    return Appearance(random.normal(100, 40, (16, 16)).astype(np.float32), colours)


def continues(
    track: Track, face: np.ndarray, seconds: float, change: Change = Change.MOTION, min_iou: float = 0.3
) -> bool:
    """Return whether a face continues a track whose last one was seen `seconds` before, on the frame before."""
    return bool(associate([track], face[None], [look(0)], track.frame + 1, track.time + seconds, change, min_iou))


def square(x: float, y: float = 0.0, side: float = 100.0) -> np.ndarray:
    """Return the box of a face around a point."""
    return np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2], np.float32)


@pytest.fixture
def alike(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`alike(1.5)` gives every two faces this likeness."""
    return lambda value: monkeypatch.setattr(association, "likeness", lambda *_: value)


def test_motion_is_extrapolated_for_a_quarter_of_a_second() -> None:
    moving = new_track(7, square(0), 8, 1.0, look(0)).moved(square(30), 9, 1.1, look(0))  # 300 px/s
    assert moving.expected(1.34)[0] == pytest.approx(30 - 50 + 300 * 0.24)
    assert moving.expected(1.36)[0] == moving.expected(9.0)[0] == pytest.approx(30 - 50 + 300 * 0.25)


@pytest.mark.parametrize(("seconds", "reach"), [(0.2, 80), (0.3, 120), (0.375, 150), (5.0, 150)])
def test_a_face_moves_four_of_its_sides_in_a_second_and_one_and_a_half_at_most(seconds: float, reach: float) -> None:
    track = new_track(7, square(0), 9, 1.0, look(0))
    assert continues(track, square(reach - 1), seconds) and not continues(track, square(reach + 1), seconds)
    diagonal = reach / 2**0.5
    assert continues(track, square(diagonal - 1, diagonal - 1), seconds)
    assert not continues(track, square(diagonal + 1, diagonal + 1), seconds)


@pytest.mark.parametrize("side", [60.0, 160.0])
def test_the_reach_is_that_of_the_size_which_the_face_had(side: float) -> None:
    track = new_track(7, square(0), 9, 1.0, look(0))
    assert continues(track, square(79, side=side), 0.2, min_iou=0.9)
    assert not continues(track, square(81, side=side), 0.2, min_iou=0.9)


@pytest.mark.parametrize(("side", "expected"), [(169, True), (171, False), (100 / 1.69, True), (100 / 1.71, False)])
def test_a_face_grows_or_shrinks_by_a_factor_of_1_7_at_most(side: float, expected: bool) -> None:
    track = new_track(7, square(0), 9, 1.0, look(0))
    assert continues(track, square(0, side=side), 0.2, min_iou=0.9) == expected


@pytest.mark.parametrize(
    ("change", "place", "needed"),
    [
        (Change.MOTION, 0, 1.45),
        (Change.MOTION, 70, 1.55),
        (Change.SUSPECT, 0, 1.82),
        (Change.SUSPECT, 70, 1.92),
        (Change.CUT, 0, 1.82),
    ],
)
def test_a_face_looks_the_more_alike_the_less_sure_the_motion_is(
    alike: Callable[[float], None], change: Change, place: float, needed: float
) -> None:
    track = new_track(7, square(0), 9, 1.0, look(0))
    for likeness, expected in ((needed - 0.01, False), (needed + 0.01, True)):
        alike(likeness)
        assert continues(track, square(place), 0.2, change) == expected


@pytest.mark.parametrize(("place", "chosen"), [(25.0, 1), (45.0, 0)])
def test_overlap_and_likeness_count_together(monkeypatch: pytest.MonkeyPatch, place: float, chosen: int) -> None:
    """The face overlaps track 0 by 0.9 and track 1 by 0.6 or 0.38; it looks more like track 1, by 0.4."""
    looks = [look(0), look(1)]
    tracks = [new_track(i, square(x), 9, 1.0, looks[i]) for i, x in enumerate((100 / 19, -place))]
    monkeypatch.setattr(association, "likeness", lambda first, _: 1.95 if first is looks[1] else 1.55)
    (track,) = associate(tracks, square(0)[None], [look(5)], 10, 1.04, Change.MOTION, 0.3).values()
    assert track.id == chosen


@pytest.mark.parametrize(("place", "expected"), [(0, True), (60, True), (-45, False)])
def test_after_a_cut_a_moving_face_stays_where_it_was_or_where_it_is_expected(place: float, expected: bool) -> None:
    moving = new_track(7, square(-30), 8, 0.9, look(0)).moved(square(0), 9, 1.0, look(0))  # 300 px/s
    assert continues(moving, square(place), 0.2, Change.CUT) == expected

"""Shot cuts between consecutive frames."""

import numpy as np
import pytest
import torch

from avfer.signal.cuts import Change, change, thumbnail
from tests.pictures import astronaut, face_at, no_face


def changed(before: np.ndarray, after: np.ndarray, seconds: float = 0.04) -> Change:
    first, second = (thumbnail(torch.from_numpy(np.ascontiguousarray(p))) for p in (before, after))
    return change(first, second, seconds)


def shifted(pixels: int) -> np.ndarray:
    """Return a view of the photograph, moved to the right by so many pixels: (200, 280, 3)."""
    return astronaut()[30:230, 40 + pixels : 320 + pixels]


@pytest.mark.parametrize("seconds", [0.04, 0.1, 0.2])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (face_at(0), no_face()),
        (np.zeros((90, 160, 3), np.uint8), no_face()),
        (face_at(0), np.ascontiguousarray(255 - face_at(0))),
    ],
)
def test_another_scene_is_a_cut_at_any_rate(before: np.ndarray, after: np.ndarray, seconds: float) -> None:
    assert changed(before, after, seconds) is Change.CUT


@pytest.mark.parametrize("seconds", [0.04, 0.1, 0.2])
@pytest.mark.parametrize(
    "after",
    [
        face_at(6, 4),
        (face_at(0) * 0.6).astype(np.uint8),  # a lamp is switched off
        face_at(0)[::2, ::2],  # a smaller picture of the same
    ],
)
def test_motion_and_light_are_no_cut(after: np.ndarray, seconds: float) -> None:
    assert changed(face_at(0), after, seconds) is Change.MOTION


def test_a_fast_pan_is_no_cut() -> None:
    assert changed(shifted(0), shifted(45), 0.2) is Change.SUSPECT


def speaker(clothes: tuple[int, int, int], move: int) -> np.ndarray:
    """Return a person with patterned clothes of one colour before a wall that is lit from the left: (144, 256, 3)."""
    picture = np.repeat(np.linspace(40, 220, 256, dtype=np.uint8)[None, :, None], 144, 0).repeat(3, 2)
    pattern = np.random.default_rng(0).integers(-60, 60, (6, 6, 1))
    picture[48:, 80:176] = np.clip(np.kron(np.roll(pattern, move, 0), np.ones((16, 16, 1))) + clothes, 0, 255)
    return picture


@pytest.mark.parametrize("seconds", [0.04, 0.2])
def test_another_speaker_before_the_same_background_is_suspect_and_motion_is_not(seconds: float) -> None:
    red, moved, green = speaker((150, 60, 60), 0), speaker((150, 60, 60), 1), speaker((50, 110, 60), 1)
    assert changed(red, moved, seconds) is Change.MOTION
    assert changed(red, green, seconds) is Change.SUSPECT


def test_the_reach_of_motion_grows_with_the_time_between_frames() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (9, 40, 3))
    picture = np.kron(noise, np.ones((16, 16, 1))).astype(np.uint8)  # (144, 640, 3)
    before, after = picture[:, :256], picture[:, 48:304]
    other = np.kron(noise[::-1, ::-1], np.ones((16, 16, 1))).astype(np.uint8)[:, :256]
    assert changed(before, after, 0.2) is Change.SUSPECT
    assert changed(before, other, 0.2) <= changed(before, other, 0.04)


@pytest.mark.parametrize("seconds", [0.04, 0.2, 1.25])
def test_the_same_colours_in_other_places_are_a_cut(seconds: float) -> None:
    """The colours overlap by 1.0, the blocks correlate by 0.2 to 0.3: together less than 1.5."""
    first = thumbnail(torch.from_numpy(np.ascontiguousarray(shifted(0))))
    other = np.random.default_rng(0).permutation(first.reshape(-1, 3)).reshape(first.shape)
    assert change(first, other, seconds) is Change.CUT


@pytest.mark.parametrize(("seconds", "expected"), [(0.2, Change.CUT), (1.25, Change.SUSPECT)])
def test_after_a_second_a_lower_likeness_may_be_motion(seconds: float, expected: Change) -> None:
    """A mirrored picture: the colours overlap by 1.0, the blocks correlate by 0.73; the limit is 1.75, then 1.5."""
    first = thumbnail(torch.from_numpy(np.ascontiguousarray(shifted(0))))
    assert change(first, first[:, ::-1], seconds) is expected


def test_a_small_change_is_no_cut_whatever_changes() -> None:
    """The noise of two dark pictures: grey levels from 0 to 15, whose mean absolute difference is 5.3."""
    first, second = np.random.default_rng(0).integers(0, 16, (2, 72, 128, 3)).astype(np.uint8)
    assert change(first, second, 0.04) is Change.MOTION


def test_a_thumbnail_has_the_pixel_in_the_middle_of_each_of_its_parts() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (3 * 72, 3 * 128, 3)).astype(np.uint8)
    np.testing.assert_array_equal(thumbnail(torch.from_numpy(picture)), picture[1::3, 1::3])


def test_a_small_picture_gives_a_thumbnail_of_the_same_size() -> None:
    assert thumbnail(torch.zeros(5, 7, 3, dtype=torch.uint8)).shape == (72, 128, 3)

"""The appearance of a face from frame to frame."""

import numpy as np
import pytest
import torch

from avfer.signal.appearance import appearances, colour_histogram, colour_overlap, face_colours, likeness
from avfer.signal.geometry import ARCFACE
from tests.pictures import face_at

POINTS = np.array([[111.0, 73], [153, 73], [132, 97], [115, 120], [150, 120]], np.float32)  # of face_at(0), about


def look(picture: np.ndarray, points: np.ndarray = POINTS):
    return appearances([torch.from_numpy(np.ascontiguousarray(picture))], points[None])[0]


def test_a_face_that_moves_keeps_its_likeness() -> None:
    moved = look(face_at(12, 5), POINTS - np.array([12, 5], np.float32))
    assert likeness(look(face_at(0)), moved) > 1.95


def test_a_face_that_tilts_keeps_its_likeness() -> None:
    x, y = POINTS.T
    turned = look(np.rot90(face_at(0)), np.stack([y, 279 - x], 1))
    assert likeness(look(face_at(0)), turned) > 1.85


def test_another_part_of_the_picture_is_not_alike() -> None:
    assert likeness(look(face_at(0)), look(face_at(0), POINTS + np.array([70, 60], np.float32))) < 1.2


def test_faces_of_one_tone_are_alike_if_their_colours_are() -> None:
    grey, red = np.full((60, 60, 3), 90, np.uint8), np.full((60, 60, 3), (200, 10, 10), np.uint8)
    points = np.array(ARCFACE, np.float32) * 60
    assert likeness(look(grey, points), look(grey, points)) == pytest.approx(2)
    assert likeness(look(grey, points), look(red, points)) == pytest.approx(1)


def test_a_histogram_sums_to_one_and_overlaps_with_itself() -> None:
    histogram = colour_histogram(face_at(0))
    assert histogram.sum() == pytest.approx(1)
    assert colour_overlap(histogram, histogram) == pytest.approx(1)


def test_the_grey_picture_is_the_mean_of_all_colours() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[::2, :, 0], picture[:, ::2, 2] = 120, 60
    grey = look(picture, np.array(ARCFACE, np.float32) * 32).grey  # one pixel of the sample for each of the picture
    np.testing.assert_allclose(grey, (60 + 30) / 3)


@pytest.mark.parametrize(("shift", "colour"), [((-500, 0), 0), ((500, 0), 1), ((30, -500), 2), ((30, 500), 3)])
def test_beyond_the_border_the_nearest_pixel_is_repeated(shift: tuple[int, int], colour: int) -> None:
    """A picture whose left, right, top and bottom border each have one colour."""
    colours = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0]], np.uint8)
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[0], picture[-1], picture[:, 0], picture[:, -1] = colours[2], colours[3], colours[0], colours[1]
    found = face_colours(torch.from_numpy(picture), np.array(ARCFACE, np.float32) * 32 + np.float32(shift))
    np.testing.assert_array_equal(found, colour_histogram(colours[[colour]]))

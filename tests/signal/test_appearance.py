"""The appearance of a face from frame to frame."""

import numpy as np
import pytest
import torch

from avfer.signal.appearance import appearance, colour_histogram, colour_overlap, likeness
from avfer.signal.geometry import ARCFACE
from tests.pictures import face_at

POINTS = np.array([[111.0, 73], [153, 73], [132, 97], [115, 120], [150, 120]], np.float32)  # of face_at(0), about


def look(picture: np.ndarray, points: np.ndarray = POINTS):
    return appearance(torch.from_numpy(np.ascontiguousarray(picture)), points)


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

"""Drawings over faces: what they cover, and what they leave visible."""

import numpy as np
import pytest

from avfer.models.face_measurer import LANDMARK_INDEX
from tools.train.face_occlusions import EYES, JAW, KINDS, LIPS, PUPILS, cover, visible

SIDE = 120


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """The landmarks of an upright face in a crop of SIDE px, on circles about its features."""
    middles = {**dict.fromkeys(LIPS, (60, 86)), **dict.fromkeys(EYES[0], (45, 52)), **dict.fromkeys(EYES[1], (75, 52))}
    found = np.zeros((len(LANDMARK_INDEX), 2))
    for number, point in enumerate(LANDMARK_INDEX):
        angle = number * 2.4
        found[number] = np.array(middles.get(point, (60, 65))) + 6 * np.array([np.cos(angle), np.sin(angle)])
    found[[LANDMARK_INDEX.index(point) for point in PUPILS]] = (45, 52), (75, 52)
    angles = np.linspace(0, np.pi, len(JAW))
    found[[LANDMARK_INDEX.index(point) for point in JAW]] = np.c_[60 - 36 * np.cos(angles), 60 + 45 * np.sin(angles)]
    return found


def shares(kind: str, points: np.ndarray) -> np.ndarray:
    """Return the visible shares of mouth and eyes over several drawings of a kind: (12, 2)."""
    rng, texture = np.random.default_rng(0), np.zeros((SIDE, SIDE, 3), np.uint8)
    face = np.full((SIDE, SIDE, 3), 150, np.uint8)
    return np.array([cover(face, points, kind, rng, texture)[1] for _ in range(12)])


def test_a_mask_covers_the_mouth_and_sunglasses_cover_the_eyes(points):
    mask, glasses = shares("mask", points), shares("sunglasses", points)
    assert mask[:, 0].max() < 0.1 and mask[:, 1].min() > 0.9
    assert glasses[:, 1].max() < 0.4 and glasses[:, 0].min() > 0.9


@pytest.mark.parametrize("kind", ["plain", "glasses", "beard"])
def test_glasses_and_beards_cover_nothing(points, kind):
    assert (shares(kind, points) == 1).all()


def test_every_kind_is_drawn_and_shares_lie_in_0_to_1(points):
    for kind in KINDS:
        values = shares(kind, points)
        assert values.min() >= 0 and values.max() <= 1


def test_the_visible_share_is_that_of_the_pixels_which_are_not_covered(points):
    covered = np.zeros((SIDE, SIDE))
    assert visible(points, covered).tolist() == [1, 1]
    covered[:, :60] = 1  # the left half: a part of the mouth, one eye of two
    mouth, eyes = visible(points, covered)
    assert 0.3 < mouth < 0.7 and eyes == pytest.approx(0.5, abs=0.01)
    covered[70:] = 1  # the lower face
    assert visible(points, covered) == pytest.approx([0, 0.5], abs=0.01)

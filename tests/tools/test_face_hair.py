"""Hair, lips and skin that are drawn on faces: what changes and what keeps its pixels."""

import numpy as np
import pytest

from avfer.models.face_measurer import LANDMARK_INDEX
from tools.train.face_hair import CHIN, LOWER, LOWER_INNER, TIP, UPPER, UPPER_INNER, change, hair, lips, outlines, union
from tools.train.face_occlusions import FOREHEAD, JAW, filled

SIDE = 120


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """The landmarks of an upright face in a crop of SIDE px, whose mouth is open by 6 px."""
    found = np.full((len(LANDMARK_INDEX), 2), 60.0)

    def put(numbers: tuple[int, ...], x: np.ndarray, y: np.ndarray | float) -> None:
        found[[LANDMARK_INDEX.index(number) for number in numbers]] = np.stack(np.broadcast_arrays(x, y), 1)

    angle = np.linspace(0, np.pi, len(JAW))
    put(JAW, 60 - 36 * np.cos(angle), 60 + 45 * np.sin(angle))
    angle = np.linspace(0, np.pi, len(FOREHEAD))
    put(FOREHEAD, 60 - 36 * np.cos(angle), 60 - 35 * np.sin(angle))
    arch = np.sin(np.linspace(0, np.pi, len(UPPER)))
    for numbers, width, bend in ((UPPER, 13, -7), (UPPER_INNER, 10, -3), (LOWER_INNER, 10, 3), (LOWER, 13, 9)):
        put(numbers, np.linspace(60 - width, 60 + width, len(numbers)), 84 + bend * arch)
    put((TIP,), np.array([60.0]), 68)
    put((CHIN,), np.array([60.0]), 105)
    return found


def face(value: int = 170) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), value, np.uint8)


def between(points: np.ndarray, first: tuple[int, ...], second: tuple[int, ...]) -> np.ndarray:
    """How much of each pixel lies between two edges of the lips."""
    a, b = (points[[LANDMARK_INDEX.index(number) for number in numbers]] for numbers in (first, second))
    return filled(SIDE, np.concatenate([a, b[::-1]]))


def test_hair_grows_about_the_mouth_alone(points):
    shapes = [union(SIDE, outlines(points, np.random.default_rng(seed)), 1.0) for seed in range(40)]
    assert all(shape.max() > 0.5 for shape in shapes)
    assert max(shape[:60].max() for shape in shapes) == 0  # nothing above the tip of the nose
    rows, cols = np.nonzero(np.max(shapes, 0) > 0.5)
    assert np.hypot((cols - 60) / 1.1, rows - 60).max() < 52  # nothing beyond the jaw


def test_hair_leaves_the_lower_lip_and_the_open_mouth_as_they_are(points):
    inside, lower = between(points, UPPER_INNER, LOWER_INNER), between(points, LOWER_INNER, LOWER)
    mouth = np.maximum(inside, lower)
    free = mouth == 1
    for seed in range(20):
        drawn = hair(face().astype(np.float32), points, mouth, np.random.default_rng(seed))
        assert (drawn[free] == 170).all() and (drawn != 170).any()


def test_lips_change_within_their_edges_alone(points):
    parts = (between(points, UPPER, UPPER_INNER), between(points, LOWER_INNER, LOWER))
    drawn = lips(face().astype(np.float32), parts, np.array([120.0, 90, 80]), np.random.default_rng(0))
    outside = (parts[0] == 0) & (parts[1] == 0)
    assert (drawn[outside] == 170).all()
    assert (drawn[parts[0] == 1] != 170).any() and (drawn[parts[1] == 1] != 170).any()


def test_a_face_is_always_changed_and_a_grey_one_stays_grey(points):
    for seed in range(12):
        before, colour = face(), face()
        colour[..., 2] = 120
        grey, drawn = (change(one, points, np.random.default_rng(seed)) for one in (before, colour))
        assert (grey == grey[..., :1]).all() and (grey != 170).any()
        assert drawn.dtype == np.uint8 and (drawn != colour).any()
        assert (before == 170).all()  # the picture that is passed keeps its pixels


def test_the_same_seed_draws_the_same_face(points):
    first, second, other = (change(face(), points, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert (first == second).all() and (first != other).any()

from pathlib import Path

import numpy as np
import pytest

from tools.renders.head import Head, direction_angles, rotation
from tools.renders.rasteriser import rasterise
from tools.renders.shots import MOVEMENTS, Shot, lids, random_shot, render, shapes
from tools.renders.sweeps import SWEEPS, WEIGHTS, looks, series, sided

FACEKIT = Path(__file__).parents[3] / "shared" / "data" / "ict_facekit" / "ict_facekit.npz"


@pytest.fixture(scope="module")
def head() -> Head:
    if not FACEKIT.exists():
        pytest.skip("the ICT FaceKit is not there")
    return Head(FACEKIT)


def still(head: Head, **changes) -> Shot:
    return Shot(identity=np.zeros(head.num_identities), **changes)


def drawn(points: list[tuple[float, float, float]], *triangles: tuple[int, int, int]) -> np.ndarray:
    picture = np.zeros((8, 8, 3), np.float32)
    colours = np.repeat(np.array([p[2] for p in points], np.float32)[:, None], 3, 1)
    rasterise(np.array(points, np.float32), np.array(triangles, np.int32), colours, picture)
    return picture


SQUARE = [(0, 0, 5), (0, 8, 5), (8, 8, 5), (8, 0, 5)]
NEARER = [(0, 0, 2), (0, 4, 2), (4, 4, 2), (4, 0, 2)]


def test_the_nearest_surface_is_drawn_whatever_the_order():
    corners = SQUARE + NEARER
    far, near = ((0, 1, 2), (0, 2, 3)), ((4, 5, 6), (4, 6, 7))
    for order in (far + near, near + far):
        picture = drawn(corners, *order)
        assert (picture[:4, :4] == 2).all()
        assert (picture[4:] == 5).all()
        assert (picture[:, 4:] == 5).all()


def test_triangles_that_are_turned_away_are_not_drawn():
    assert (drawn(SQUARE, (0, 2, 1), (0, 3, 2)) == 0).all()


def test_angles_have_the_signs_of_the_contract():
    forward = np.array([0, 0, 1.0])
    assert (rotation(20, 0, 0) @ forward)[0] > 0  # to the picture's right
    assert (rotation(0, 20, 0) @ forward)[1] > 0  # up
    assert (rotation(0, 0, 20) @ np.array([0, 1.0, 0]))[0] > 0  # the top of the head tilts clockwise as seen


def test_a_rotation_returns_its_yaw_and_pitch_whatever_the_roll_before_it():
    assert direction_angles(rotation(25, -10, 0)[:, 2]) == pytest.approx([25, -10])


def test_every_movement_and_sweep_names_shapes_of_the_head(head):
    for movement in MOVEMENTS:
        assert shapes(head, movement)
    for weights in SWEEPS.values():
        assert set(sided(weights)) <= set(head.names)
    assert set(lids(10, 10)) | set(lids(-10, -10)) <= set(head.names)


def test_eyes_turn_without_the_head(head):
    none = np.zeros(len(head.names))
    left = head.eyes[0]
    iris = left[head.regions.from_axis[left] < 0.3]
    straight, aside = (head.vertices(np.zeros(60), none, gaze) for gaze in ((0, 0), (20, 0)))
    assert (aside[iris] - straight[iris])[:, 0].min() > 0.3  # cm to the picture's right
    assert np.array_equal(straight[head.regions.face > 0], aside[head.regions.face > 0])


def test_a_shot_always_gives_the_same_picture(head):
    shot = random_shot(head, np.random.default_rng(3))
    first, points = render(head, shot, 64)
    again, _ = render(head, shot, 64)
    assert np.array_equal(first, again)
    assert points.shape == (68, 2)
    assert (points > 0).all()
    assert (points < 64).all()


def test_an_open_jaw_lowers_the_chin_in_the_picture(head):
    _, closed = render(head, still(head), 64)
    _, opened = render(head, still(head, weights={"jawOpen": 1.0}), 64)
    assert opened[8, 1] - opened[27, 1] > closed[8, 1] - closed[27, 1] + 3  # chin below the nose's bridge, px


def test_a_series_grows_one_movement_of_one_head(head):
    steps = list(series(head, 0))
    assert len(steps) == 1 + len(SWEEPS) * (len(WEIGHTS) - 1)
    assert all(step.shot.identity is steps[0].shot.identity for step in steps)
    assert not steps[0].shot.weights
    for step in steps[1:]:
        assert step.shot.weights == {name: step.weight * w for name, w in sided(SWEEPS[step.unit]).items()}


def test_looks_aside_are_15_degrees_or_more_from_the_camera(head):
    assert all(np.abs(shot.gaze()).max() >= 15 for shot in looks(head, 5))

"""The panel with the values of a face covers no face where the picture has room for that."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avfer.export.panel_places import place_panel

NONE = np.zeros((0, 4))
PANEL = (30, 10)


def covers(corner: tuple[float, float], boxes: np.ndarray) -> bool:
    (x, y), (width, height) = corner, PANEL
    across = (boxes[:, 0] < x + width) & (boxes[:, 2] > x)
    return bool((across & (boxes[:, 1] < y + height) & (boxes[:, 3] > y)).any())


@pytest.mark.parametrize(
    ("face", "corner"),
    [
        ([40, 40, 60, 60], (40, 62)),  # below
        ([40, 70, 60, 95], (40, 58)),  # at the bottom: above
        ([0, 0, 30, 100], (32, 0)),  # as high as the picture: to the right
        ([60, 0, 100, 100], (28, 0)),  # and at its right edge: to the left
    ],
)
def test_a_panel_lies_below_above_or_beside_its_face(face, corner):
    box = np.array(face, float)
    assert place_panel(box, PANEL, (100, 100), box[None], NONE, 2) == corner


def test_panels_do_not_cover_each_other():
    faces = np.array([[10, 40, 30, 60], [20, 40, 40, 60]], float)
    x, y = place_panel(faces[0], PANEL, (100, 100), faces, NONE, 2)
    taken = np.array([[x, y, x + PANEL[0], y + PANEL[1]]])
    other = place_panel(faces[1], PANEL, (100, 100), faces, taken, 2)
    assert not covers(other, taken) and not covers(other, faces)


def test_where_no_place_is_free_the_panel_lies_inside_the_picture():
    x, y = place_panel(np.array([0.0, 0, 40, 20]), PANEL, (40, 20), np.array([[0.0, 0, 40, 20]]), NONE, 2)
    assert 0 <= x <= 10 and 0 <= y <= 10


box = st.tuples(*[st.integers(0, 50)] * 2, *[st.integers(8, 40)] * 2).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(st.lists(box, min_size=1, max_size=5))
def test_a_panel_covers_no_face_if_any_place_of_the_picture_is_free(boxes):
    faces = np.array(boxes, float)
    corner = place_panel(faces[0], PANEL, (70, 60), faces, NONE, 2)
    assert 0 <= corner[0] <= 40 and 0 <= corner[1] <= 50
    free = any(not covers((x, y), faces) for x in range(41) for y in range(51))
    assert covers(corner, faces) != free

"""Directions of head axes and gaze in the picture, and the names of the drawings."""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from avfer.errors import ConfigError
from avfer.export.face_drawing import (
    CROWN,
    FACE,
    LANDMARKS,
    SIDE,
    draw_measures,
    gaze_direction,
    head_axes,
    parse_drawings,
)

HALF, ROOT = 0.5, math.sqrt(3) / 2  # sine and cosine of 30 degrees
BOX = {"face_x1": 50.0, "face_y1": 50.0, "face_x2": 150.0, "face_y2": 150.0}
LEVEL = {"yaw_deg": 0.0, "pitch_deg": 0.0, "roll_deg": 0.0}


@pytest.mark.parametrize(
    ("angles", "side", "crown", "face"),
    [
        ((0, 0, 0), (1, 0), (0, -1), (0, 0)),
        ((30, 0, 0), (ROOT, 0), (0, -1), (HALF, 0)),  # to the picture's right
        ((0, 30, 0), (1, 0), (0, -ROOT), (0, -HALF)),  # up
        ((0, 0, 30), (ROOT, HALF), (HALF, -ROOT), (0, 0)),  # clockwise: the crown moves to the right
        ((90, 0, 90), (0, 0), (1, 0), (0, 1)),  # yaw, then roll
    ],
)
def test_axes_of_a_head_end_where_they_are_seen(angles, side, crown, face):
    assert head_axes(*angles) == pytest.approx(np.array([side, crown, face]), abs=1e-12)


def test_a_gaze_to_the_right_and_up_is_right_and_up_in_the_picture():
    assert gaze_direction(30, 0) == pytest.approx((HALF, 0))
    assert gaze_direction(0, 30) == pytest.approx((0, -HALF))


def test_axes_are_drawn_from_the_middle_of_the_box_in_their_colours():
    image = Image.new("RGB", (200, 200))
    draw_measures(ImageDraw.Draw(image, "RGBA"), BOX | LEVEL, ("pose",))
    colours = [image.getpixel(point) for point in ((145, 100), (100, 55), (100, 100))]
    assert colours == [tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in (SIDE, CROWN, FACE)]


@pytest.mark.parametrize("row", [BOX, BOX | LEVEL | {"roll_deg": None}])
def test_a_missing_angle_leaves_its_drawing_out(row):
    image = Image.new("RGB", (200, 200))
    draw_measures(ImageDraw.Draw(image, "RGBA"), row, ("pose", "gaze"))
    assert image.getbbox() is None


@pytest.mark.parametrize(("closed", "drawn"), [(0.2, True), (0.9, False), (None, True)])
def test_closed_eyes_have_no_gaze(closed, drawn):
    image = Image.new("RGB", (200, 200))
    row = BOX | LEVEL | {"gaze_yaw_deg": 20.0, "gaze_pitch_deg": 0.0, "eye_closed": closed}
    draw_measures(ImageDraw.Draw(image, "RGBA"), row, ("gaze",))
    assert (image.getbbox() is not None) == drawn


@pytest.mark.parametrize("brightness", [0, 255])
def test_landmarks_are_seen_on_dark_and_on_bright_footage(brightness):
    image = Image.new("RGB", (200, 200), (brightness,) * 3)
    draw_measures(ImageDraw.Draw(image, "RGBA"), BOX | {LANDMARKS: np.array([[100.0, 120.0]])}, ("landmarks",))
    found = np.asarray(image)[110:131, 90:111]
    assert abs(found.astype(int) - brightness).max() > 100


def test_a_gaze_is_drawn_from_the_eyes():
    image = Image.new("RGB", (200, 200))
    row = BOX | LEVEL | {"gaze_yaw_deg": 30.0, "gaze_pitch_deg": 0.0}
    draw_measures(ImageDraw.Draw(image, "RGBA"), row, ("gaze",))
    left, top, right, bottom = image.getbbox() or (0, 0, 0, 0)
    assert left == pytest.approx(100, abs=3) and (top + bottom) / 2 == pytest.approx(50 + 0.4 * 100, abs=2)
    assert right == pytest.approx(100 + 0.9 * HALF * 100, abs=5)


def test_drawings_are_a_list_of_known_names():
    assert parse_drawings("pose, gaze,pose") == ("pose", "gaze") and parse_drawings("") == ()
    with pytest.raises(ConfigError, match="draw: unknown drawing 'poze'; did you mean 'pose'"):
        parse_drawings("poze")

"""Draw what is measured on a face: its landmarks, the axes of the head and the direction of the gaze.

Axes and gaze are drawn as they project onto the picture: an axis that points at the viewer has no length.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import ImageDraw

from avfer.errors import ConfigError, unknown
from avfer.export.open_eyes import CLOSED, EYE_CLOSED, GAZE_COLUMNS
from avfer.export.track_series import BOX_COLUMNS, POSE_COLUMNS

Point = tuple[float, float]  # (x, y) px, y down
DRAWINGS = ("landmarks", "pose", "gaze")
LANDMARKS = "landmarks"  # key of a row with its points: (P, 2) px
# Okabe and Ito's palette: the axes to the head's side, over its crown, and out of its face; the gaze.
SIDE, CROWN, FACE, GAZE, POINT = "#d55e00", "#009e73", "#56b4e9", "#f0e442", "#ffffff"
EDGE = (0, 0, 0, 150)
AXIS_LENGTH, GAZE_LENGTH = 0.5, 0.9  # of the longer side of the face's box
EYE_LINE = 0.4  # of the height of the box, from its top


def parse_drawings(text: str) -> tuple[str, ...]:
    """Return the names in a list with commas: "pose,gaze". Raises ConfigError for a name not in DRAWINGS."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in DRAWINGS:
            raise ConfigError(f"draw: {unknown('drawing', name, DRAWINGS)}")
    return names


def head_axes(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return where the axes of a head end in the picture: (3, 2) of length 1 or less, x right, y down.

    The rows are the axis to the picture's right (of a head that faces the viewer), the axis over the crown, and the
    axis out of the face. Angles in degrees: the head is turned by pitch (+ up), then yaw (+ to the picture's right),
    then roll (+ clockwise as seen), as `avfer.models` measures them.
    """
    y, p, r = np.radians([yaw, -pitch, -roll])  # right-handed turns; x right, y up, z to the viewer
    turn_x = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    turn_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    turn_z = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    return (turn_z @ turn_y @ turn_x)[:2].T * [1, -1]


def gaze_direction(yaw: float, pitch: float) -> np.ndarray:
    """Return where a look of length 1 ends in the picture: (2,), x right, y down.

    Angles in degrees, relative to the camera: yaw + to the picture's right, pitch + up.
    """
    y, p = math.radians(yaw), math.radians(pitch)
    return np.array([math.cos(p) * math.sin(y), -math.sin(p)])


def draw_measures(pen: ImageDraw.ImageDraw, row: Mapping[str, object], drawings: Sequence[str]) -> None:
    """Draw the measures of a face; a missing value leaves its drawing out.

    row: of the table, with a box; its landmarks under LANDMARKS. drawings: some of DRAWINGS.
    """
    left, top, right, bottom = (_number(row[side]) for side in BOX_COLUMNS)
    size = max(right - left, bottom - top)
    width = max(2, round(size / 60))  # px, of a line
    middle = (left + right) / 2
    points = row.get(LANDMARKS)
    if "landmarks" in drawings and isinstance(points, np.ndarray):
        radius = max(0.75, size / 200)
        for fill, around in ((EDGE, 1.5 * radius), (POINT, radius)):  # the edges first: they cover no point
            for x, y in points.tolist():
                pen.ellipse((x - around, y - around, x + around, y + around), fill=fill)
    pose = [_number(row.get(name)) for name in POSE_COLUMNS]
    if "pose" in drawings and np.isfinite(pose).all():
        for end, colour in zip(head_axes(*pose), (SIDE, CROWN, FACE), strict=True):
            _draw_arrow(pen, (middle, (top + bottom) / 2), end * AXIS_LENGTH * size, colour, width)
    gaze = [_number(row.get(name)) for name in GAZE_COLUMNS]
    is_closed = _number(row.get(EYE_CLOSED)) >= CLOSED
    if "gaze" in drawings and np.isfinite(gaze).all() and not is_closed:
        eyes = (middle, top + EYE_LINE * (bottom - top))
        _draw_arrow(pen, eyes, gaze_direction(*gaze) * GAZE_LENGTH * size, GAZE, width)


def _number(value: object) -> float:
    return float(value) if isinstance(value, float | int) else math.nan


def _draw_arrow(pen: ImageDraw.ImageDraw, start: Point, step: np.ndarray, colour: str, width: int) -> None:
    """Draw a line with a disc at its end and a dark edge.   start: px; step: (2,) px; width: px"""
    x, y = start[0] + float(step[0]), start[1] + float(step[1])
    pen.line((*start, x, y), fill=EDGE, width=width + 2)
    pen.line((*start, x, y), fill=colour, width=width)
    pen.ellipse((x - 1.5 * width, y - 1.5 * width, x + 1.5 * width, y + 1.5 * width), fill=colour, outline=EDGE)

"""Draw predictions on a frame: face boxes, numbers of persons, expressions, and gauges of valence and arousal.

A face has the number of its person, which the option `person` of a run takes too; that of its track if persons are
unknown. Boxes and panels have the colour of the person in the charts of the table. All sizes are multiples of the
height of the text, so an overlay looks the same at any resolution.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw, ImageFont

from avfer.export.colours import line_colour
from avfer.export.column_facts import check_columns
from avfer.export.face_drawing import draw_measures
from avfer.export.open_eyes import EYE_CLOSED, GAZE_COLUMNS
from avfer.export.panel_places import place_panel
from avfer.export.person_rows import labels_by_presence, person_label
from avfer.export.track_series import BOX_COLUMNS, POSE_COLUMNS, class_names

# Column -> value, of one row of the table; its landmarks (P, 2) px and its colour under keys of their own.
Row = Mapping[str, float | int | str | np.ndarray | None]
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
PANEL, INK, FAINT = (16, 20, 26, 190), (255, 255, 255, 255), (255, 255, 255, 90)  # RGBA
WIDTH, HEIGHT = 11, 3.7  # of a panel, in heights of the text; a panel with a longer label is wider
MARGIN = 0.4  # between the left or right edge of a panel and its text, in heights of the text
MAX_LETTERS = 30  # of the name of an expression
COLOUR = "colour"  # key of a row with the colour of its person
NEEDED = ("frame", "track", *BOX_COLUMNS)  # columns
VALUES = ("person", "valence", "arousal", "expression", *POSE_COLUMNS, *GAZE_COLUMNS, EYE_CLOSED)  # drawn if present


def rows_by_frame(table: pa.Table) -> dict[int, list[Row]]:
    """Return the rows of each frame, by the frame's index, with the columns that are drawn and the colour of the face.

    Rows without a frame (audio alone) are left out. Raises DatasetError if the table has no frames or boxes.
    """
    check_columns(table, NEEDED)
    rows: dict[int, list[Row]] = {}
    colours = {label: line_colour(number) for number, label in enumerate(labels_by_presence(table))}
    values = [name for name in VALUES if name in table.column_names]
    for row in table.select([*NEEDED, *values, *(f"p_{name}" for name in class_names(table))]).to_pylist():
        if row["frame"] is not None:
            label = person_label(row.get("person"), row["track"])
            rows.setdefault(row["frame"], []).append({**row, COLOUR: colours[label]})
    return rows


def draw_rows(image: np.ndarray, rows: Sequence[Row], drawings: Sequence[str] = ()) -> np.ndarray:
    """Return a copy of an image with the predictions of its rows drawn on it.

    image: (H, W, 3) uint8 RGB -> (H, W, 3) uint8 RGB. Values of a row without a face are drawn in the lower left
    corner, as "voice". The size of the text follows the smaller side of the image. drawings: names of
    `avfer.export.face_drawing.DRAWINGS`, drawn on each face.
    """
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture, "RGBA")
    size = max(9, round(min(picture.size) / 36))  # px, height of the text
    font = ImageFont.load_default(size)
    seen = [row for row in rows if row["track"] is not None]
    for row in seen:
        draw_measures(pen, row, drawings)
    for row in seen:
        pen.rounded_rectangle(_box(row), radius=size // 2, outline=str(row[COLOUR]), width=max(2, size // 5))
    panels = [_panel_size(_label(row), size) for row in seen]
    for row, panel, corner in zip(seen, panels, _panel_corners(seen, panels, picture.size, size // 3), strict=True):
        _draw_panel(pen, corner, panel, row, font, size)
    for row in rows:
        if row["track"] is None and row.get("valence") is not None:
            panel = _panel_size(_label(row), size)
            left, above = max(0, picture.width - panel[0]), max(0, picture.height - panel[1] - 0.3 * size)
            _draw_panel(pen, (min(size, left), above), panel, row, font, size)
    return np.asarray(picture)


def _label(row: Row) -> str:
    """Return the number of the face or "voice", the expression and its probability: "3  happiness 98%".

    The number is that of the person, or of the track if the person is unknown.
    """
    person = row.get("person")
    name = "voice" if row["track"] is None else f"{row['track'] if person is None else person}"
    expression = str(row.get("expression") or "")
    probability = row.get(f"p_{expression}")
    shown = expression if len(expression) <= MAX_LETTERS else f"{expression[: MAX_LETTERS - 1]}…"
    return f"{name}  {shown} {f'{probability:.0%}' if isinstance(probability, float) else ''}".rstrip()


def _panel_size(label: str, size: int) -> tuple[float, float]:
    """Return the width and height of the panel with a label in px.   size: px, height of the text"""
    return max(WIDTH * size, _label_font(label, size).getlength(label) + 2 * MARGIN * size), HEIGHT * size


def _label_font(label: str, size: int) -> Font:
    """Return Pillow's own font, or DejaVu Sans of Matplotlib for letters that it lacks: "Ärger".   size: px"""
    package = find_spec("matplotlib")
    if label.replace("…", "").isascii() or package is None or package.origin is None:
        return ImageFont.load_default(size)
    try:
        return ImageFont.truetype(Path(package.origin).with_name("mpl-data") / "fonts" / "ttf" / "DejaVuSans.ttf", size)
    except OSError:  # an installation without fonts
        return ImageFont.load_default(size)


def _box(row: Row) -> list[float]:
    """Return the box of a face, xyxy px."""
    return [float(row[side] or 0) for side in BOX_COLUMNS]


def _panel_corners(
    rows: Sequence[Row], panels: Sequence[tuple[float, float]], canvas: tuple[int, int], gap: int
) -> list[tuple[float, float]]:
    """Return the upper left corner of the panel of each face, (x, y) px.

    panels: width and height of each; canvas: of the picture; gap: between a panel and its face; all in px.
    """
    faces = np.array([_box(row) for row in rows]).reshape(-1, 4)
    taken = np.zeros((0, 4))
    for face, panel in zip(faces, panels, strict=True):
        x, y = place_panel(face, panel, canvas, faces, taken, gap)
        taken = np.concatenate([taken, [[x, y, x + panel[0], y + panel[1]]]])
    return [(x, y) for x, y in taken[:, :2].tolist()]


def _draw_panel(
    pen: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    panel: tuple[float, float],
    row: Row,
    font: Font,
    size: int,
) -> None:
    """Draw a panel with the label of a row, and gauges of valence and arousal. Null values are left out.

    corner: (x, y) px, upper left; panel: width and height in px; size: px, height of the text.
    """
    x, y = corner
    edge = None if row["track"] is None else str(row[COLOUR])
    place = (x, y, x + panel[0], y + panel[1])
    pen.rounded_rectangle(place, radius=size // 3, fill=PANEL, outline=edge, width=max(1, size // 8))
    label = _label(row)
    pen.text((x + size * MARGIN, y + size * 0.1), label, fill=INK, font=_label_font(label, size))
    for line, (letter, column) in enumerate((("V", "valence"), ("A", "arousal"))):
        value = row.get(column)
        if isinstance(value, float):
            _draw_gauge(pen, (x, y + (1.35 + 1.1 * line) * size), letter, value, font, size)


def _draw_gauge(
    pen: ImageDraw.ImageDraw, corner: tuple[float, float], letter: str, value: float, font: Font, size: int
) -> None:
    """Draw a value in [-1, 1] as a bar from the middle, to the right if positive, with the number beside it.

    corner: (x, y) px, upper left; letter: "V" or "A".
    """
    x, y = corner
    pen.text((x + size * MARGIN, y - size * 0.05), letter, fill=INK, font=font)
    left, length, top = x + 1.6 * size, 6 * size, y + 0.35 * size
    middle = left + length / 2
    pen.rectangle((left, top, left + length, top + size * 0.5), fill=FAINT)
    end = middle + value * length / 2
    fill = "#56b4e9" if value >= 0 else "#e69f00"
    pen.rectangle((min(middle, end), top, max(middle, end), top + size * 0.5), fill=fill)
    pen.line((middle, top - 1, middle, top + size * 0.5 + 1), fill=INK)
    _draw_number(pen, (left + length + size * MARGIN, y - size * 0.05), round(value, 2), font)


def _draw_number(pen: ImageDraw.ImageDraw, corner: tuple[float, float], value: float, font: Font) -> None:
    """Draw a number with its sign, both signs equally wide: the hyphen of the font is a dot in a small picture.

    corner: (x, y) px, upper left; value: rounded to two decimals.
    """
    x, y = corner
    left, top, right, bottom = pen.textbbox(corner, "+", font=font)
    if value < 0:
        middle, half = round((top + bottom) / 2), max(1, round((bottom - top) / 8)) / 2
        pen.rectangle((left, middle - half, right - 1, middle + half - 1), fill=INK)
    else:
        pen.text(corner, "+", fill=INK, font=font)
    pen.text((x + font.getlength("+"), y), f"{abs(value):.2f}", fill=INK, font=font)

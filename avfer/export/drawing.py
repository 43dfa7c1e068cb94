"""Draw predictions on a frame: face boxes, track ids, expressions, and gauges of valence and arousal.

Box and line colours follow the track id, with the palette of the charts. All sizes are multiples of the height of the
text, so an overlay looks the same at any resolution.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw, ImageFont

from avfer.export.colours import line_colour
from avfer.export.face_drawing import draw_measures
from avfer.export.open_eyes import EYE_CLOSED, GAZE_COLUMNS
from avfer.export.track_series import BOX_COLUMNS, POSE_COLUMNS, class_names

# Column -> value, of one row of the table; its landmarks (P, 2) px under a key of their own.
Row = Mapping[str, float | int | str | np.ndarray | None]
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
PANEL, INK, FAINT = (16, 20, 26, 190), (255, 255, 255, 255), (255, 255, 255, 90)  # RGBA
COLUMNS = ("frame", "track", *BOX_COLUMNS, "valence", "arousal", "expression")


def rows_by_frame(table: pa.Table) -> dict[int, list[Row]]:
    """Return the rows of each frame, by the frame's index, with the columns that are drawn.

    Rows without a frame (audio alone) are left out.
    """
    rows: dict[int, list[Row]] = {}
    measures = [name for name in (*POSE_COLUMNS, *GAZE_COLUMNS, EYE_CLOSED) if name in table.column_names]
    for row in table.select([*COLUMNS, *measures, *(f"p_{name}" for name in class_names(table))]).to_pylist():
        if row["frame"] is not None:
            rows.setdefault(row["frame"], []).append(row)
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
    for row in rows:
        if row["track"] is not None:
            draw_measures(pen, row, drawings)
            _draw_face(pen, row, font, size)
        elif row["valence"] is not None:
            _draw_panel(pen, (size, picture.height - 4 * size), "voice", row, font, size)
    return np.asarray(picture)


def _draw_face(pen: ImageDraw.ImageDraw, row: Row, font: Font, size: int) -> None:
    """Draw the box of a face and, below it, the panel with its values.   size: px, height of the text"""
    box = [float(row[side] or 0) for side in BOX_COLUMNS]
    track = int(row["track"] or 0)
    pen.rounded_rectangle(box, radius=size // 2, outline=line_colour(track), width=max(2, size // 5))
    _draw_panel(pen, (box[0], box[3] + size // 3), f"{track}", row, font, size)


def _draw_panel(
    pen: ImageDraw.ImageDraw, corner: tuple[float, float], name: str, row: Row, font: Font, size: int
) -> None:
    """Draw a panel with name, expression with its probability, and gauges of valence and arousal.

    corner: (x, y) px, upper left; the panel is moved as far as needed to lie inside the image. Null values are left
    out.
    """
    width, height = 11 * size, 3.7 * size
    canvas = pen.im.size
    x = min(max(corner[0], 0), max(canvas[0] - width, 0))
    y = min(max(corner[1], 0), max(canvas[1] - height, 0))
    pen.rounded_rectangle((x, y, x + width, y + height), radius=size // 3, fill=PANEL)
    expression = row["expression"]
    probability = row[f"p_{expression}"] if expression else None
    label = f"{name}  {expression} {probability:.0%}" if expression and isinstance(probability, float) else name
    pen.text((x + size * 0.4, y + size * 0.1), label, fill=INK, font=font)
    for line, (letter, column) in enumerate((("V", "valence"), ("A", "arousal"))):
        value = row[column]
        if isinstance(value, float):
            _draw_gauge(pen, (x, y + (1.35 + 1.1 * line) * size), letter, value, font, size)


def _draw_gauge(
    pen: ImageDraw.ImageDraw, corner: tuple[float, float], letter: str, value: float, font: Font, size: int
) -> None:
    """Draw a value in [-1, 1] as a bar from the middle, to the right if positive, with the number beside it.

    corner: (x, y) px, upper left; letter: "V" or "A".
    """
    x, y = corner
    pen.text((x + size * 0.4, y - size * 0.05), letter, fill=INK, font=font)
    left, length, top = x + 1.6 * size, 6 * size, y + 0.35 * size
    middle = left + length / 2
    pen.rectangle((left, top, left + length, top + size * 0.5), fill=FAINT)
    end = middle + value * length / 2
    fill = "#56b4e9" if value >= 0 else "#e69f00"
    pen.rectangle((min(middle, end), top, max(middle, end), top + size * 0.5), fill=fill)
    pen.line((middle, top - 1, middle, top + size * 0.5 + 1), fill=INK)
    pen.text((left + length + size * 0.4, y - size * 0.05), f"{value:+.2f}", fill=INK, font=font)

"""A frame with what was read of it: boxes, track ids, expressions, and gauges of valence and arousal."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw, ImageFont

from avfer.export.series import LINE_COLOURS, class_names

Row = Mapping[str, float | int | str | None]
PANEL, INK, FAINT = (16, 20, 26, 190), (255, 255, 255, 255), (255, 255, 255, 90)
COLUMNS = ("frame", "track", "face_x1", "face_y1", "face_x2", "face_y2", "valence", "arousal", "expression")


def rows_by_frame(table: pa.Table) -> dict[int, list[Row]]:
    """What is drawn of every frame, from the table's rows."""
    found: dict[int, list[Row]] = {}
    for row in table.select([*COLUMNS, *(f"p_{name}" for name in class_names(table))]).to_pylist():
        if row["frame"] is not None:
            found.setdefault(row["frame"], []).append(row)
    return found


def draw(picture: np.ndarray, rows: Sequence[Row]) -> np.ndarray:
    """The picture, (H, W, 3) uint8 RGB, with its rows drawn on it; another array of the same shape."""
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image, "RGBA")
    size = max(9, round(min(image.size) / 36))
    font = ImageFont.load_default(size)
    for row in rows:
        if row["track"] is not None:
            _face(pen, row, font, size)
        elif row["valence"] is not None:
            _panel(pen, (size, image.height - 4 * size), "voice", row, font, size)
    return np.asarray(image)


def _face(pen: ImageDraw.ImageDraw, row: Row, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, size: int) -> None:
    box = [float(row[side] or 0) for side in ("face_x1", "face_y1", "face_x2", "face_y2")]
    track = int(row["track"] or 0)
    colour = LINE_COLOURS[track % len(LINE_COLOURS)]
    pen.rounded_rectangle(box, radius=size // 2, outline=colour, width=max(2, size // 5))
    _panel(pen, (box[0], box[3] + size // 3), f"{track}", row, font, size)


def _panel(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    name: str,
    row: Row,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    size: int,
) -> None:
    """Name, expression and two gauges on dark ground; moved into the picture where it would leave it."""
    width, height = 11 * size, 3.7 * size
    canvas = pen.im.size
    x = min(max(place[0], 0), max(canvas[0] - width, 0))
    y = min(max(place[1], 0), max(canvas[1] - height, 0))
    pen.rounded_rectangle((x, y, x + width, y + height), radius=size // 3, fill=PANEL)
    expression = row["expression"]
    share = row[f"p_{expression}"] if expression else None
    told = f"{name}  {expression} {share:.0%}" if expression and isinstance(share, float) else name
    pen.text((x + size * 0.4, y + size * 0.1), told, fill=INK, font=font)
    for line, (letter, column) in enumerate((("V", "valence"), ("A", "arousal"))):
        value = row[column]
        if isinstance(value, float):
            _gauge(pen, (x, y + (1.35 + 1.1 * line) * size), letter, value, font, size)


def _gauge(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    letter: str,
    value: float,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    size: int,
) -> None:
    """A bar from the middle, to the right where the value is positive."""
    x, y = place
    pen.text((x + size * 0.4, y - size * 0.05), letter, fill=INK, font=font)
    left, length, top = x + 1.6 * size, 6 * size, y + 0.35 * size
    middle = left + length / 2
    pen.rectangle((left, top, left + length, top + size * 0.5), fill=FAINT)
    end = middle + value * length / 2
    fill = "#56b4e9" if value >= 0 else "#e69f00"
    pen.rectangle((min(middle, end), top, max(middle, end), top + size * 0.5), fill=fill)
    pen.line((middle, top - 1, middle, top + size * 0.5 + 1), fill=INK)
    pen.text((left + length + size * 0.4, y - size * 0.05), f"{value:+.2f}", fill=INK, font=font)

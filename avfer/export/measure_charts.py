"""Charts of what is measured on faces, as inline SVG: action units as a heat map, head pose and gaze as curves."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image

from avfer.export.colours import VIRIDIS, line_colour
from avfer.export.svg import LEFT, RIGHT, WIDTH, Values, line_path, svg_image, svg_text, time_axis, time_x
from avfer.export.track_series import CORRECTED, TrackSeries

CELL_HEIGHT, TRACK_GAP = 16, 30  # px, of an action unit and between two tracks
ANGLE_PANEL, ANGLE_GAP = 96, 34  # px, of a panel of angles and between two panels
MIN_LIMIT, TICK_DEGREES = 15, 15  # degrees, smallest end of an axis of angles, and what its end is a multiple of
ANGLES = {  # column -> name of the panel, direction of positive angles as seen in the picture
    "yaw_deg": ("Head yaw", "to the right"),
    "pitch_deg": ("Head pitch", "up"),
    "roll_deg": ("Head roll", "clockwise"),
    "gaze_yaw_deg": ("Gaze yaw", "to the right"),
    "gaze_pitch_deg": ("Gaze pitch", "up"),
}


def action_unit_chart(people: Sequence[TrackSeries], columns: Sequence[str], start: float, stop: float) -> str:
    """Draw the action units of each track over time as a heat map, a row for each unit; missing values are empty.

    columns: of action units, from top to bottom; start, stop: times (s) at the left and right edge. Tracks without a
    value are left out.
    """
    parts: list[str] = []
    bottom, shown = 0, [person for person in people if has_values(person, columns)]
    for person in shown:
        top = bottom + TRACK_GAP
        parts.append(svg_text(LEFT, top - 8, person.label, class_="name"))
        values = person.sampled(columns, start, stop, WIDTH - LEFT - RIGHT)
        parts.append(_heat_map(values, top, f"action units of {person.label}"))
        for row, column in enumerate(columns):
            y = top + CELL_HEIGHT * (row + 0.75)
            parts.append(svg_text(LEFT - 8, y, action_unit_name(column), "end", class_="label"))
        bottom = top + CELL_HEIGHT * len(columns)
    parts += time_axis(bottom, start, stop)
    return svg_image(WIDTH, bottom + 30, "Action units over time", parts)


def action_unit_name(column: str) -> str:
    """Return the name of an action unit from its column: "au12_corrected" gives "AU12"."""
    return column[:4].upper()


def has_values(person: TrackSeries, columns: Sequence[str]) -> bool:
    """Return whether a track has a value in one of the columns."""
    return any(bool((~np.isnan(person.measures[column])).any()) for column in columns)


def _heat_map(values: np.ndarray, top: float, title: str) -> str:
    """Return an image of (A, W) values in [0, 1], CELL_HEIGHT px a row; NaN is transparent."""
    height = CELL_HEIGHT * len(values)
    box = f'x="{LEFT}" y="{top}" width="{values.shape[1]}" height="{height}"'
    data = base64.b64encode(_png(values)).decode()
    style = 'preserveAspectRatio="none" style="image-rendering:pixelated"'
    image = f'<image {box} {style} href="data:image/png;base64,{data}"><title>{escape(title)}</title></image>'
    return f'<rect class="ground" {box}/>{image}'


def _png(values: np.ndarray) -> bytes:
    """Return (A, W) values in [0, 1] as a PNG of A x W pixels in the colours of VIRIDIS; NaN is transparent."""
    steps = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in VIRIDIS], float)
    places = np.nan_to_num(values).clip(0, 1)
    channels = [np.interp(places, np.linspace(0, 1, len(steps)), channel) for channel in steps.T]
    opaque = np.where(np.isnan(values), 0, 255)
    picture = np.stack([*channels, opaque], axis=-1).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return file.getvalue()


def angle_chart(people: Sequence[TrackSeries], columns: Sequence[str], start: float, stop: float) -> str:
    """Draw angles over time: a panel for each column, a line for each track in the colour of `line_colour`.

    columns: of ANGLES; start, stop: times (s) at the left and right edge. The line breaks at gaps of a track. All
    panels have the same scale.
    """
    parts: list[str] = []
    limit = angle_limit(people, columns)
    top = 22
    for column in columns:
        name, direction = ANGLES[column]
        parts.append(svg_text(LEFT, top - 7, f"{name}, + {direction}", class_="name"))
        for value in (-limit, 0, limit):
            y = _angle_y(value, top, limit)
            kind = "grid" if value else "zero"
            parts.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(svg_text(LEFT - 8, y + 4, f"{value:+g}°" if value else "0°", "end", class_="label"))
        for number, person in enumerate(people):
            ys = _angle_y(person.measures[column].astype(float), top, limit)
            style = f'fill="none" stroke="{line_colour(number)}" stroke-width="1.6" stroke-linejoin="round"'
            parts.append(f'<path d="{line_path(time_x(person.times, start, stop), ys)}" {style}>')
            parts.append(f"<title>{name} of {escape(person.label)}</title></path>")
        top += ANGLE_PANEL + ANGLE_GAP
    bottom = top - ANGLE_GAP
    parts += time_axis(bottom, start, stop)
    return svg_image(WIDTH, bottom + 30, "Angles over time", parts)


def present_columns(people: Sequence[TrackSeries], columns: Sequence[str]) -> list[str]:
    """Return those of the columns that the series have; all series of a table have the same."""
    return [column for column in columns if people and column in people[0].measures]


def action_unit_title(columns: Sequence[str], metadata: Mapping[str, str]) -> str:
    """Return what the values of action units are: "Action units: activation (measured movement), 0 to 1".

    columns: those that are drawn; metadata: of the table, whose `au_scale` is "activation" or "occurrence" (default).
    """
    activation = metadata.get("au_scale") == "activation"
    scale = "activation (measured movement)" if activation else "occurrence (probability)"
    corrected = " minus the person's resting value" if any(column.endswith(CORRECTED) for column in columns) else ""
    return f"Action units: {scale}{corrected}, 0 to 1"


def angle_limit(people: Sequence[TrackSeries], columns: Sequence[str]) -> float:
    """Return the end of a symmetrical axis for angles, in degrees: a multiple of TICK_DEGREES."""
    values = np.concatenate([person.measures[column] for person in people for column in columns])
    largest = float(np.nanmax(np.abs(values), initial=MIN_LIMIT))
    return TICK_DEGREES * float(np.ceil(largest / TICK_DEGREES))


def _angle_y(value: Values, top: float, limit: float) -> Values:
    """Return the y (px) of angles in a panel that begins at `top` (px) and goes from `limit` down to -`limit`."""
    return top + ANGLE_PANEL * (1 - value / limit) / 2

"""Charts as inline SVG: no script, no network, sharp at any size.

The building blocks (`svg_image`, `svg_text`, `line_path`) serve every chart of the package. The classes of a text or a
line ("label", "name", "grid", "zero", "ground") take their colours from the style sheet of the page.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TypeVar

import numpy as np

from avfer.export.colours import expression_colour, line_colour
from avfer.export.track_series import TrackSeries

WIDTH, LEFT, RIGHT = 960, 86, 14  # px, of a chart over time and its margins
PANEL, PANEL_GAP, ROW = 150, 34, 22  # px, height of a panel, between panels, of a strip
# Charts of an evaluation have a white background and colours of their own.
BLUE, GREY, GRID, INK = "#2563c9", "#9aa1ab", "#d9dde3", "#1d2127"
DENSITY, MARGIN = 360, 46  # px, side of a density and its margin
CELL, CLASS_NAMES = 62, 96  # px, of a confusion matrix
CURVE_WIDTH, CURVE_HEIGHT, CURVE_GAP = 470, 120, 20  # px, of a recording's curve
Values = TypeVar("Values", float, np.ndarray)


def svg_image(width: float, height: float, title: str, parts: list[str]) -> str:
    """Return an SVG element with an accessible title.

    width, height: px; the image shrinks with the page but never grows. parts: elements of the image, as text.
    """
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" role="img"'
    head = f'<svg {size} aria-label="{escape(title)}" style="max-width:{width:.0f}px">'
    return "\n".join([head, f"<title>{escape(title)}</title>", *parts, "</svg>"])


def svg_text(x: float, y: float, text: str, anchor: str = "start", **attributes: str) -> str:
    """Return a text element at (x, y) px; anchor: "start", "middle" or "end".

    The text is escaped. Underscores at the end of an attribute's name are dropped, others become hyphens:
    `svg_text(0, 12, "a < b", class_="label", font_size="11")`.
    """
    named = "".join(f' {name.rstrip("_").replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'


def line_path(xs: np.ndarray, ys: np.ndarray) -> str:
    """Return the path data (attribute `d`) of a line through points in px.

    xs, ys: (N,) float. NaN in ys breaks the line: the next point starts a new piece.
    """
    commands: list[str] = []
    command = "M"
    for x, y in zip(xs, ys, strict=True):
        if np.isnan(y):
            command = "M"
            continue
        commands.append(f"{command}{x:.1f} {y:.1f}")
        command = "L"
    return "".join(commands)


def affect_chart(people: list[TrackSeries], start: float, stop: float) -> str:
    """Draw valence above arousal over time, a line for each person, in the colour of `line_colour`.

    start, stop: times (s) at the left and right edge. The line breaks at gaps of a track.
    """
    parts: list[str] = []
    for index, (name, low, high) in enumerate((("Valence", "unpleasant", "pleasant"), ("Arousal", "calm", "excited"))):
        top = 18 + index * (PANEL + PANEL_GAP)
        parts += _panel(top, name, low, high)
        for number, person in enumerate(people):
            values = person.valence if index == 0 else person.arousal
            path = line_path(time_x(person.times, start, stop), _y(values.astype(float), top))
            style = f'fill="none" stroke="{line_colour(number)}" stroke-width="2" stroke-linejoin="round"'
            parts.append(f'<path d="{path}" {style}>')
            parts.append(f"<title>{name} of {escape(person.label)}</title></path>")
    bottom = 18 + 2 * PANEL + PANEL_GAP
    parts += time_axis(bottom, start, stop)
    return svg_image(WIDTH, bottom + 30, "Valence and arousal over time", parts)


def expression_chart(people: list[TrackSeries], names: list[str], start: float, stop: float) -> str:
    """Draw the most probable expression over time, a strip of coloured spans for each person.

    names: all expressions, which determine colours; start, stop: times (s) at the left and right edge. Each span has
    its name and times as a tooltip.
    """
    parts: list[str] = []
    for row, person in enumerate(people):
        y = 4 + row * (ROW + 6)
        label = "voice" if person.label.startswith("voice") else person.label
        parts.append(svg_text(LEFT - 8, y + 15, label, "end", class_="label"))
        for first, end, name in person.expression_spans():
            x, right = time_x(first, start, stop), time_x(min(end, stop), start, stop)
            box = f'<rect x="{x:.1f}" y="{y}" width="{max(right - x, 0.5):.1f}" height="{ROW}"'
            title = f"{escape(name)}, {first:.1f} to {end:.1f} s"
            parts.append(f'{box} fill="{expression_colour(name, names)}"><title>{title}</title></rect>')
    bottom = 8 + len(people) * (ROW + 6)
    parts += time_axis(bottom, start, stop)
    return svg_image(WIDTH, bottom + 30, "Expression over time", parts)


def share_chart(shares: Iterable[tuple[str, float]], names: list[str]) -> str:
    """Draw the share of each expression as a bar with its percentage beside it.

    shares: (name, share in [0, 1]) from top to bottom; names: all expressions, which determine colours.
    """
    parts: list[str] = []
    shares = list(shares)
    for row, (name, share) in enumerate(shares):
        y = row * 30
        parts.append(svg_text(0, y + 18, name))
        parts.append(f'<rect class="ground" x="100" y="{y + 5}" width="300" height="18" rx="3"/>')
        bar = f'<rect x="100" y="{y + 5}" width="{300 * share:.1f}" height="18" rx="3"'
        parts.append(f'{bar} fill="{expression_colour(name, names)}"/>')
        parts.append(svg_text(410, y + 18, f"{share:.0%}"))
    return svg_image(460, 30 * len(shares), "Share of each expression", parts)


def density_chart(counts: np.ndarray, name: str) -> str:
    """Draw how often each target (across) met each prediction (upwards), both from -1 to 1.

    counts: (C, C) int, a row is a target; the shade grows with the logarithm. name: of the dimension.
    """
    cells, most = len(counts), np.log1p(counts.max())
    size, bottom = DENSITY / cells, DENSITY + 10
    parts = [f'<rect x="{MARGIN}" y="10" width="{DENSITY}" height="{DENSITY}" fill="none" stroke="{GRID}"/>']
    for row, column in np.argwhere(counts > 0):
        x, y = MARGIN + row * size, bottom - (column + 1) * size
        shade = 0.08 + 0.92 * np.log1p(counts[row, column]) / most
        box = f'<rect x="{x:.1f}" y="{y:.1f}" width="{size:.1f}" height="{size:.1f}"'
        parts.append(f'{box} fill="{BLUE}" fill-opacity="{shade:.2f}"/>')
    parts.append(f'<path d="M{MARGIN} {bottom}L{MARGIN + DENSITY} 10" stroke="{GREY}" stroke-dasharray="4 4"/>')
    for value in (-1, -0.5, 0, 0.5, 1):
        place = DENSITY * (value + 1) / 2
        parts.append(_dark_text(MARGIN + place, bottom + 18, f"{value:g}", "middle"))
        parts.append(_dark_text(MARGIN - 6, bottom - place + 4, f"{value:g}", "end"))
    parts.append(_dark_text(MARGIN + DENSITY / 2, bottom + 36, f"truth, {name}", "middle"))
    turned = f'<g transform="translate(12 {bottom / 2}) rotate(-90)">'
    parts.append(f"{turned}{_dark_text(0, 0, 'prediction', 'middle')}</g>")
    return svg_image(MARGIN + DENSITY + 20, bottom + 46, f"Prediction against truth, {name}", parts)


def confusion_chart(counts: np.ndarray, classes: Sequence[str]) -> str:
    """Draw a confusion matrix with counts and the share of each row, by which the cells are shaded.

    counts: (K, K) int, a row is the truth and a column the prediction; classes: K names.
    """
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    parts: list[str] = []
    for row, name in enumerate(classes):
        y = 50 + row * CELL
        parts.append(_dark_text(CLASS_NAMES - 8, y + CELL / 2 + 4, name, "end"))
        parts.append(_dark_text(CLASS_NAMES + row * CELL + CELL / 2, 40, name, "middle", size=11))
        for column, share in enumerate(shares[row]):
            x = CLASS_NAMES + column * CELL
            box = f'<rect x="{x}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" rx="3"'
            title = f"{name} predicted as {classes[column]}: {counts[row, column]}"
            parts.append(f'{box} fill="{BLUE}" fill-opacity="{0.04 + 0.96 * share:.2f}">')
            parts.append(f"<title>{escape(title)}</title></rect>")
            colour = "#fff" if share > 0.5 else INK
            parts.append(_dark_text(x + CELL / 2 - 1, y + 28, f"{share:.0%}", "middle", colour))
            parts.append(_dark_text(x + CELL / 2 - 1, y + 44, str(counts[row, column]), "middle", colour, 11))
    parts.append(_dark_text(CLASS_NAMES, 16, "across: predicted; downwards: truth; shares of each row"))
    side = len(classes) * CELL
    return svg_image(CLASS_NAMES + side + 10, 60 + side, "Confusion matrix", parts)


def target_chart(recording: str, dimensions: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray]]) -> str:
    """Draw truth (grey) and prediction (blue) of one or two dimensions over time, side by side.

    dimensions: (name, times, truth, prediction); times (P,) s, increasing; truth and prediction (P,) in [-1, 1], where
    NaN breaks the line and values beyond 1.1 are drawn at the edge.
    """
    parts: list[str] = []
    for number, (name, times, truth, prediction) in enumerate(dimensions):
        left = 34 + number * (CURVE_WIDTH + CURVE_GAP)
        parts.append(_dark_text(left, 14, f"{recording}: {name}"))
        for value in (-1.0, 0.0, 1.0):
            y = _curve_y(np.array([value]))[0]
            parts.append(f'<path d="M{left} {y:.1f}h{CURVE_WIDTH - 34}" stroke="{GRID}"/>')
            parts.append(_dark_text(left - 5, y + 4, f"{value:g}", "end", size=11))
        first, last = float(times[0]), float(times[-1])
        xs = left + (CURVE_WIDTH - 34) * (times - first) / max(last - first, 1e-9)
        for values, colour, width in ((truth, GREY, 2.5), (prediction, BLUE, 1.3)):
            path = line_path(xs, _curve_y(values))
            parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        parts.append(_dark_text(left, CURVE_HEIGHT + 40, f"{first:g}", size=11))
        parts.append(_dark_text(left + CURVE_WIDTH - 34, CURVE_HEIGHT + 40, f"{last:g}", "end", size=11))
    title = f"Prediction and truth over time, {recording}"
    return svg_image(2 * CURVE_WIDTH + CURVE_GAP + 34, CURVE_HEIGHT + 48, title, parts)


def _panel(top: int, name: str, low: str, high: str) -> list[str]:
    """Draw the grid of values in [-1, 1]; `low` and `high` label its ends."""
    parts = [svg_text(LEFT, top - 6, name, class_="name")]
    for value in (-1, -0.5, 0, 0.5, 1):
        y = _y(value, top)
        kind = "zero" if value == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        label = low if value == -1 else high if value == 1 else f"{value:+g}" if value else "0"
        parts.append(svg_text(LEFT - 8, y + 4, label, "end", class_="label"))
    return parts


def time_axis(y: float, start: float, stop: float) -> list[str]:
    """Draw a horizontal axis at y (px) with ticks at round times between `start` and `stop` (s)."""
    parts = [f'<line class="zero" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>']
    step = _tick_step(stop - start)
    ticks = np.arange(np.ceil(start / step) * step, stop + step * 1e-6, step)
    texts = [svg_text(time_x(tick, start, stop), y + 18, f"{tick:g} s", "middle", class_="label") for tick in ticks]
    return [*parts, *texts]


def _tick_step(length: float) -> float:
    """Return a round distance between ticks (s) that gives about eight of them."""
    rough = max(length, 1e-3) / 8
    unit = 10.0 ** np.floor(np.log10(rough))
    return float(unit * next(factor for factor in (1, 2, 5, 10) if factor * unit >= rough))


def time_x(time: Values, start: float, stop: float) -> Values:
    """Return the x (px) of times (s): a number, or (N,) -> (N,)."""
    return LEFT + (WIDTH - LEFT - RIGHT) * (time - start) / max(stop - start, 1e-9)


def _y(value: Values, top: float) -> Values:
    """Return the y (px) of values in [-1, 1] in a panel that begins at `top` (px): a number, or (N,) -> (N,)."""
    return top + PANEL * (1 - value) / 2


def _curve_y(values: np.ndarray) -> np.ndarray:
    """Return the y (px) of values in a recording's curve, limited to [-1.1, 1.1]: (N,) -> (N,)."""
    return 22 + CURVE_HEIGHT * (1 - values.clip(-1.1, 1.1)) / 2


def _dark_text(x: float, y: float, text: str, anchor: str = "start", colour: str = INK, size: int = 12) -> str:
    """Return a text with a fixed colour and size in px, for charts on white."""
    return svg_text(x, y, text, anchor, font_size=str(size), fill=colour)

"""Charts as inline SVG: no script, no network, sharp at any size.

The building blocks (`svg_image`, `svg_text`, `line_path`) serve every chart of the package. The classes of a text or a
line ("label", "name", "grid", "zero", "ground") take their colours from the style sheet of the page.
"""

from collections.abc import Iterable
from html import escape
from typing import TypeVar

import numpy as np

from avfer.export.colours import expression_colour, line_colour
from avfer.export.track_series import TrackSeries

WIDTH, LEFT, RIGHT = 960, 86, 14  # px, of a chart over time and its margins
PANEL, PANEL_GAP = 150, 34  # px, height of a panel and between panels
Values = TypeVar("Values", float, np.ndarray)


def svg_image(width: float, height: float, title: str, parts: list[str]) -> str:
    """Return an SVG element with an accessible title.

    width, height: px; the image shrinks with the page but never grows. parts: elements of the image, as text.
    """
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" role="img"'
    head = f'<svg {size} aria-label="{escape(title)}" style="--width:{width:.0f}px;max-width:{width:.0f}px">'
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

    xs, ys: (N,) float. NaN in ys breaks the line: the next point starts a new piece. A point between two breaks is a
    piece without length, which a line with round ends shows as a dot.
    """
    commands: list[str] = []
    known = np.concatenate([[False], ~np.isnan(ys), [False]])
    for x, y, before, here, after in zip(xs, ys, known[:-2], known[1:-1], known[2:], strict=True):
        if here:
            commands.append(f"{'L' if before else 'M'}{x:.1f} {y:.1f}{'' if before or after else 'h0'}")
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
            ends = 'stroke-linejoin="round" stroke-linecap="round"'
            parts.append(f'<path d="{path}" fill="none" stroke="{line_colour(number)}" stroke-width="2" {ends}>')
            parts.append(f"<title>{name} of {escape(person.label)}</title></path>")
    bottom = 18 + 2 * PANEL + PANEL_GAP
    parts += time_axis(bottom, start, stop)
    return svg_image(WIDTH, bottom + 30, "Valence and arousal over time", parts)


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

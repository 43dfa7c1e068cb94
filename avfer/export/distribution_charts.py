"""Charts of distributions as inline SVG: histograms, the density of two values, a confusion matrix,
truth over time, values by epoch.

They take their colours from the style sheet of the page (`page.css`), for light and dark screens and for paper.
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from avfer.export.colours import line_colour
from avfer.export.svg import line_path, svg_image, svg_text

BARS_WIDTH, BARS_HEIGHT = 440, 150  # px, of the bars of a histogram with their margin on the left, and their height
BARS_LEFT, BARS_TOP = 62, 12  # px, margins of a histogram
DENSITY, MARGIN = 340, 46  # px, side of a density and its margin
CELL, CLASS_NAMES = 62, 96  # px, of a confusion matrix
CURVE_WIDTH, CURVE_HEIGHT, CURVE_GAP = 470, 120, 20  # px, of a recording's curve
EPOCHS_WIDTH, EPOCHS_HEIGHT, EPOCHS_LEFT = 720, 180, 60  # px, of a chart over epochs and its margin
ON_MARK = 0.5  # share from which the text of a cell is written in the colour of the page
MIN_OPACITY = 0.08  # opacity of a cell with a single value


def histogram_chart(counts: np.ndarray, low: float, high: float, name: str, noun: str) -> str:
    """Draw how many values lie in each of N equal parts of a range, as shares of all values.

    counts: (N,) int; low, high: ends of the range; name: of the value; noun: what is counted, in the plural ("rows").
    """
    total, bins = max(int(counts.sum()), 1), len(counts)
    most = max(int(counts.max(initial=0)), 1)
    step = (BARS_WIDTH - BARS_LEFT - 10) / bins
    bottom = BARS_TOP + BARS_HEIGHT
    parts: list[str] = []
    for part in (0.0, 0.5, 1.0):
        y = bottom - part * BARS_HEIGHT
        parts.append(f'<line class="grid" x1="{BARS_LEFT}" x2="{BARS_WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(svg_text(BARS_LEFT - 6, y + 4, _percent(part * most / total), "end", class_="label"))
    for number, count in enumerate(counts):
        left, right = (low + (high - low) * place / bins for place in (number, number + 1))
        height = BARS_HEIGHT * int(count) / most
        box = f'x="{BARS_LEFT + number * step + 0.5:.1f}" y="{bottom - height:.1f}" width="{step - 1:.1f}"'
        title = f"{name} {left:g} to {right:g}: {count:,} {noun} ({_percent(int(count) / total)})"
        parts.append(f'<rect class="mark" {box} height="{height:.1f}"><title>{escape(title)}</title></rect>')
    for place in np.linspace(0, 1, 5):
        x = BARS_LEFT + place * step * bins
        parts.append(svg_text(x, bottom + 17, _tick(low + (high - low) * place), "middle", class_="label"))
    parts.append(svg_text((BARS_LEFT + BARS_WIDTH - 10) / 2, bottom + 36, name, "middle"))
    parts.append(_upward_text(BARS_TOP + BARS_HEIGHT / 2, f"share of {noun}"))
    return svg_image(BARS_WIDTH, bottom + 44, f"Distribution of {name}", parts)


def density_chart(counts: np.ndarray, across: str, upwards: str, diagonal: bool = False) -> str:
    """Draw how often two values in [-1, 1] occur together; the shade grows with the logarithm of the number.

    counts: (C, C) int, a row is a value of `across`, a column of `upwards`, both names; diagonal: draw the line where
    both are equal.
    """
    cells, most = len(counts), np.log1p(counts.max())
    size, bottom = DENSITY / cells, DENSITY + 10
    parts = [f'<rect class="zero" x="{MARGIN}" y="10" width="{DENSITY}" height="{DENSITY}" fill="none"/>']
    for row, column in np.argwhere(counts > 0):
        x, y = MARGIN + row * size, bottom - (column + 1) * size
        shade = MIN_OPACITY + (1 - MIN_OPACITY) * np.log1p(counts[row, column]) / most
        box = f'x="{x:.1f}" y="{y:.1f}" width="{size:.1f}" height="{size:.1f}"'
        parts.append(f'<rect class="mark" {box} fill-opacity="{shade:.2f}"/>')
    for value in (-1, -0.5, 0, 0.5, 1):
        place = DENSITY * (value + 1) / 2
        if not value:
            parts.append(f'<path class="grid" d="M{MARGIN + place} 10v{DENSITY}M{MARGIN} {bottom - place}h{DENSITY}"/>')
        parts.append(svg_text(MARGIN + place, bottom + 18, _tick(value), "middle", class_="label"))
        parts.append(svg_text(MARGIN - 6, bottom - place + 4, _tick(value), "end", class_="label"))
    if diagonal:
        parts.append(f'<path class="zero" d="M{MARGIN} {bottom}L{MARGIN + DENSITY} 10" stroke-dasharray="4 4"/>')
    parts.append(svg_text(MARGIN + DENSITY / 2, bottom + 36, across, "middle"))
    parts.append(_upward_text(bottom / 2, upwards))
    return svg_image(MARGIN + DENSITY + 20, bottom + 46, f"{upwards} against {across}", parts)


def confusion_chart(counts: np.ndarray, classes: Sequence[str]) -> str:
    """Draw a confusion matrix with counts and the share of each row, by which the cells are shaded.

    counts: (K, K) int, a row is the truth and a column the prediction; classes: K names.
    """
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    parts: list[str] = []
    for row, name in enumerate(classes):
        y = 50 + row * CELL
        parts.append(svg_text(CLASS_NAMES - 8, y + CELL / 2 + 4, name, "end"))
        parts.append(svg_text(CLASS_NAMES + row * CELL + CELL / 2, 40, name, "middle", style="font-size:11px"))
        for column, share in enumerate(shares[row]):
            x = CLASS_NAMES + column * CELL
            box = f'x="{x}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" rx="3"'
            title = f"{name} predicted as {classes[column]}: {counts[row, column]}"
            parts.append(f'<rect class="mark" {box} fill-opacity="{0.04 + 0.96 * share:.2f}">')
            parts.append(f"<title>{escape(title)}</title></rect>")
            kind = {"class_": "on-mark"} if share > ON_MARK else {}
            parts.append(svg_text(x + CELL / 2 - 1, y + 28, f"{share:.0%}", "middle", **kind))
            number = str(counts[row, column])
            parts.append(svg_text(x + CELL / 2 - 1, y + 44, number, "middle", style="font-size:11px", **kind))
    parts.append(svg_text(CLASS_NAMES, 16, "across: predicted; downwards: truth; shares of each row"))
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
        parts.append(svg_text(left, 14, f"{recording}: {name}"))
        for value in (-1.0, 0.0, 1.0):
            y = _curve_y(np.array([value]))[0]
            parts.append(f'<path class="grid" d="M{left} {y:.1f}h{CURVE_WIDTH - 34}"/>')
            parts.append(svg_text(left - 5, y + 4, _tick(value), "end", class_="label"))
        first, last = float(times[0]), float(times[-1])
        xs = left + (CURVE_WIDTH - 34) * (times - first) / max(last - first, 1e-9)
        for values, kind, width in ((truth, "truth-line", 2.5), (prediction, "mark-line", 1.3)):
            parts.append(f'<path class="{kind}" d="{line_path(xs, _curve_y(values))}" stroke-width="{width}"/>')
        parts.append(svg_text(left, CURVE_HEIGHT + 40, _tick(first), class_="label"))
        parts.append(svg_text(left + CURVE_WIDTH - 34, CURVE_HEIGHT + 40, _tick(last), "end", class_="label"))
    title = f"Prediction and truth over time, {recording}"
    return svg_image(2 * CURVE_WIDTH + CURVE_GAP + 34, CURVE_HEIGHT + 48, title, parts)


def epoch_chart(series: Mapping[str, Sequence[float]], title: str) -> str:
    """Draw values by epoch, a line for each name in the colour of `line_colour`.

    series: name -> one value for each of N epochs, N >= 1; non-finite values break a line.
    """
    from matplotlib.ticker import MaxNLocator

    values = np.array(list(series.values()), float)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    margin = 0.0 if high > low else 0.05 * abs(high) or 1.0
    levels = MaxNLocator(5).tick_values(low - margin, high + margin)
    low, high = float(levels[0]), float(levels[-1])
    bottom, count = EPOCHS_HEIGHT + 12, values.shape[1]
    xs = EPOCHS_LEFT + (EPOCHS_WIDTH - EPOCHS_LEFT - 14) * np.arange(count) / max(count - 1, 1)
    parts: list[str] = []
    for level in levels:
        y = bottom - EPOCHS_HEIGHT * (level - low) / (high - low)
        parts.append(f'<line class="grid" x1="{EPOCHS_LEFT}" x2="{EPOCHS_WIDTH - 14}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(svg_text(EPOCHS_LEFT - 6, y + 4, _tick(level), "end", class_="label"))
    ticks = np.unique(np.linspace(0, count - 1, 6).round().astype(int))
    parts += [svg_text(float(xs[epoch]), bottom + 18, str(epoch + 1), "middle", class_="label") for epoch in ticks]
    for number, (name, row) in enumerate(zip(series, values, strict=True)):
        ys = np.where(np.isfinite(row), bottom - EPOCHS_HEIGHT * (row - low) / (high - low), np.nan)
        colour = line_colour(number)
        style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"'
        parts.append(f'<path d="{line_path(xs, ys)}" {style}><title>{escape(name)}</title></path>')
        if count == 1 and np.isfinite(ys[0]):
            parts.append(f'<circle cx="{xs[0]:.1f}" cy="{ys[0]:.1f}" r="3" fill="{colour}"/>')
    parts.append(svg_text((EPOCHS_LEFT + EPOCHS_WIDTH - 14) / 2, bottom + 36, "epoch", "middle"))
    return svg_image(EPOCHS_WIDTH, bottom + 44, title, parts)


def _upward_text(y: float, text: str) -> str:
    """Return the name of a vertical axis, at the left edge of a chart; y: px, of its middle."""
    return f'<g transform="translate(12 {y:g}) rotate(-90)">{svg_text(0, 0, text, "middle")}</g>'


def _tick(value: float) -> str:
    """Return a number on an axis, with a minus sign in place of a hyphen."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _curve_y(values: np.ndarray) -> np.ndarray:
    """Return the y (px) of values in a recording's curve, limited to [-1.1, 1.1]: (N,) -> (N,)."""
    return 22 + CURVE_HEIGHT * (1 - values.clip(-1.1, 1.1)) / 2


def _percent(share: float) -> str:
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"

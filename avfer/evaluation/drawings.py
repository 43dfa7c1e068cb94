"""Pictures of a report as inline SVG on white: no script, no network, sharp at any size."""

from html import escape
from itertools import pairwise

import numpy as np

from avfer.evaluation.tally import Curve

BLUE, GREY, LINE, INK = "#2563c9", "#9aa1ab", "#d9dde3", "#1d2127"
SIDE, MARGIN = 360, 46  # px, of a density
CELL, NAMES = 62, 96  # px, of a confusion matrix
PANEL, HIGH, GAP = 470, 120, 20  # px, of a recording's curve


def density(counts: np.ndarray, name: str) -> str:
    """(C, C) steps by truth (across) and prediction (upwards), from -1 to 1; the darker, the more, by logarithm."""
    cells, most = len(counts), np.log1p(counts.max())
    size, corner = SIDE / cells, SIDE + 10
    parts = [f'<rect x="{MARGIN}" y="10" width="{SIDE}" height="{SIDE}" fill="none" stroke="{LINE}"/>']
    for row, column in np.argwhere(counts > 0):
        x, y = MARGIN + row * size, corner - (column + 1) * size
        shade = 0.08 + 0.92 * np.log1p(counts[row, column]) / most
        box = f'<rect x="{x:.1f}" y="{y:.1f}" width="{size:.1f}" height="{size:.1f}"'
        parts.append(f'{box} fill="{BLUE}" fill-opacity="{shade:.2f}"/>')
    parts.append(f'<path d="M{MARGIN} {corner}L{MARGIN + SIDE} 10" stroke="{GREY}" stroke-dasharray="4 4"/>')
    for value in (-1, -0.5, 0, 0.5, 1):
        place = SIDE * (value + 1) / 2
        parts.append(_text(MARGIN + place, corner + 18, f"{value:g}", "middle"))
        parts.append(_text(MARGIN - 6, corner - place + 4, f"{value:g}", "end"))
    parts.append(_text(MARGIN + SIDE / 2, corner + 36, f"truth, {name}", "middle"))
    parts.append(f'<g transform="translate(12 {corner / 2}) rotate(-90)">{_text(0, 0, "prediction", "middle")}</g>')
    return _svg(MARGIN + SIDE + 20, corner + 46, f"Prediction against truth, {name}", parts)


def confusion(counts: np.ndarray, classes: tuple[str, ...]) -> str:
    """(K, K) counts with shares of each row as shades; a row is the truth, a column what was predicted."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    parts: list[str] = []
    for row, name in enumerate(classes):
        y = 50 + row * CELL
        parts.append(_text(NAMES - 8, y + CELL / 2 + 4, name, "end"))
        parts.append(_text(NAMES + row * CELL + CELL / 2, 40, name, "middle", size=11))
        for column, share in enumerate(shares[row]):
            x = NAMES + column * CELL
            box = f'<rect x="{x}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" rx="3"'
            told = f"{name} told as {classes[column]}: {counts[row, column]}"
            parts.append(f'{box} fill="{BLUE}" fill-opacity="{0.04 + 0.96 * share:.2f}">')
            parts.append(f"<title>{escape(told)}</title></rect>")
            colour = "#fff" if share > 0.5 else INK
            parts.append(_text(x + CELL / 2 - 1, y + 28, f"{share:.0%}", "middle", colour))
            parts.append(_text(x + CELL / 2 - 1, y + 44, str(counts[row, column]), "middle", colour, 11))
    parts.append(_text(NAMES, 16, "across: predicted; downwards: truth; shares of each row", "start"))
    side = len(classes) * CELL
    return _svg(NAMES + side + 10, 60 + side, "Confusion matrix", parts)


def curves(of_each: list[tuple[str, Curve]]) -> str:
    """One recording: truth (grey) and prediction (blue) of each dimension over time, side by side."""
    parts: list[str] = []
    for number, (name, curve) in enumerate(of_each):
        left = 34 + number * (PANEL + GAP)
        parts.append(_text(left, 14, f"{curve.recording}: {name}", "start"))
        for value in (-1, 0, 1):
            y = _y(value)
            parts.append(f'<path d="M{left} {y:.1f}h{PANEL - 34}" stroke="{LINE}"/>')
            parts.append(_text(left - 5, y + 4, f"{value:g}", "end", size=11))
        first, last = float(curve.times[0]), float(curve.times[-1])
        across = left + (PANEL - 34) * (curve.times - first) / max(last - first, 1e-9)
        for values, colour, width in ((curve.truth, GREY, 2.5), (curve.prediction, BLUE, 1.3)):
            parts.append(f'<path d="{_path(across, values)}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        parts.append(_text(left, HIGH + 40, f"{first:g}", "start", size=11))
        parts.append(_text(left + PANEL - 34, HIGH + 40, f"{last:g}", "end", size=11))
    title = f"Prediction and truth over time, {of_each[0][1].recording}"
    return _svg(2 * PANEL + GAP + 34, HIGH + 48, title, parts)


def _path(across: np.ndarray, values: np.ndarray) -> str:
    known = ~np.isnan(values)
    starts = [True, *(not before for before, _ in pairwise(known))]
    points = zip(across[known], values[known], np.array(starts)[known], strict=True)
    return "".join(f"{'M' if start else 'L'}{x:.1f} {_y(float(v)):.1f}" for x, v, start in points)


def _y(value: float) -> float:
    return 22 + HIGH * (1 - min(max(value, -1.1), 1.1)) / 2


def _text(x: float, y: float, text: str, anchor: str, colour: str = INK, size: int = 12) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"'
    return f"<text {place}>{escape(text)}</text>"


def _svg(width: float, height: float, title: str, parts: list[str]) -> str:
    head = f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" aria-label="{escape(title)}">'
    return "\n".join([head, *parts, "</svg>"])

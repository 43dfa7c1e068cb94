"""Charts as inline SVG: no script, no network, sharp at any size. Colours of text and grid come from the page."""

from collections.abc import Iterable
from html import escape

import numpy as np

from avfer.export.plot import runs
from avfer.export.series import LINE_COLOURS, Series, colour_of

WIDTH, LEFT, RIGHT = 960, 86, 14  # px
PANEL, GAP, ROW = 150, 34, 22  # px


def curves(people: list[Series], start: float, stop: float) -> str:
    """Valence above arousal, a line for each person."""
    parts: list[str] = []
    for index, (name, low, high) in enumerate((("Valence", "unpleasant", "pleasant"), ("Arousal", "calm", "excited"))):
        top = 18 + index * (PANEL + GAP)
        parts += _panel(top, name, low, high)
        for number, person in enumerate(people):
            values = person.valence if index == 0 else person.arousal
            colour = LINE_COLOURS[number % len(LINE_COLOURS)]
            path = _path(person.times, values, top, start, stop)
            parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round">')
            parts.append(f"<title>{name} of {escape(person.label)}</title></path>")
    bottom = 18 + 2 * PANEL + GAP
    parts += _time_axis(bottom, start, stop)
    return _svg(bottom + 30, "Valence and arousal over time", parts)


def strips(people: list[Series], names: list[str], start: float, stop: float) -> str:
    """The most probable expression over time, a row for each person."""
    parts: list[str] = []
    for row, person in enumerate(people):
        y = 4 + row * (ROW + 6)
        parts.append(f'<text class="label" x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{_short(person.label)}</text>')
        for first, end, name in runs(person):
            x, right = _x(first, start, stop), _x(min(end, stop), start, stop)
            box = f'<rect x="{x:.1f}" y="{y}" width="{max(right - x, 0.5):.1f}" height="{ROW}"'
            told = f"{escape(name)}, {first:.1f} to {end:.1f} s"
            parts.append(f'{box} fill="{colour_of(name, names)}"><title>{told}</title></rect>')
    bottom = 8 + len(people) * (ROW + 6)
    parts += _time_axis(bottom, start, stop)
    return _svg(bottom + 30, "Expression over time", parts)


def bars(shares: Iterable[tuple[str, float]], names: list[str]) -> str:
    """Shares in [0, 1] as bars, with their numbers beside them."""
    parts: list[str] = []
    shares = list(shares)
    for row, (name, share) in enumerate(shares):
        y = row * 30
        width = 300 * share
        parts.append(f'<text x="0" y="{y + 18}">{escape(name)}</text>')
        parts.append(f'<rect class="ground" x="100" y="{y + 5}" width="300" height="18" rx="3"/>')
        bar = f'<rect x="100" y="{y + 5}" width="{width:.1f}" height="18" rx="3"'
        parts.append(f'{bar} fill="{colour_of(name, names)}"/>')
        parts.append(f'<text x="410" y="{y + 18}">{share:.0%}</text>')
    return _svg(30 * len(shares), "Share of each expression", parts, width=460)


def _svg(height: float, title: str, parts: list[str], width: int = WIDTH) -> str:
    head = f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{title}" style="max-width:{width}px">'
    return "\n".join([head, f"<title>{title}</title>", *parts, "</svg>"])


def _panel(top: int, name: str, low: str, high: str) -> list[str]:
    parts = [f'<text class="name" x="{LEFT}" y="{top - 6}">{name}</text>']
    for value in (-1, -0.5, 0, 0.5, 1):
        y = _y(value, top)
        kind = "zero" if value == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        told = low if value == -1 else high if value == 1 else f"{value:+g}" if value else "0"
        parts.append(f'<text class="label" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{told}</text>')
    return parts


def _time_axis(y: float, start: float, stop: float) -> list[str]:
    parts = [f'<line class="zero" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>']
    step = _step(stop - start)
    for tick in np.arange(np.ceil(start / step) * step, stop + step * 1e-6, step):
        x = _x(tick, start, stop)
        parts.append(f'<text class="label" x="{x:.1f}" y="{y + 18}" text-anchor="middle">{tick:g} s</text>')
    return parts


def _step(length: float) -> float:
    """A round distance between ticks, for about eight of them."""
    rough = max(length, 1e-3) / 8
    unit = 10.0 ** np.floor(np.log10(rough))
    return float(unit * next(factor for factor in (1, 2, 5, 10) if factor * unit >= rough))


def _x(time: float, start: float, stop: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (time - start) / max(stop - start, 1e-9)


def _y(value: float, top: float) -> float:
    return top + PANEL * (1 - value) / 2


def _path(times: np.ndarray, values: np.ndarray, top: float, start: float, stop: float) -> str:
    out: list[str] = []
    pen = "M"
    for time, value in zip(times, values, strict=True):
        if np.isnan(value):
            pen = "M"
            continue
        out.append(f"{pen}{_x(time, start, stop):.1f} {_y(float(value), top):.1f}")
        pen = "L"
    return "".join(out)


def _short(label: str) -> str:
    return "voice" if label.startswith("voice") else escape(label)

"""The columns of a table by person over time, as charts need them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

# Okabe and Ito's colours, told apart by everyone; grey for neutral.
EXPRESSION_COLOURS = {
    "neutral": "#9aa0a6",
    "happiness": "#e69f00",
    "surprise": "#56b4e9",
    "sadness": "#0072b2",
    "anger": "#d55e00",
    "disgust": "#009e73",
    "fear": "#cc79a7",
    "contempt": "#6b4c9a",
}
LINE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


@dataclass(frozen=True, eq=False)
class Series:
    """One person; NaN rows stand in the gaps, so that no line is drawn across them."""

    label: str  # "track 1", or "voice alone"
    rows: int
    times: np.ndarray  # (M,) float64 s
    valence: np.ndarray  # (M,) float32
    arousal: np.ndarray  # (M,) float32
    expressions: np.ndarray  # (M,) str, "" where not known


def series_of(table: pa.Table, points: int = 1200, most: int = 6) -> list[Series]:
    """The people of a table, the most seen first; long clips are averaged to about so many points."""
    tracks = table["track"].fill_null(-1).to_numpy()
    known = ~np.isnan(_numbers(table, "valence")) | np.array(table["expression"].is_valid())
    counts = {int(t): int(n) for t, n in zip(*np.unique(tracks[known], return_counts=True), strict=True)}
    order = sorted(counts, key=lambda track: (-counts[track], track))[:most]
    return [_series(table.filter(pa.array((tracks == track) & known)), track, points) for track in order]


def class_names(table: pa.Table) -> list[str]:
    """The expressions a table has probabilities for."""
    return [name.removeprefix("p_") for name in table.column_names if name.startswith("p_")]


def colour_of(expression: str, names: list[str]) -> str:
    """A fixed colour for each expression; other names take a line colour by their place."""
    if expression in EXPRESSION_COLOURS:
        return EXPRESSION_COLOURS[expression]
    return LINE_COLOURS[names.index(expression) % len(LINE_COLOURS)] if expression in names else "#9aa0a6"


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    return table[name].to_numpy(zero_copy_only=False)


def _series(table: pa.Table, track: int, points: int) -> Series:
    times = table["time_s"].to_numpy()
    names = np.array(table["expression"].fill_null("").to_pylist(), dtype=str)
    stride = max(1, -(-len(times) // points))
    starts = _groups(times, stride)
    size = np.diff([*starts, len(times)])
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    mean = {name: np.add.reduceat(_numbers(table, name), starts) / size for name in ("valence", "arousal")}
    at, shown = np.add.reduceat(times, starts) / size, names[starts]
    ends = times[np.append(starts[1:], len(times)) - 1]
    gaps = np.flatnonzero(times[starts[1:]] - ends[:-1] > 2.5 * step) + 1
    return Series(
        "voice alone" if track < 0 else f"track {track}",
        len(times),
        np.insert(at, gaps, ends[gaps - 1] + step),
        np.insert(mean["valence"], gaps, np.nan),
        np.insert(mean["arousal"], gaps, np.nan),
        np.insert(shown, gaps, ""),
    )


def _groups(times: np.ndarray, stride: int) -> np.ndarray:
    """Where each group of `stride` rows begins; a gap in time begins one, too."""
    steps = np.diff(times)
    gaps = np.flatnonzero(steps > 2.5 * np.median(steps)) + 1 if len(steps) else np.zeros(0, int)
    return np.unique(np.concatenate([np.arange(0, len(times), stride), gaps]))

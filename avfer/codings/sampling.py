"""The values that a human coded, at the times of a table.

An interval applies where start <= time < stop; of intervals that overlap, the one that starts last applies. A point
applies to the nearest time, up to half a step of the points away; an interval wins over a point. A moment without a
mark has no value, but an action unit is absent there, in all the clip or in the part that its tier spans. A mark of 0
in the tier of a class is no mark.
"""

import math
from collections.abc import Mapping

import numpy as np

from avfer.codings.coding import Coding, Tier
from avfer.codings.columns import EXPRESSION, CodedColumn, tiers_by_column
from avfer.datasets.example import DIMENSIONS
from avfer.datasets.table_rows import class_name
from avfer.datasets.text_files import parse_number
from avfer.errors import DatasetError

TOLERANCE = 6e-4  # s, by which a time may differ from a bound that it is meant to equal: ELAN rounds to 1 ms
POINT_TOLERANCE = 1e-3  # s, by which a point may be further away than half a step
ABSENT = frozenset({"0", "no", "none", "absent", "off", "false", "-"})  # values of an action unit or class, lower case
ABSENT_CLASS = ""  # of a mark which states that the class of its tier is absent; no name of a class is empty


def sample_coding(
    coding: Coding,
    times: np.ndarray,
    mapping: Mapping[str, CodedColumn],
    subject: str | None = None,
    offset: float = 0.0,
    rest: str | None = None,
) -> dict[str, np.ndarray]:
    """Return the coded values of each column at some times.

    times: (T,) float64 s, ascending. offset: s, added to the times of the coding.
    rest: class of the moments without a mark for an expression, in the part that is coded; None: they have none.
    Returns by column, (T,) each: "valence" and "arousal", float64 in [-1, 1]; "au12", float64 0 or 1; NaN where a
    moment is not coded; "expression", object, the name of a class, None where it is not coded.

    Raises as `tiers_by_column`, and DatasetError for a value that its column cannot have.
    """
    return {
        column: _sample_column(coding, column, tiers, times - offset, rest)
        for column, tiers in tiers_by_column(coding, mapping, subject).items()
    }


def _sample_column(
    coding: Coding, column: str, tiers: list[tuple[Tier, str]], times: np.ndarray, rest: str | None
) -> np.ndarray:
    """Return the values of one column at times on the axis of the coding, (T,), from the marks of all its tiers."""
    kind, missing = (object, None) if column == EXPRESSION else (np.float64, math.nan)
    starts = np.concatenate([tier.starts for tier, _ in tiers])
    stops = np.concatenate([tier.stops for tier, _ in tiers])
    parsed = np.concatenate([_parse(tier, column, own, f"{coding.path}, tier '{tier.name}'") for tier, own in tiers])
    values = np.full(len(times), missing, kind)
    inside = np.any([_inside(tier, times) for tier, _ in tiers], axis=0)
    if column == EXPRESSION:
        unmarked = None if rest is None else class_name(rest)
        values[inside] = unmarked
        absent = parsed == ABSENT_CLASS
        parsed[absent] = unmarked
        used = ~absent | _is_alone(starts, stops, absent)
        starts, stops, parsed = starts[used], stops[used], parsed[used]
    elif column not in DIMENSIONS and (stops > starts).any():
        values[inside] = 0.0
    order = np.argsort(starts, kind="stable")
    marked = marks_at(starts[order], stops[order], times)
    values[marked >= 0] = parsed[order][marked[marked >= 0]]
    return values


def marks_at(starts: np.ndarray, stops: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the index of the mark that applies at each time, -1 without one.

    starts, stops: (M,) float64 s, starts ascending; times: (T,) float64 s, ascending -> (T,) int64 in [-1, M).
    """
    index = np.full(len(times), -1, np.int64)
    is_point = stops == starts
    if is_point.any() and len(times):
        _place_points(index, np.flatnonzero(is_point), starts[is_point], times)
    first = np.searchsorted(times, starts - TOLERANCE)
    last = np.searchsorted(times, stops - TOLERANCE)
    for mark in np.flatnonzero(~is_point):
        index[first[mark] : last[mark]] = mark
    return index


def _is_alone(starts: np.ndarray, stops: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """Return which marks are points at whose time no class is marked as present.

    starts, stops: (M,) s; absent: (M,) bool, marks which state that their class is absent -> (M,) bool.
    """
    is_point = starts == stops
    return is_point & ~np.isin(starts, starts[is_point & ~absent])


def _place_points(index: np.ndarray, marks: np.ndarray, points: np.ndarray, times: np.ndarray) -> None:
    """Write the nearest point to the times that are near enough.

    index: (T,) is changed; marks: (P,) indices of the points; points: (P,) s, ascending; times: (T,) s.
    """
    instants = np.unique(points)
    spacing = np.diff(instants if len(instants) > 1 else times)
    reach = (float(np.median(spacing)) if len(spacing) else 0.0) / 2 + POINT_TOLERANCE
    right = np.searchsorted(points, times).clip(max=len(points) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(points[left] - times) <= np.abs(points[right] - times), left, right)
    near = np.abs(points[nearest] - times) <= reach
    index[near] = marks[nearest[near]]


def _inside(tier: Tier, times: np.ndarray) -> np.ndarray:
    """Return whether each time, in s on the axis of the coding, is in the part that a tier codes, (T,) bool."""
    if tier.span is None:
        return np.ones(len(times), bool)
    start, stop = tier.span
    return (times >= start - TOLERANCE) & (times < stop - TOLERANCE)


def _parse(tier: Tier, column: str, own_class: str, where: str) -> np.ndarray:
    """Return the value of each mark, (M,): object names for an expression, else float64."""
    places = (f"{where}, {start:g} s" for start in tier.starts)
    if column == EXPRESSION and own_class:
        applies = (_applies(value, place) for value, place in zip(tier.values, places, strict=True))
        return np.array([own_class if one else ABSENT_CLASS for one in applies], object)
    if column == EXPRESSION:
        return np.array([class_name(value) or None for value in tier.values], object)
    parse = _dimension if column in DIMENSIONS else _occurrence
    points = tier.starts == tier.stops
    return np.array([parse(*one) for one in zip(tier.values, points, places, strict=True)], np.float64)


def _dimension(value: str, _point: bool, where: str) -> float:
    """Return valence or arousal. Raises DatasetError if it is not a number in [-1, 1]."""
    found = parse_number(value, where)
    if abs(found) > 1:
        raise DatasetError(f"{where}: must be in [-1, 1], got {found:g}; rescale the coding")
    return found


def _applies(value: str, where: str) -> bool:
    """Return whether a mark in the tier of a class states that the class is present: any value but 0, no, ....

    Raises DatasetError for a value between 0 and 1, which is a probability.
    """
    text = value.strip().lower()
    try:
        strength = float(text)
    except ValueError:
        return text not in ABSENT
    if 0 < strength < 1:
        hint = "leave out probabilities, and write the class into a tier or column 'expression'"
        raise DatasetError(f"{where}: a class is present (1) or absent (0), got {text}; {hint}")
    return strength > 0


def _occurrence(value: str, point: bool, where: str) -> float:
    """Return 1 for a unit that is present or has an intensity above 0, 0 if it is absent.

    Raises DatasetError for a point without a value.
    """
    text = value.strip().lower()
    if point and not text:
        raise DatasetError(f"{where}: an action unit at a point has no duration; code it as an interval or a state")
    try:
        intensity = float(text)
    except ValueError:
        return float(text not in ABSENT)
    return math.nan if math.isnan(intensity) else float(intensity > 0)

"""Predictions and truth as arrays that a metric may trust: one length, no sentinel, no NaN unless asked for."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avfer.errors import MetricError, unknown

Floats = NDArray[np.float64]
Nan = Literal["error", "omit"]
Limits = tuple[float, float] | None
LIMITS = (-1.0, 1.0)  # of valence and arousal in every corpus; a value beyond is a sentinel


def to_array(values: ArrayLike) -> NDArray[np.generic]:
    """A NumPy array of anything that can become one; a tensor may lie on any device and need a gradient."""
    detach = getattr(values, "detach", None)
    if detach is None:
        return np.asarray(values)
    tensor = detach().cpu()
    return np.asarray(tensor.double() if tensor.is_floating_point() else tensor)


def to_floats(values: ArrayLike) -> Floats:
    """Values as float64, of the shape they have."""
    try:
        return np.asarray(to_array(values), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MetricError(f"values that are no numbers: {error}") from error


def scalar(value: float | np.float64 | np.bool_) -> Floats:
    """One number as an array of shape ()."""
    return np.asarray(value, dtype=np.float64)


def to_pair(
    prediction: ArrayLike, target: ArrayLike, nan: Nan = "error", limits: Limits = LIMITS, first: int = 0
) -> tuple[Floats, Floats]:
    """Prediction and truth as two (T,) arrays; `first` is the index of their first step in what an error tells.

    With nan="omit" a NaN stays where it is. `limits` are the values the truth may take, None for any.
    """
    if nan not in ("error", "omit"):
        raise MetricError(unknown("rule for NaN", nan, ("error", "omit")))
    x, y = to_floats(prediction), to_floats(target)
    if x.shape != y.shape or x.ndim != 1:
        raise MetricError(f"prediction {x.shape} and truth {y.shape} must be two vectors of one length")
    check_limits(y, limits, first)
    for name, values in (("prediction", x), ("truth", y)):
        _refuse(np.isinf(values), f"the {name} holds {{}} infinite values, the first at index {{}}", first)
    if nan == "error":
        told = "{} steps have a NaN in prediction or truth, the first at index {}; mask them, or drop them: nan='omit'"
        _refuse(np.isnan(x) | np.isnan(y), told, first)
    return x, y


def check_limits(target: Floats, limits: Limits = LIMITS, first: int = 0) -> None:
    """MetricError for truth outside the limits: such a value is a sentinel, and no label."""
    if limits is None:
        return
    low, high = limits
    outside = (target < low) | (target > high)
    if outside.any():
        value = target[outside.argmax()]
        told = f"{{}} values of the truth are outside [{low:g}, {high:g}], the first ({value:g}) at index {{}}"
        _refuse(outside, f"{told}; mask sentinels first, or name other limits", first)


def omit(prediction: Floats, target: Floats) -> tuple[Floats, Floats]:
    """The steps where neither side is NaN."""
    both = ~(np.isnan(prediction) | np.isnan(target))
    return (prediction, target) if both.all() else (prediction[both], target[both])


def _refuse(wrong: NDArray[np.bool_], told: str, first: int) -> None:
    """MetricError where anything is wrong; `told` has places for the count and the first index."""
    if wrong.any():
        raise MetricError(told.format(int(wrong.sum()), first + int(wrong.argmax())))

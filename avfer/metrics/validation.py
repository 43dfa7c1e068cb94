"""Check predictions and targets before a metric reads them: equal lengths, no sentinels, no unexpected NaN.

Every public metric converts its input here, so lists, NumPy arrays and PyTorch tensors on any device work alike, and
wrong input raises the same error everywhere.
"""

from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avfer.errors import MetricError, counted, unknown

Floats = NDArray[np.float64]
NanRule = Literal["error", "omit"]
Limits = tuple[float, float] | None
LIMITS = (-1.0, 1.0)  # range of valence and arousal in every corpus; a target outside is a sentinel


@runtime_checkable
class TensorLike(Protocol):
    """A PyTorch tensor, recognised without importing torch."""

    def detach(self) -> Any:
        """Return the tensor without its gradient."""
        ...


def to_array(values: ArrayLike) -> NDArray[np.generic]:
    """Return `values` as a NumPy array of the same shape (...) and kind.

    A tensor may be on any device and may require a gradient; floating-point tensors become float64, because NumPy has
    no bfloat16.
    """
    if not isinstance(values, TensorLike):
        return np.asarray(values)
    tensor = values.detach().cpu()
    return np.asarray(tensor.double() if tensor.is_floating_point() else tensor)


def to_floats(values: ArrayLike) -> Floats:
    """Return `values` as float64 of the same shape (...). Raises MetricError if they are not numeric."""
    try:
        return np.asarray(to_array(values), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MetricError(f"values must be numeric: {error}") from error


def scalar(value: float | np.float64 | np.bool_) -> Floats:
    """Return one number as a float64 array of shape ()."""
    return np.asarray(value, dtype=np.float64)


def check_series(
    prediction: ArrayLike, target: ArrayLike, nan: NanRule = "error", limits: Limits = LIMITS, first: int = 0
) -> tuple[Floats, Floats]:
    """Return prediction and target as two float64 vectors (T,) of the same length.

    prediction, target: (T,) numeric.
    nan: "error" raises if either side has a NaN; "omit" leaves NaN in place for the metric to drop.
    limits: lowest and highest value that the target may have; None accepts any.
    first: index of step 0 in error messages, for input that arrives in chunks.

    Raises MetricError if the shapes differ, a value is infinite, the target leaves `limits`, or a NaN is not allowed.
    """
    if nan not in ("error", "omit"):
        raise MetricError(unknown("rule for NaN", nan, ("error", "omit")))
    x, y = to_floats(prediction), to_floats(target)
    if x.shape != y.shape or x.ndim != 1:
        raise MetricError(f"prediction {x.shape} and target {y.shape} must be two vectors of the same length")
    _check_limits(y, limits, first)
    for name, values in (("prediction", x), ("target", y)):
        raise_where(np.isinf(values), "infinite value", f"the {name} has {{}}, the first at index {{}}", first)
    if nan == "error":
        message = "prediction or target is NaN at {}, the first at index {}; mask or drop NaN: nan='omit'"
        raise_where(np.isnan(x) | np.isnan(y), "step", message, first)
    return x, y


def drop_nan(prediction: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Return the V of T steps at which neither side is NaN.

    prediction, target: (T,) float64 -> two (V,) float64; the inputs themselves if nothing is dropped.
    """
    both = ~(np.isnan(prediction) | np.isnan(target))
    return (prediction, target) if both.all() else (prediction[both], target[both])


def raise_where(wrong: NDArray[np.bool_], noun: str, message: str, first: int = 0) -> None:
    """Raise MetricError if any entry of `wrong` is True.

    wrong: (T,) or (T, K) bool.
    noun: what an entry is, in the singular.
    message: has two places `{}`, for the number of True entries with their noun and for the first row with one.
    first: index of row 0 in the message.
    """
    if wrong.any():
        rows = wrong.reshape(len(wrong), -1).any(axis=1)
        raise MetricError(message.format(counted(int(wrong.sum()), noun), first + int(rows.argmax())))


def _check_limits(target: Floats, limits: Limits, first: int) -> None:
    if limits is None:
        return
    low, high = limits
    outside = (target < low) | (target > high)
    if outside.any():
        example = f"{target[outside.argmax()]:g}"
        message = f"the target has {{}} outside [{low:g}, {high:g}], the first ({example}) at index {{}}"
        raise_where(outside, "value", f"{message}; mask sentinels before scoring, or pass other limits", first)

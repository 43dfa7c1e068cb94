"""Numbers as compressed text for a page: integers, deflate and base64, decoded by `unpack` in `report_data.js`."""

import base64
import zlib
from collections.abc import Sequence

import numpy as np

MISSING = -32768  # of int16 in place of NaN
SCALE = 10_000.0  # steps of one unit of a value in [-1, 1]
LEVEL = 6  # of the compression


def pack_times(times: np.ndarray) -> dict[str, object]:
    """Return increasing times as their first value and the steps between them, rounded to a microsecond.

    times: (T,) float64 s. The result is {"first": s, "steps": text of (T - 1,) int32 microseconds}.
    """
    stamps = np.round(times * 1e6).astype(np.int64)
    steps = np.diff(stamps).clip(0, np.iinfo(np.int32).max).astype("<i4")
    return {"first": float(stamps[0]) / 1e6 if len(stamps) else 0.0, "steps": compress(steps)}


def quantize(values: np.ndarray, scale: float) -> np.ndarray:
    """Return values times a scale as int16, non-finite ones as MISSING: (N,) float -> (N,) int16.

    Values beyond the range of int16 take its nearest end.
    """
    with np.errstate(invalid="ignore"):
        scaled = np.round(values * scale).clip(MISSING + 1, -MISSING - 1)
    return np.where(np.isfinite(values), scaled, MISSING).astype("<i2")


def compress(*arrays: np.ndarray) -> str:
    """Return the bytes of arrays, one after another, as text: deflate, then base64."""
    return base64.b64encode(zlib.compress(b"".join(array.tobytes() for array in arrays), LEVEL)).decode()


def pack_rows(index: np.ndarray, columns: Sequence[np.ndarray]) -> str:
    """Return the rows of a person: their instants and the columns of their values.

    index: (M,) int, increasing, the number of the instant of each row; columns: (M,) int16 each. The text holds the
    steps of the index as int32, then the columns.
    """
    return compress(np.diff(index, prepend=0).astype("<i4"), *columns)

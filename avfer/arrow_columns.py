"""Make Arrow columns from the bytes of NumPy arrays.

`pyarrow.array` and `pyarrow.scalar` would import pandas whenever it is installed, which takes 0.3 s and 50 MB.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

MAX_TEXT_BYTES = 2**31 - 1  # of a string column, whose offsets are int32


def number_column(values: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Return numbers as a column of their type, null where `missing` is True.

    values: (R,) int32, int64, float32, float64 or bool; missing: (R,) bool -> (R,).
    """
    if values.dtype == bool:
        return _column(pa.bool_(), [_bits(values)], missing, len(values))
    return _column(
        pa.from_numpy_dtype(values.dtype), [pa.py_buffer(np.ascontiguousarray(values))], missing, len(values)
    )


def text_column(names: Sequence[str], numbers: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Return a string column whose row r is `names[numbers[r]]`, null where `missing` is True.

    numbers: (R,) int, those of missing rows may be anything in range; missing: (R,) bool -> (R,).
    Raises ValueError if the texts take more than 2 GiB.
    """
    encoded = np.empty(len(names), object)
    encoded[:] = [name.encode() for name in names]
    rows: list[bytes] = encoded[numbers].tolist()
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    offsets = np.concatenate([[0], lengths.cumsum()])
    if offsets[-1] > MAX_TEXT_BYTES:
        raise ValueError(f"a column of texts must be at most {MAX_TEXT_BYTES} bytes, got {offsets[-1]}")
    content = [pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(b"".join(rows))]
    return _column(pa.string(), content, missing, len(rows))


def repeated_text(text: str | None, count: int) -> pa.Array:
    """Return a string column of `count` rows with the same text, or of nulls for None."""
    return text_column([text or ""], np.zeros(count, np.int64), np.full(count, text is None))


def _column(kind: pa.DataType, content: list[pa.Buffer], missing: np.ndarray | None, length: int) -> pa.Array:
    """Return a column of a type from the buffers of its values; missing: (R,) bool or None."""
    valid = _bits(~missing) if missing is not None and missing.any() else None
    return pa.Array.from_buffers(kind, length, [valid, *content])


def _bits(values: np.ndarray) -> pa.Buffer:
    """Return bools as Arrow stores them, eight in a byte, the first in the lowest bit.   values: (R,) bool"""
    return pa.py_buffer(np.packbits(values, bitorder="little"))

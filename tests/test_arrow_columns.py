"""Columns made from bytes are those that pyarrow makes from Python values."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avfer.arrow_columns import number_column, text_column

NAMES = ("", "neutral", "Überraschung", "驚き")
ROWS = st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=20)


@given(ROWS, st.sampled_from(["int32", "int64", "float32", "float64", "bool"]), st.booleans())
def test_numbers_are_null_where_they_are_missing(rows: list[tuple[int, bool]], kind: str, may_miss: bool) -> None:
    values = np.array([value for value, _ in rows], kind)
    missing = np.array([missing for _, missing in rows], bool) if may_miss else None
    column = number_column(values, missing)
    column.validate(full=True)
    assert column.equals(pa.array(values, mask=missing))


@given(ROWS, st.booleans())
def test_texts_are_null_where_they_are_missing(rows: list[tuple[int, bool]], may_miss: bool) -> None:
    numbers = np.array([number for number, _ in rows], np.int64)
    missing = np.array([missing for _, missing in rows], bool) if may_miss else None
    column = text_column(NAMES, numbers, missing)
    column.validate(full=True)
    texts = [None if may_miss and gone else NAMES[number] for number, gone in rows]
    assert column.equals(pa.array(texts, pa.string()))


def test_every_other_number_of_a_row_can_be_a_column() -> None:
    assert number_column(np.arange(6, dtype=np.float32)[::2]).to_pylist() == [0, 2, 4]


def test_texts_of_more_than_two_gigabytes_raise_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avfer.arrow_columns.MAX_TEXT_BYTES", 5)
    with pytest.raises(ValueError, match="at most 5 bytes, got 6"):
        text_column(["abc"], np.zeros(2, int))

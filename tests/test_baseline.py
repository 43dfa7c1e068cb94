"""Resting values: computed by hand, for persons and tracks, and equal however the clip is divided."""

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.baseline import Baseline, corrected_parts, corrected_table, parse_baseline
from avfer.errors import AvferWarning, ConfigError
from tests.export.tracks import TWO_PEOPLE

RAMP = [round(0.1 * step, 1) for step in range(11)]  # 0, 0.1 ... 1.0: its low quantile (0.1) is 0.1, its median 0.5

few_values = pytest.mark.filterwarnings("ignore:baseline. a person has fewer than")


def table_of(rows: list[tuple[float, int | None, int | None, float | None]]) -> pa.Table:
    """Return a table with the columns that a baseline reads. rows: (time_s, track, person, au12)"""
    kinds = {"time_s": pa.float64(), "track": pa.int32(), "person": pa.int32(), "au12": pa.float32()}
    columns = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds.values(), strict=True)]
    return pa.table([*columns, pa.array([None] * len(rows), pa.string())], names=[*kinds, "reason"])


def corrected(table: pa.Table, baseline: Baseline) -> list[float | None]:
    values = corrected_table(table, baseline)["au12_corrected"].to_pylist()
    return [None if value is None else round(value, 4) for value in values]


def test_the_low_quantile_of_a_clip_is_subtracted_and_the_rest_is_clipped_at_zero():
    table = table_of([(step, 1, None, value) for step, value in enumerate(RAMP)])
    assert corrected(table, Baseline()) == [0, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert corrected_table(table, Baseline())["au12"].equals(table["au12"])


def test_the_median_of_named_seconds_is_subtracted_and_the_stop_is_excluded():
    table = table_of([(step / 2, 1, None, value) for step, value in enumerate((0.9, 0.2, 0.4, 0.3, 0.8, 0.6))])
    assert corrected(table, Baseline((0.5, 2.0))) == [0.6, 0, 0.1, 0, 0.5, 0.3]  # of 0.2, 0.4, 0.3


@few_values
def test_the_tracks_of_a_person_share_a_resting_value():
    first = [(step, 1, 7, value) for step, value in enumerate(RAMP)]
    later = [(20.0, 2, 7, 0.5), (21.0, 3, None, 0.5), (21.0, 4, 8, 0.75)]
    assert corrected(table_of(first + later), Baseline())[-3:] == [0.39, 0, 0]  # the quantile of its 12 values is 0.11


@few_values
def test_a_track_and_a_person_of_the_same_number_are_apart():
    assert corrected(table_of([(0, 1, None, 0.2), (0, 0, 1, 0.6)]), Baseline()) == [0, 0]


def test_a_missing_value_stays_missing_and_does_not_count():
    rows = [(step, 1, None, value) for step, value in enumerate(RAMP)]
    assert corrected(table_of([*rows, (20, 1, None, None), (21, None, None, None)]), Baseline())[-3:] == [
        0.9,
        None,
        None,
    ]


def test_a_person_without_a_value_in_the_named_seconds_has_no_corrected_values():
    table = table_of([(0, 1, None, 0.2), (0.5, 1, None, 0.2), (5, 2, None, 0.6)])
    with pytest.warns(AvferWarning, match=r"a person has no measured face from 0 to 1 s.*are null; choose other"):
        assert corrected(table, Baseline((0, 1))) == [0, 0, None]


def test_too_few_values_for_a_resting_value_are_reported():
    """The value of a photograph is its own resting value, and then the corrected one is 0 whatever the face shows."""
    few = [(step, 1, None, value) for step, value in enumerate(RAMP[:9])]
    with pytest.warns(AvferWarning, match=r"a person has fewer than 10 measured faces in the clip.*far too low"):
        corrected(table_of([*few, *((step, 2, None, 0.5) for step in range(11))]), Baseline())
    with pytest.warns(AvferWarning, match=r"fewer than 2 measured faces from 0 to 2 s"):
        assert corrected(table_of([(0.0, 1, 0, 0.9)]), Baseline((0, 2))) == [0]


def test_ten_values_of_a_clip_and_two_of_named_seconds_are_enough():
    table = table_of([(step, 1, None, value) for step, value in enumerate(RAMP[:10])])
    assert len(corrected(table, Baseline())) == len(corrected(table, Baseline((0, 2)))) == 10


def test_corrected_columns_follow_the_action_units_and_the_metadata_state_the_method():
    table = corrected_table(TWO_PEOPLE.to_table(), Baseline((0, 2)))
    names = table.column_names
    assert names[names.index("au01") :][:5] == ["au01", "au12", "au01_corrected", "au12_corrected", "has_face"]
    method = table.schema.metadata[b"au_baseline"].decode()
    assert '"median"' in method and '"stop_s": 2' in method and table.schema.metadata[b"clip"] == b"talk.mp4"


def test_a_table_without_action_units_is_an_error():
    with pytest.raises(ConfigError, match="baseline: the pipeline predicts no action units"):
        corrected_table(table_of([(0, 1, None, 0.2)]).drop_columns(["au12"]), Baseline())


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(0, 90), max_size=6), st.sampled_from([Baseline(), Baseline((0.4, 1.0))]), st.integers(1, 99)
)
def test_any_parts_give_the_corrected_values_of_the_whole_table(cuts, baseline, batch_rows):
    whole = TWO_PEOPLE.to_table()
    edges = [0, *sorted(cuts), len(whole)]
    parts = [whole.slice(start, stop - start) for start, stop in pairwise(edges)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("avfer.baseline.BATCH_ROWS", batch_rows)
        found = pa.concat_tables(corrected_parts(parts, baseline, Path("/tmp")))
    assert found.equals(corrected_table(whole, baseline), check_metadata=True)


def test_the_temporary_file_leaves_nothing_behind(tmp_path):
    parts = corrected_parts([TWO_PEOPLE.to_table()], Baseline(), tmp_path / "out")
    assert next(parts)["au12_corrected"].null_count < len(TWO_PEOPLE)
    assert list((tmp_path / "out").iterdir()) == []
    parts.close()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("high", "must be 'low' or a list such as .*, got 'high'"),
        ([2, 1], "the start must be before the stop, got 2 s and 1 s"),
        ([1, 1], "the start must be before the stop, got 1 s and 1 s"),
        ([-1, 1], r"must be in \[0, 86400\], got -1"),
        ([1], r"must be .low. or a list such as \[0, 2\] of start and stop in seconds, got \[1\]"),
        ([0, 1, 2], r"of start and stop in seconds, got \[0, 1, 2\]"),
    ],
)
def test_a_wrong_baseline_is_an_error(value, message):
    with pytest.raises(ValueError, match=message):
        parse_baseline(value)


def test_a_baseline_is_low_or_two_times_or_absent():
    assert parse_baseline("low") == Baseline() and parse_baseline([0, 2.5]) == Baseline((0.0, 2.5))
    assert parse_baseline(None) is None

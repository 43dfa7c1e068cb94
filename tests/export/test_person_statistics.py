"""Statistics of each person and window, against values computed by hand."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avfer.errors import AvferWarning, ConfigError, DatasetError
from avfer.export.person_statistics import join_summaries, measures, summarize_people, weighted_quantile
from avfer.export.table_segments import EVENTS, EventKind
from avfer.segments import SegmentRule
from tests.export.small_tables import small_table
from tests.export.tracks import TRACKS


def face(time: float, valence: float | None = None, track: int = 1, **values: object) -> dict[str, object]:
    return {"time_s": time, "track": track, "valence": valence, **values}


def summary(rows: list[dict[str, object]], window: float | None = None, **kinds: EventKind) -> list[dict[str, object]]:
    return summarize_people(small_table(rows), window, kinds or EVENTS).to_pylist()


def test_statistics_are_weighted_by_time_at_a_variable_frame_rate():
    """Rows of 0.1, 0.3 and 0.2 s (the median step) with the values 0, 1 and 0.5."""
    (row,) = summary([face(0.0, 0.0), face(0.1, 1.0), face(0.4, 0.5)])
    assert row["present_s"] == row["valence_s"] == pytest.approx(0.6) and row["coverage"] == pytest.approx(1)
    mean = (0.3 * 1 + 0.2 * 0.5) / 0.6
    assert row["valence_mean"] == pytest.approx(mean)
    variance = (0.1 * mean**2 + 0.3 * (1 - mean) ** 2 + 0.2 * (0.5 - mean) ** 2) / 0.6
    assert row["valence_sd"] == pytest.approx(math.sqrt(variance))
    assert (row["valence_q05"], row["valence_median"], row["valence_q95"]) == (0.0, 0.5, 1.0)


def test_quantiles_are_those_of_the_time():
    """Twenty rows of 0.1 s with the values 0 to 19: a twentieth of the time lies at or below the first."""
    (row,) = summary([face(i / 10, i / 20) for i in range(20)])
    found = [row[f"valence_{name}"] for name in ("q05", "q25", "median", "q75", "q95")]
    assert found == pytest.approx([0, 4 / 20, 9 / 20, 14 / 20, 18 / 20])


def test_a_row_at_the_start_of_a_window_belongs_to_it():
    """0.3 / 0.1 is 2.9999999999999996 in binary numbers."""
    rows = summary([face(i / 10) for i in range(11)], window=0.1)
    assert [(row["window"], row["frames"]) for row in rows] == [(number, 1) for number in range(11)]


def test_all_measures_of_a_table_are_summarized():
    names = ["valence", "arousal", "au04", "au12_corrected", "yaw_deg", "gaze_yaw_deg", "eye_closed", "quality"]
    names += ["face_score", "speech", "speaking"]
    others = ["face_x1", "p_joy", "track", "time_s", "frame", "expression", "valence2"]
    assert measures(pa.table({name: [0.0] for name in [*names, *others]})) == names


def test_the_gaze_of_closed_eyes_does_not_count_and_every_other_value_does():
    rows = [face(0.0, eye_closed=0.1), face(0.1, eye_closed=0.5), face(0.2, eye_closed=0.9), face(0.3)]
    angles = {
        "gaze_yaw_deg": [10.0, 50.0, 50.0, 20.0],
        "gaze_pitch_deg": [2.0, -40.0, -40.0, 4.0],
        "yaw_deg": [8.0] * 4,
    }
    table = small_table(rows)
    for name, values in angles.items():
        table = table.append_column(name, pa.array(values, pa.float32()))
    (row,) = summarize_people(table).to_pylist()
    assert (row["gaze_yaw_deg_mean"], row["gaze_pitch_deg_mean"]) == pytest.approx((15.0, 3.0))
    assert (row["gaze_yaw_deg_q95"], row["gaze_yaw_deg_s"]) == pytest.approx((20.0, 0.2))
    assert (row["yaw_deg_s"], row["eye_closed_mean"]) == pytest.approx((0.4, 0.5))


def test_missing_values_have_no_weight():
    (row,) = summary([face(0.0, 0.2), face(0.1), face(0.2, 0.4)])
    assert (row["valence_s"], row["present_s"]) == (pytest.approx(0.2), pytest.approx(0.3))
    assert row["valence_mean"] == pytest.approx(0.3)
    assert row["au12_s"] == 0 and row["au12_mean"] is None and row["smile_count"] is None


def test_a_single_row_has_a_mean_and_no_spread():
    (row,) = summary([face(0.0, 0.25)])
    assert (row["valence_mean"], row["valence_sd"], row["valence_median"], row["frames"]) == (0.25, 0, 0.25, 1)
    assert row["present_s"] == 0.04


def test_a_photograph_has_no_count_of_blinks():
    (row,) = summary([face(0.0, 0.25) | {"eye_closed": 0.9}])
    assert row["eye_closed_mean"] == pytest.approx(0.9) and row["blink_count"] is row["blink_per_min"] is None


def test_a_clip_without_a_face_has_one_row_of_nulls_with_coverage_0():
    (row,) = summary([{"time_s": 0.0}, {"time_s": 0.1}])
    assert (row["read_from"], row["coverage"], row["frames"], row["person"], row["tracks"]) == (
        "nothing",
        0,
        2,
        None,
        "",
    )
    assert row["valence_mean"] is None and row["share_joy"] is None and row["smile_per_min"] is None


def test_two_people_have_a_row_each_and_coverage_of_the_same_clip():
    rows = [face(0.0, 0.5, 1), face(0.0, -0.5, 2), face(0.1, 0.5, 1), {"time_s": 0.2}, {"time_s": 0.3}]
    first, second = summary(rows)
    assert (first["tracks"], first["coverage"], first["valence_mean"]) == ("1", pytest.approx(0.5), 0.5)
    assert (second["tracks"], second["coverage"], second["valence_mean"]) == ("2", pytest.approx(0.25), -0.5)
    assert first["frames"] == second["frames"] == 4


def test_the_voice_alone_has_a_row_of_its_own():
    rows = [face(0.0, 0.5), {"time_s": 0.1, "valence": -0.25}]
    assert [(row["read_from"], row["valence_mean"]) for row in summary(rows)] == [("face", 0.5), ("voice", -0.25)]


def test_the_voice_is_present_where_it_has_values():
    first, second, third = summary(
        [{"time_s": time / 10, "valence": 0.5 if time < 3 else None} for time in range(6)], window=0.2
    )
    assert [row["coverage"] for row in (first, second, third)] == pytest.approx([1, 0.5, 0])
    assert second["present_s"] == second["valence_s"] == pytest.approx(0.1)
    assert {row["read_from"] for row in (first, second, third)} == {"voice"}


def test_the_shares_of_expressions_are_those_of_the_time_with_one():
    labels = ["joy", "fear", None]
    times = (0.0, 0.1, 0.4)
    (row,) = summary([face(time, expression=label) for time, label in zip(times, labels, strict=True)])
    assert row["expression_s"] == pytest.approx(0.4)
    assert (row["share_joy"], row["share_fear"]) == (pytest.approx(0.25), pytest.approx(0.75))


def test_events_have_number_rate_and_durations():
    """Twelve rows of 0.5 s: smiles from 0.5 to 1.5 s and from 3 to 3.5 s, in 5 s with a value of au12."""
    smiles = [0, 0.9, 0.9, 0, 0, 0, 0.9, 0, 0, 0, None, None]
    (row,) = summary([face(i / 2, au12=value) for i, value in enumerate(smiles)])
    assert (row["smile_count"], row["smile_per_min"]) == (2, pytest.approx(24))
    assert (row["smile_mean_s"], row["smile_total_s"]) == (pytest.approx(0.75), pytest.approx(1.5))
    assert row["blink_count"] is None


def test_no_event_in_time_with_values_is_a_count_of_0():
    (row,) = summary([face(i / 10, au12=0.1) for i in range(5)])
    assert (row["smile_count"], row["smile_per_min"], row["smile_mean_s"], row["smile_total_s"]) == (0, 0, None, 0)


def test_windows_divide_the_clip_and_keep_those_without_the_person():
    rows = [face(i / 2, 0.1 * i) for i in range(4)] + [{"time_s": i / 2} for i in range(4, 7)]
    first, second, third, last = summary(rows, window=1.0)
    assert [(row["window"], row["start_s"], row["stop_s"]) for row in (first, second, third, last)] == [
        (0, 0.0, 1.0),
        (1, 1.0, 2.0),
        (2, 2.0, 3.0),
        (3, 3.0, 3.5),
    ]
    assert [row["coverage"] for row in (first, second, third, last)] == [1, 1, 0, 0]
    assert (first["valence_mean"], second["valence_mean"]) == (pytest.approx(0.05), pytest.approx(0.25))
    assert third["valence_mean"] is None and third["valence_s"] == 0


def test_an_event_counts_in_the_window_where_it_starts():
    rows = [face(i / 10, au12=0.9 if 8 <= i < 14 else 0.0) for i in range(20)]
    first, second = summary(rows, window=1.0)
    assert (first["smile_count"], first["smile_total_s"]) == (1, pytest.approx(0.6))
    assert (second["smile_count"], second["smile_total_s"]) == (0, 0)


def test_without_a_window_the_clip_is_one_row_and_the_window_null():
    (row,) = summary([face(0.0, 0.1), face(0.1, 0.2)])
    assert row["window"] is None and (row["start_s"], row["stop_s"]) == (0.0, pytest.approx(0.2))


def test_the_rules_of_the_events_are_in_every_row_and_in_the_metadata():
    table = summarize_people(small_table([face(0.0, 0.1)]), 10.0, {"smile": EventKind(("au12",), SegmentRule(on=0.7))})
    assert table["event_rules"].to_pylist() == ["smile: au12 on 0.7 off 0.3 min_duration 0 max_gap 0"]
    assert json.loads(table.schema.metadata[b"segments"])["smile"]["on"] == 0.7
    assert table.schema.metadata[b"window_s"] == b"10.0"


def test_the_scale_of_the_action_units_is_stated_if_the_table_does():
    table = small_table([face(0.0, au12=0.5)])
    assert summarize_people(table)["au_scale"].to_pylist() == [None]
    stated = table.replace_schema_metadata({"au_scale": "activation"})
    assert summarize_people(stated)["au_scale"].to_pylist() == ["activation"]


@pytest.mark.parametrize("name", TRACKS)
def test_every_kind_of_table_gives_plain_column_names(name):
    table = summarize_people(TRACKS[name].to_table(), window=0.5)
    assert all(column.isidentifier() for column in table.column_names)
    assert len(table) > 0


def test_columns_of_a_manifest_are_kept_for_every_row_of_a_clip():
    def described(clip: str, **columns: object) -> pa.Table:
        table = small_table([face(0.0, 0.1, clip=clip), face(0.1, 0.2, track=2, clip=clip)])
        for name, value in columns.items():
            table = table.append_column(name, pa.array([value] * 2))
        return summarize_people(table, 0.1)

    found = described("a.mp4", subject="007", age=31)
    assert [(row["subject"], row["age"]) for row in found.to_pylist()] == [("007", 31)] * 4
    assert join_summaries([found, described("b.mp4", age=20.5)])["age"].to_pylist() == [31] * 4 + [20.5] * 4
    assert described("d.mp4", smile_count="many")["smile_count"].to_pylist()[0] != "many"
    with pytest.raises(DatasetError, match=r"manifests that do not fit together: .*age.*; summarize them apart"):
        join_summaries([found, described("c.mp4", age="old")])


def test_an_empty_table_has_no_rows_but_all_columns():
    table = summarize_people(TRACKS["two people"].to_table().slice(0, 0))
    assert len(table) == 0 and "valence_mean" in table.column_names


def test_joined_summaries_have_all_columns_and_the_metadata_in_common():
    first = summarize_people(small_table([face(0.0, 0.1)]))
    table = small_table([face(0.0, 0.2, clip="b.mp4")], ("au12",)).replace_schema_metadata({"clip": "b.mp4"})
    second = summarize_people(table)
    joined = join_summaries([second, first])
    assert joined["valence_mean"].to_pylist() == pytest.approx([0.2, 0.1])
    assert joined["au12_s"].to_pylist() == [None, 0.0] and joined.column_names[-1] == "event_rules"
    assert set(joined.schema.metadata) == {b"window_s"}


def test_joining_tables_of_several_pipelines_warns():
    tables = [
        small_table([face(0.0, 0.1, clip=f"{sha}.mp4")]).replace_schema_metadata({"pipeline_sha256": sha})
        for sha in ("a", "b")
    ]
    with pytest.warns(AvferWarning, match="2 different pipelines"):
        join_summaries([summarize_people(table) for table in tables])


def test_joining_tables_of_one_clip_warns():
    tables = [summarize_people(small_table([face(0.0, 0.1)])) for _ in range(2)]
    with pytest.warns(AvferWarning, match=r"a clip of the same name \(a\.mp4\): their rows cannot be distinguished"):
        assert len(join_summaries(tables)) == 2


@pytest.mark.parametrize("window", [0.0, -1.0, math.nan, math.inf])
def test_a_window_must_be_positive(window):
    with pytest.raises(ConfigError, match="window: must be > 0"):
        summary([face(0.0)], window)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.sampled_from([0.05, 0.25, 0.5, 0.75, 0.95]))
def test_equal_weights_give_the_quantile_of_numpy(values, share):
    weights = np.full(len(values), 0.04)
    expected = np.quantile(values, share, method="inverted_cdf")
    assert weighted_quantile(np.array(values), weights, share) == expected


@pytest.mark.parametrize(("share", "of_hundred"), [(0.05, 5), (0.25, 25), (0.5, 50), (0.75, 75), (0.95, 95)])
def test_quantiles_of_rows_of_equal_length_do_not_depend_on_rounding(share, of_hundred):
    """Sums of 0.04 s are inexact: the first three of six rows have less than half of the time by 1e-17."""
    for count in range(1, 101):
        rank = -(-count * of_hundred // 100)
        assert weighted_quantile(np.arange(1.0, count + 1), np.full(count, 0.04), share) == rank

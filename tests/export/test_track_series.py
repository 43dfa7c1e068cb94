"""Series of each person over time, extracted from a table."""

import re
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from avfer.baseline import Baseline, corrected_table
from avfer.export.colours import line_colour
from avfer.export.svg import affect_chart, line_path
from avfer.export.track_series import TrackSeries, action_unit_columns, track_series
from tests.export.tracks import make_track, with_measures, with_persons


def test_a_gap_in_a_track_breaks_its_line():
    interrupted = make_track([(frame, 1) for frame in range(30) if not 10 <= frame < 20], 30)
    (person,) = track_series(interrupted.to_table())
    assert np.isnan(person.valence).sum() == 1
    assert len(re.findall(r"M[\d.]+ ", affect_chart([person], 0, 1.2))) == 4  # two pieces in each of two panels


def test_a_variable_frame_rate_does_not_break_a_line_but_a_pause_of_the_recording_does():
    table = make_track([(frame, 1) for frame in range(12)], 12).to_table()
    times = pa.array([0.0, 0.04, 0.08, 0.12, 0.16, 0.4, 0.44, 0.48, 9.0, 9.04, 9.3, 9.34])
    (person,) = track_series(table.set_column(table.column_names.index("time_s"), "time_s", times))
    assert person.times[np.isnan(person.valence)].tolist() == [1.48]  # 1 s after the last row before the pause


def test_a_value_without_neighbours_is_a_dot():
    assert line_path(np.arange(5.0), np.array([1, 2, np.nan, 3, np.nan])) == "M0.0 1.0L1.0 2.0M3.0 3.0h0"
    (person,) = track_series(make_track([(0, 1)], 1).to_table())
    chart = affect_chart([person], 0, 0)
    assert len(re.findall(r'M[\d.]+ [\d.]+h0"[^>]*stroke-linecap="round"', chart)) == 2


def test_long_clips_are_averaged_to_few_points():
    long = make_track([(frame, 1) for frame in range(5000)], 5000)
    (person,) = track_series(long.to_table(), max_points=100)
    assert len(person.times) <= 101 and person.rows == 5000
    assert np.all(np.diff(person.times) > 0) and np.nanmax(np.abs(person.valence)) <= 1


def test_a_flickering_track_of_a_long_clip_has_few_points():
    flickering = make_track([(frame, 1) for frame in range(0, 5000, 2)], 5000)
    (person,) = track_series(flickering.to_table(), max_points=100)
    assert len(person.times) <= 101


def test_the_gaze_of_closed_eyes_is_not_averaged():
    table = with_measures(make_track([(frame, 1) for frame in range(8)], 8), ("gaze_yaw_deg", "yaw_deg"))
    table = table.append_column("eye_closed", pa.array([0.0, 0.9] * 4, pa.float32()))
    angles = pa.array([10.0, 70.0] * 4, pa.float32())
    table = table.set_column(table.column_names.index("gaze_yaw_deg"), "gaze_yaw_deg", angles)
    (person,) = track_series(table, max_points=4)
    assert person.measures["gaze_yaw_deg"].tolist() == [10.0] * 4 and person.measures["yaw_deg"].tolist() == [20.0] * 4


def test_the_person_with_most_rows_comes_first():
    rows = [(frame, track) for frame in range(12) for track in (1, 2, 3) if frame >= 4 * (3 - track)]
    people = track_series(make_track(rows, 12).to_table())
    assert [(person.label, person.rows) for person in people] == [("track 3", 12), ("track 2", 8), ("track 1", 4)]


def test_the_tracks_of_one_person_are_one_series():
    rows = [(frame, 1 if frame < 5 else 2) for frame in range(12)] + [(frame, 3) for frame in range(4)]
    people = track_series(with_persons(make_track(rows, 12), {1: 0, 2: 0}).to_table())
    assert [(person.label, person.rows) for person in people] == [("person 0", 12), ("track 3", 4)]
    assert np.all(np.diff(people[0].times) > 0)


def test_every_person_of_a_crowd_has_a_series_and_a_colour_of_its_own():
    crowd = make_track([(frame, track) for frame in range(3) for track in range(40)], 3)
    assert {person.label for person in track_series(crowd.to_table())} == {f"track {track}" for track in range(40)}
    assert len({line_colour(index) for index in range(40)}) == 40


def test_measures_are_averaged_without_missing_values_and_break_at_gaps():
    table = make_track([(frame, 1) for frame in range(30) if not 10 <= frame < 20], 30).to_table()
    values = [None if frame in {2, 3, 4, 5, 7} else frame / 100 for frame in range(30)]
    table = table.append_column("yaw_deg", pa.array(values, pa.float32(), mask=~table["has_face"].to_numpy()))
    (person,) = track_series(table, max_points=10)  # groups of two rows
    nan = np.nan
    assert person.measures["yaw_deg"] == pytest.approx(
        [0.005, nan, nan, 0.06, 0.085, nan, 0.205, 0.225, 0.245, 0.265, 0.285], nan_ok=True
    )
    assert len(person.measures["yaw_deg"]) == len(person.times)


@pytest.mark.parametrize(("absent", "breaks"), [(1, 0), (2, 1), (3, 1)])
def test_a_line_of_means_breaks_at_gaps_of_at_least_as_many_rows_as_a_group_has(absent, breaks):
    rows = [(frame, 1) for frame in range(40) if not 20 <= frame < 20 + absent]
    (person,) = track_series(make_track(rows, 40).to_table(), max_points=20)
    assert np.isnan(person.valence).sum() == breaks


def test_a_group_of_rows_has_the_expression_of_the_first():
    table = make_track([(frame, 1) for frame in range(8)], 8).to_table()
    names = pa.array(["joy", "fear", "fear", "joy", None, "joy", "anger", "anger"])
    (person,) = track_series(
        table.set_column(table.column_names.index("expression"), "expression", names), max_points=4
    )
    assert person.expressions.tolist() == ["joy", "fear", "", "anger"]


def test_samples_last_until_the_next_point_and_are_missing_outside_the_track_and_in_gaps():
    times, values = np.array([1.0, 2.0, 3.0, 5.0]), np.float32([0.1, 0.2, np.nan, 0.4])
    empty = np.zeros(4, np.float32)
    person = TrackSeries("track 1", 3, times, empty, empty, np.array([""] * 4), {"au12": values})
    (sampled,) = person.sampled(["au12"], 0.0, 7.0, 7)
    assert sampled == pytest.approx([np.nan, 0.1, 0.2, np.nan, np.nan, 0.4, np.nan], nan_ok=True)


@pytest.mark.filterwarnings("ignore:baseline. a person has fewer than 10 measured faces")
def test_corrected_action_units_are_drawn_in_place_of_the_raw_ones():
    table = make_track([(0, 1)], 1).to_table()
    assert action_unit_columns(table) == ["au01", "au12"]
    assert action_unit_columns(corrected_table(table, Baseline())) == ["au01_corrected", "au12_corrected"]


def test_expression_spans_cover_the_rows_of_a_person_in_order():
    (person,) = track_series(make_track([(frame, 1) for frame in range(60)], 60).to_table())
    spans = person.expression_spans()
    assert spans[0][0] == 0 and spans[-1][1] == pytest.approx(60 / 25)
    assert all(stop == start for (_, stop, _), (start, _, _) in pairwise(spans))
    assert len({name for _, _, name in spans}) > 1

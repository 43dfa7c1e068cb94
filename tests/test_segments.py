"""Segments of a series: events by thresholds with hysteresis, and stretches of a constant label."""

import doctest
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avfer import segments
from avfer.errors import ConfigError
from avfer.segments import SegmentRule, find_events, find_stretches, row_stops

STEADY = np.arange(10) / 10  # s, starts of ten rows


def events(values: list[float], starts: np.ndarray = STEADY, **rule: float) -> list[tuple[float, float]]:
    """Return (start, stop) of the events of a series, rounded to ms."""
    starts = starts[: len(values)]
    found = find_events(starts, row_stops(starts), np.array(values), SegmentRule(**rule))
    return [(round(event.start, 3), round(event.stop, 3)) for event in found]


def test_the_examples_of_the_docstrings_hold():
    result = doctest.testmod(segments)
    assert result.attempted >= 3 and result.failed == 0


def test_an_event_starts_at_the_upper_and_stops_below_the_lower_threshold():
    assert events([0.4, 0.5, 0.4, 0.3, 0.29, 0.4, 0]) == [(0.1, 0.4)]


def test_a_value_between_the_thresholds_starts_no_event():
    assert events([0.4, 0.4, 0.4]) == []


def test_the_last_row_of_a_clip_counts_for_a_median_step():
    assert events([0, 0, 0.9]) == [(0.2, 0.3)]


def test_a_row_covers_two_and_a_half_median_steps_at_most_where_steps_are_long():
    """Steps of 10, 10, 20 and 60 s; their median is 15 s."""
    assert row_stops(np.array([0.0, 10, 20, 40, 100])).tolist() == [10, 20, 40, 77.5, 115]


def test_an_event_of_the_longest_and_of_the_shortest_duration_is_kept():
    assert events([0, 0.9, 0.9, 0.9, 0], min_duration=0.3, max_duration=0.3) == [(0.1, 0.4)]
    assert stretches("-aaa-", min_duration=0.3, max_duration=0.3) == [("a", 0.1, 0.4)]
    assert stretches("-aaaa-", max_duration=0.3) == []


def test_a_single_row_is_an_event_of_a_frame():
    assert events([0.9]) == [(0.0, 0.04)]


def test_a_missing_value_ends_an_event():
    assert events([0.9, math.nan, 0.4, 0.9]) == [(0.0, 0.1), (0.3, 0.4)]


def test_no_rows_and_only_missing_values_give_no_events():
    assert events([]) == [] and events([math.nan] * 4) == []


def test_a_short_gap_is_closed_and_a_longer_one_is_not():
    values = [0.9, 0, 0.9, 0, 0, 0.9]
    assert events(values, max_gap=0.1) == [(0.0, 0.3), (0.5, 0.6)]
    assert events(values, max_gap=0.2) == [(0.0, 0.6)]


def test_gaps_are_closed_before_short_events_are_dropped():
    assert events([0.9, 0, 0.9, 0, 0, 0, 0.9], max_gap=0.1, min_duration=0.3) == [(0.0, 0.3)]


def test_events_longer_than_the_maximum_are_dropped():
    """A blink is short; eyes that stay closed are none."""
    assert events([0.9, 0, 0.9, 0.9, 0.9, 0.9], max_duration=0.3) == [(0.0, 0.1)]


def test_rows_with_a_pause_between_them_are_two_events():
    """The row before the pause covers one second at most."""
    starts = np.array([0.0, 0.1, 0.2, 7.0, 7.1])
    assert events([0.9] * 5, starts) == [(0.0, 1.2), (7.0, 7.2)]


def test_absent_rows_of_a_person_divide_an_event():
    starts, stops = np.array([0.0, 0.1, 0.4]), np.array([0.1, 0.2, 0.5])
    found = find_events(starts, stops, np.array([0.9, 0.9, 0.9]), SegmentRule())
    assert [(event.start, event.stop) for event in found] == [(0.0, 0.2), (0.4, 0.5)]


def test_an_event_does_not_continue_after_absent_rows_with_a_value_between_the_thresholds():
    starts, stops = np.array([0.0, 0.1, 0.4]), np.array([0.1, 0.2, 0.5])
    found = find_events(starts, stops, np.array([0.9, 0.9, 0.4]), SegmentRule())
    assert [(event.start, event.stop) for event in found] == [(0.0, 0.2)]


def test_the_mean_is_weighted_by_time_and_the_peak_is_the_largest_value():
    """Rows of 0.1, 0.3 and 0.2 s: (0.1 * 0.6 + 0.3 * 1.0 + 0.2 * 0.5) / 0.6."""
    starts = np.array([0.0, 0.1, 0.4, 0.6])
    (event,) = find_events(starts, row_stops(starts), np.array([0.6, 1.0, 0.5, 0.0]), SegmentRule(), "smile")
    assert event.mean == pytest.approx(0.46 / 0.6)
    assert (event.label, event.peak, event.peak_time) == ("smile", 1.0, 0.1)
    assert event.duration == pytest.approx(0.6)


def stretches(labels: str, **rule: float) -> list[tuple[str, float, float]]:
    """Return (label, start, stop) of a text with a label for each row; a hyphen is a missing one."""
    names = np.array([label.replace("-", "") for label in labels], dtype=str)
    found = find_stretches(
        STEADY[: len(names)], row_stops(STEADY)[: len(names)], names, np.ones(len(names)), SegmentRule(**rule)
    )
    return [(one.label, round(one.start, 3), round(one.stop, 3)) for one in found]


def test_a_stretch_has_one_label_and_missing_labels_belong_to_none():
    assert stretches("aab-b") == [("a", 0.0, 0.2), ("b", 0.2, 0.3), ("b", 0.4, 0.5)]


def test_a_flicker_shorter_than_the_minimum_does_not_divide_a_stretch():
    assert stretches("aabaa", min_duration=0.2, max_gap=0.1) == [("a", 0.0, 0.5)]


def test_a_stretch_of_another_label_divides_one():
    assert stretches("aabbaa", min_duration=0.2, max_gap=1.0) == [("a", 0.0, 0.2), ("b", 0.2, 0.4), ("a", 0.4, 0.6)]


def test_a_stretch_has_the_mean_of_the_rows_with_its_own_label():
    labels, values = np.array(["a", "a", "b", "a"]), np.array([0.5, 0.7, 0.1, 0.9])
    rule = SegmentRule(min_duration=0.1, max_gap=0.2)
    joined = find_stretches(STEADY[:4], STEADY[1:5], np.array(["a", "a", "", "a"]), values, rule).items
    assert [(one.label, one.peak, round(one.mean, 6)) for one in joined] == [("a", 0.9, 0.7)]
    divided = find_stretches(STEADY[:4], STEADY[1:5], labels, values, rule).items
    assert [(one.label, round(one.mean, 6)) for one in divided] == [("a", 0.6), ("b", 0.1), ("a", 0.9)]


def test_the_rule_is_part_of_the_result():
    rule = SegmentRule(on=0.6, off=0.2, min_duration=0.1)
    found = find_events(STEADY, row_stops(STEADY), np.zeros(10), rule)
    assert found.rule == rule
    assert rule.parameters() == {"on": 0.6, "off": 0.2, "min_duration": 0.1, "max_gap": 0.0}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"on": 0.2}, "off: must be <= on"),
        ({"min_duration": -1.0}, "min_duration: must be >= 0"),
        ({"min_duration": 2.0, "max_duration": 1.0}, "min_duration"),
        ({"max_gap": math.inf}, "max_gap"),
        ({"on": math.nan}, "off: must be <= on"),
    ],
)
def test_a_rule_that_cannot_hold_is_an_error(wrong, message):
    with pytest.raises(ConfigError, match=message):
        SegmentRule(**wrong)


def test_arrays_of_unequal_lengths_are_an_error():
    with pytest.raises(ValueError, match="same length"):
        find_events(STEADY, STEADY, np.zeros(3), SegmentRule())


@given(
    st.lists(st.floats(0, 1) | st.just(math.nan), max_size=40),
    st.floats(0, 0.3),
    st.floats(0, 0.3),
)
def test_events_are_in_order_and_never_overlap(values, min_duration, max_gap):
    starts = np.arange(len(values)) / 10
    rule = SegmentRule(min_duration=min_duration, max_gap=max_gap)
    found = find_events(starts, row_stops(starts), np.array(values), rule).items
    assert all(before.stop < after.start for before, after in pairwise(found))
    assert all(event.duration >= min_duration - 1e-6 and event.peak >= rule.on for event in found)

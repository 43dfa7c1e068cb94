"""Which mark applies at a time, and which column a tier is about."""

import numpy as np
import pytest

from avfer.codings.coding import Coding, Mark, Tier
from avfer.codings.columns import CodedColumn, column_of, parse_tier_mapping
from avfer.codings.sampling import marks_at, sample_coding
from avfer.errors import ConfigError, DatasetError

TIMES = np.arange(10) / 10


def coding_of(tmp_path, *tiers):
    made = (Tier.from_marks(name, [Mark(*mark) for mark in marks], "a.csv", **rest) for name, marks, rest in tiers)
    return Coding(tmp_path / "a.csv", "", tuple(made))


def test_an_interval_applies_from_its_start_and_not_at_its_stop():
    assert marks_at(np.array([0.3]), np.array([0.6]), TIMES).tolist() == [-1, -1, -1, 0, 0, 0, -1, -1, -1, -1]


def test_an_interval_whose_bounds_are_rounded_to_milliseconds_applies_to_the_same_frames():
    times = np.arange(300) * 1001 / 30000
    starts, stops = times[10:-7:14], times[14:-3:14]
    found = marks_at(starts.round(3), stops.round(3), times)
    np.testing.assert_array_equal(found, marks_at(starts, stops, times))


def test_the_interval_that_starts_last_applies_and_the_outer_one_after_it():
    found = marks_at(np.array([0.1, 0.3]), np.array([0.8, 0.5]), TIMES)
    assert found.tolist() == [-1, 0, 0, 1, 1, 0, 0, 0, -1, -1]


def test_a_point_applies_up_to_half_a_step_away():
    found = marks_at(np.array([0.0, 0.4]), np.array([0.0, 0.4]), TIMES)
    assert found.tolist() == [0, 0, 0, 1, 1, 1, 1, -1, -1, -1]


@pytest.mark.parametrize("times", [np.zeros(0), np.zeros(1)])
def test_no_time_and_one_time_have_marks(times):
    assert marks_at(np.array([0.0, 0.0]), np.array([0.0, 1.0]), times).tolist() == [1] * len(times)


def test_a_unit_is_absent_in_the_span_of_its_tier_only(tmp_path):
    coding = coding_of(tmp_path, ("AU12", [(0.2, 0.4, "x")], {"span": (0.1, 0.6)}))
    found = sample_coding(coding, TIMES, {})["au12"]
    assert np.array_equal(found, [np.nan, 0, 1, 1, 0, 0, np.nan, np.nan, np.nan, np.nan], equal_nan=True)


def test_a_unit_of_points_is_known_at_its_points_only(tmp_path):
    coding = coding_of(tmp_path, ("AU12", [(0.1, 0.1, "0"), (0.2, 0.2, "2.5"), (0.3, 0.3, "nan")], {}))
    found = sample_coding(coding, TIMES, {})["au12"]
    assert np.array_equal(found[:5], [np.nan, 0, 1, np.nan, np.nan], equal_nan=True)


@pytest.mark.parametrize("absent", ["0", "No", "none", "ABSENT", "off", "false", "-", "0.0"])
def test_a_unit_can_be_marked_as_absent(tmp_path, absent):
    coding = coding_of(tmp_path, ("AU12", [(0.1, 0.3, absent), (0.3, 0.5, "yes"), (0.5, 0.7, "")], {}))
    assert sample_coding(coding, TIMES, {})["au12"].tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0, 0]


def test_a_unit_is_known_in_the_spans_of_all_its_tiers(tmp_path):
    first = ("AU12", [(0.0, 0.1, "x")], {"span": (0.0, 0.3)})
    second = ("au 12", [(0.7, 0.8, "x")], {"span": (0.6, 0.9)})
    found = sample_coding(coding_of(tmp_path, first, second), TIMES, {})["au12"]
    assert np.array_equal(found, [1, 0, 0, np.nan, np.nan, np.nan, 0, 1, 0, np.nan], equal_nan=True)


def test_moments_without_a_mark_have_the_class_of_rest_in_the_part_that_is_coded(tmp_path):
    coding = coding_of(tmp_path, ("expression", [(0.2, 0.4, "happy")], {"span": (0.1, 0.6)}))
    found = sample_coding(coding, TIMES, {}, rest="neutral")["expression"]
    assert found.tolist() == [None, "neutral", "happiness", "happiness", "neutral", "neutral", *[None] * 4]


def test_the_offset_is_added_to_the_times_of_the_coding(tmp_path):
    coding = coding_of(tmp_path, ("AU12", [(0.0, 0.2, "x")], {}))
    assert sample_coding(coding, TIMES, {}, offset=0.3)["au12"].tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_valence_and_arousal_lie_in_minus_one_to_one(tmp_path):
    marks = [(0.0, 0.1, "-1"), (0.1, 0.2, "1.0")]
    found = sample_coding(coding_of(tmp_path, ("valence", marks, {})), TIMES, {})["valence"]
    assert found[:2].tolist() == [-1, 1] and np.isnan(found[2:]).all()
    for value in ("1.01", "-1.5"):
        with pytest.raises(DatasetError, match=r"must be in \[-1, 1\], got"):
            sample_coding(coding_of(tmp_path, ("arousal", [(0.0, 0.1, value)], {})), TIMES, {})


def test_tiers_of_single_classes_are_one_expression(tmp_path):
    coding = coding_of(tmp_path, ("Joy", [(0.0, 0.3, "ha")], {}), ("anger", [(0.2, 0.5, "")], {}))
    found = sample_coding(coding, TIMES, {})["expression"]
    assert found.tolist() == ["happiness"] * 2 + ["anger"] * 3 + [None] * 5


@pytest.mark.parametrize("rest", [None, "neutral"])
def test_columns_of_zeros_and_ones_are_one_expression(tmp_path, rest):
    """Every 0.2 s one column a class, as spreadsheets have it; at 0.6 s none of the classes is present."""
    joy, anger = ["1", "1", "0", "0", "0"], ["0", "0", "1", "0", "0"]
    tiers = [[(0.2 * i, 0.2 * i, one) for i, one in enumerate(values)] for values in (joy, anger)]
    coding = coding_of(tmp_path, ("joy", tiers[0], {}), ("anger", tiers[1], {}))
    found = sample_coding(coding, np.arange(5) * 0.2 + 0.05, {}, rest=rest)["expression"]
    assert found.tolist() == ["happiness", "happiness", "anger", rest, rest]


def test_an_interval_can_state_that_a_class_is_absent(tmp_path):
    coding = coding_of(tmp_path, ("anger", [(0.0, 0.5, "yes")], {}), ("joy", [(0.1, 0.3, "0"), (0.3, 0.4, "2")], {}))
    found = sample_coding(coding, TIMES, {})["expression"]
    assert found.tolist() == [*["anger"] * 3, "happiness", "anger", *[None] * 5]


def test_probabilities_of_classes_are_no_coding(tmp_path):
    coding = coding_of(tmp_path, ("p_happiness", [(0.0, 0.0, "1"), (0.1, 0.1, "0.7")], {}))
    with pytest.raises(
        DatasetError, match=r"tier 'p_happiness', 0.1 s: a class is present \(1\) or absent \(0\), got 0.7"
    ):
        sample_coding(coding, TIMES, {})


@pytest.mark.parametrize(
    "name, column",
    [
        ("AU12", CodedColumn("au12")),
        ("au 4", CodedColumn("au04")),
        ("Valence", CodedColumn("valence")),
        ("p_awe", CodedColumn("expression", "awe")),
        ("Happy", CodedColumn("expression", "happiness")),
        ("AU12_corrected", None),
        ("gesture", None),
        ("person 3 expression", CodedColumn("expression")),
    ],
)
def test_a_tier_is_about_the_column_it_is_named_after(name, column):
    assert column_of(name) == column


def test_a_mapping_names_tier_and_column():
    assert parse_tier_mapping(["a=b=AU1"]) == {"a=b": CodedColumn("au01")}


@pytest.mark.parametrize("texts", [["smile"], ["=AU12"], ["smile=gesture"], ["a=AU12", "a=AU01"]])
def test_a_wrong_mapping_is_an_error(texts):
    with pytest.raises(ConfigError, match="--map"):
        parse_tier_mapping(texts)


def test_a_tier_of_an_export_is_about_its_person():
    assert Tier.from_marks("person 3 expression", [], "a.eaf").subject == "person 3"
    assert Tier.from_marks("person 3 expression", [], "a.eaf", "Anna").subject == "Anna"
    assert Tier.from_marks("expression", [], "a.eaf").subject == ""

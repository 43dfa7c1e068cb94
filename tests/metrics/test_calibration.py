import numpy as np
import pytest

from avfer.errors import MetricError
from avfer.metrics import expected_calibration_error
from avfer.metrics.calibration import calibration_error


def test_probabilities_that_are_right_as_often_as_they_say_have_no_error():
    probabilities = np.tile([0.75, 0.25], (400, 1))
    assert expected_calibration_error(probabilities, np.arange(400) % 4 == 3) == pytest.approx(0)


def test_gaps_of_bins_are_weighted_by_their_rows():
    probabilities = [[0.9, 0.1]] * 3 + [[0.4, 0.6]]
    assert expected_calibration_error(probabilities, [0, 0, 1, 0]) == pytest.approx(3 / 4 * (0.9 - 2 / 3) + 1 / 4 * 0.6)


def test_gaps_of_one_bin_cancel_and_those_of_two_do_not():
    assert expected_calibration_error([[0.8, 0.2], [0.8, 0.2]], [0, 1], bins=1) == pytest.approx(0.3)
    assert expected_calibration_error([[0.6, 0.4], [0.9, 0.1]], [0, 1], bins=1) == pytest.approx(0.25)
    assert expected_calibration_error([[0.6, 0.4], [0.9, 0.1]], [0, 1]) == pytest.approx((0.4 + 0.9) / 2)


def test_a_confidence_of_one_belongs_to_the_last_bin():
    assert expected_calibration_error([[1.0, 0.0], [0.99, 0.01]], [0, 0]) == pytest.approx(0.005)


def test_draws_are_scored_at_once():
    rng = np.random.default_rng(0)
    confidence, right = rng.uniform(0.2, 1, 50), rng.integers(0, 2, 50).astype(float)
    rows = rng.integers(50, size=(4, 50))
    expected = [calibration_error(confidence[r], right[r]) for r in rows]
    assert calibration_error(confidence[rows], right[rows]) == pytest.approx(expected)


def test_a_number_of_bins_below_one_raises_an_error():
    with pytest.raises(MetricError, match="bins: must be >= 1, got 0"):
        expected_calibration_error([[0.5, 0.5]], [0], bins=0)


def test_no_row_gives_nan():
    assert np.isnan(expected_calibration_error(np.zeros((0, 3)), np.zeros(0, int)))


@pytest.mark.parametrize(
    ("probabilities", "target", "message"),
    [
        ([[0.5, 0.5]], [0, 1], r"must be \(T, K\) and \(T,\)"),
        ([[1.5, -0.5]], [0], r"must be in \[0, 1\]"),
        ([[np.nan, 0.5]], [0], r"must be in \[0, 1\]"),
        ([[0.5, 0.5]], [-1], "mask sentinels"),
    ],
)
def test_wrong_inputs_raise_an_error(probabilities, target, message):
    with pytest.raises(MetricError, match=message):
        expected_calibration_error(probabilities, target)

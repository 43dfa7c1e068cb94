import numpy as np
import pytest

from avfer.errors import MetricError
from avfer.metrics import ActionUnitScores, au_f1


def test_each_unit_is_scored_at_its_threshold():
    prediction = [[0.9, 0.5, 0.1], [0.6, 0.51, 0.2], [0.1, 0.2, 0.3], [0.7, 0.4, 0.4]]
    target = [[1, 1, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0]]
    scores = au_f1(prediction, target)
    assert scores.f1 == pytest.approx([2 * 2 / (2 * 2 + 1 + 1), 2 / 3, 0.0])  # 0.5 itself is not above 0.5
    assert scores.support.tolist() == [3, 2, 0]
    assert scores.threshold.tolist() == [0.5, 0.5, 0.5]
    assert scores.f1_macro == pytest.approx(scores.f1.mean())
    assert scores.accuracy == pytest.approx(9 / 12)
    assert au_f1(prediction, target, threshold=[0.5, 0.45, 0.5]).f1[1] == 1.0


@pytest.mark.parametrize("threshold", [[0.5, 0.5], float("nan"), [[0.5] * 3] * 2])
def test_a_threshold_that_does_not_fit_the_units_raises_an_error(threshold):
    with pytest.raises(MetricError, match="threshold: must be a number, or one for each of 3 units"):
        au_f1(np.zeros((2, 3)), np.zeros((2, 3)), threshold)


def test_a_masked_sentinel_does_not_count():
    prediction, target = np.array([[0.9, 0.1], [0.9, 0.9]]), np.array([[1, -1], [1, 1]])
    with pytest.raises(MetricError, match="the target has 1 value other than 0 and 1, the first in row 0"):
        au_f1(prediction, target)
    by_label = au_f1(prediction, target, valid=target >= 0)
    assert (by_label.f1.tolist(), by_label.support.tolist()) == ([1.0, 1.0], [2, 1])
    assert au_f1(prediction, target, valid=(target >= 0).all(1)).support.tolist() == [1, 1]


def test_a_missing_prediction_of_a_unit_raises_an_error():
    with pytest.raises(MetricError, match="the prediction has 1 NaN or infinite value, the first in row 1"):
        au_f1([[0.5], [float("nan")]], [[0], [1]])


def test_errors_in_later_chunks_count_rows_from_the_first_step():
    scores = ActionUnitScores(2)
    scores.add([[0.9, 0.1]] * 3, [[1, 0]] * 3)
    with pytest.raises(MetricError, match="in row 4"):
        scores.add([[0.9, 0.1]] * 2, [[1, 0], [-1, 0]])
    with pytest.raises(MetricError, match="must have 2 action units, got 3"):
        scores.add([[0.9, 0.1, 0.3]], [[1, 0, 1]])
    assert scores.result() == {"f1_macro": 0.5, "accuracy": 1.0}


def test_errors_after_a_merge_count_the_rows_of_both_parts():
    scores, other = ActionUnitScores(1), ActionUnitScores(1)
    scores.add([[0.9]] * 3, [[1]] * 3)
    other.add([[0.9]] * 2, [[1]] * 2)
    scores.merge(other)
    with pytest.raises(MetricError, match="in row 5"):
        scores.add([[0.9]], [[-1]])

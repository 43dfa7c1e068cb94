import numpy as np
import pytest

from avfer.errors import MetricError
from avfer.metrics import ActionUnitScores, accuracy, au_f1, confusion_matrix, f1_macro, f1_per_class, uar, war

TRUTH, TOLD = [0, 0, 1, 1, 2, 3], [0, 1, 1, 1, 2, 2]
NAMES = ["Neutral", "Anger", "Disgust", "Fear"]


@pytest.mark.parametrize(("classes", "expected"), [(4, 0.533333), (8, 0.266667)])
def test_f1_is_divided_by_the_length_of_the_class_list(classes, expected):
    assert round(f1_macro(TOLD, TRUTH, classes), 6) == expected


def test_f1_of_each_class_and_accuracy():
    assert np.round(f1_per_class(TOLD, TRUTH, 4), 6).tolist() == [0.666667, 0.8, 0.666667, 0.0]
    assert round(accuracy(TOLD, TRUTH), 6) == 0.666667
    assert war is accuracy


def test_names_and_indices_give_the_same():
    told, true = [NAMES[i] for i in TOLD], [NAMES[i] for i in TRUTH]
    assert f1_macro(told, true, NAMES) == f1_macro(TOLD, TRUTH, 4)
    assert uar(told, true) == uar(TOLD, TRUTH, 4)


def test_the_order_of_the_list_is_the_order_of_the_matrix():
    told, true = [NAMES[i] for i in TOLD], [NAMES[i] for i in TRUTH]
    forward, backward = confusion_matrix(told, true, NAMES), confusion_matrix(told, true, NAMES[::-1])
    assert forward.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]]
    assert np.array_equal(backward, forward[::-1, ::-1])


def test_uar_is_over_the_classes_that_are_true_somewhere():
    assert uar(TOLD, TRUTH, 8) == pytest.approx((0.5 + 1 + 1 + 0) / 4)
    assert uar([0, 3], [0, 0], 4) == 0.5  # class 3 is told, and never true


@pytest.mark.parametrize(
    ("told", "true", "message"),
    [
        ([0, 1, 2], [0, -1, -1], r"2 labels of the truth .* first \(-1\) at index 1"),
        ([0, 8, 2], [0, 1, 2], r"1 labels of the prediction .* first \(8\) at index 1"),
        ([0, 1], [0, 1, 2], "one length"),
        ([0.5, 1], [0, 1], r"prediction .* first \(0.5\) at index 0"),
    ],
)
def test_labels_outside_the_list_are_refused(told, true, message):
    with pytest.raises(MetricError, match=message):
        f1_macro(told, true, 8)


def test_accuracy_without_a_list_refuses_a_sentinel_too():
    with pytest.raises(MetricError, match="first \\(-1\\) at index 1"):
        accuracy([0, 1], [0, -1])


def test_a_class_that_stands_twice_in_the_list_is_refused():
    with pytest.raises(MetricError, match="twice"):
        f1_macro(["a"], ["a"], ["a", "b", "a"])


@pytest.mark.parametrize("score", [f1_macro, accuracy, uar])
def test_without_a_step_no_class_is_scored(score):
    assert np.isnan(score(np.zeros(0, int), np.zeros(0, int), 8))


def test_units_are_scored_one_by_one_at_a_stated_threshold():
    told = [[0.9, 0.5, 0.1], [0.6, 0.51, 0.2], [0.1, 0.2, 0.3], [0.7, 0.4, 0.4]]
    true = [[1, 1, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0]]
    scores = au_f1(told, true)
    assert scores.f1 == pytest.approx([2 * 2 / (2 * 2 + 1 + 1), 2 / 3, 0.0])  # 0.5 itself is not above 0.5
    assert scores.support.tolist() == [3, 2, 0]
    assert scores.threshold.tolist() == [0.5, 0.5, 0.5]
    assert scores.f1_macro == pytest.approx(scores.f1.mean())
    assert scores.accuracy == pytest.approx(9 / 12)
    assert au_f1(told, true, threshold=[0.5, 0.45, 0.5]).f1[1] == 1.0


def test_a_masked_sentinel_is_no_label():
    told, true = np.array([[0.9, 0.1], [0.9, 0.9]]), np.array([[1, -1], [1, 1]])
    with pytest.raises(MetricError, match="1 truths are neither 0 nor 1, the first in row 0"):
        au_f1(told, true)
    by_label = au_f1(told, true, valid=true >= 0)
    assert (by_label.f1.tolist(), by_label.support.tolist()) == ([1.0, 1.0], [2, 1])
    assert au_f1(told, true, valid=(true >= 0).all(1)).support.tolist() == [1, 1]


def test_a_missing_prediction_of_a_unit_is_refused():
    with pytest.raises(MetricError, match="1 predictions are NaN or infinite, the first in row 1"):
        au_f1([[0.5], [float("nan")]], [[0], [1]])


def test_units_added_in_chunks_tell_rows_from_the_start():
    scores = ActionUnitScores(2)
    scores.add([[0.9, 0.1]] * 3, [[1, 0]] * 3)
    with pytest.raises(MetricError, match="in row 4"):
        scores.add([[0.9, 0.1]] * 2, [[1, 0], [-1, 0]])
    with pytest.raises(MetricError, match="3 action units"):
        scores.add([[0.9, 0.1, 0.3]], [[1, 0, 1]])
    assert scores.result() == {"f1_macro": 0.5, "accuracy": 1.0}

import numpy as np
import pytest

from avfer.errors import MetricError
from avfer.metrics import accuracy, confusion_matrix, f1_macro, f1_per_class, uar, war

TARGET, PREDICTION = [0, 0, 1, 1, 2, 3], [0, 1, 1, 1, 2, 2]
NAMES = ["Neutral", "Anger", "Disgust", "Fear"]


@pytest.mark.parametrize(("classes", "expected"), [(4, 0.533333), (8, 0.266667)])
def test_f1_macro_is_divided_by_the_length_of_the_class_list(classes, expected):
    assert round(f1_macro(PREDICTION, TARGET, classes), 6) == expected


def test_f1_of_each_class_and_accuracy():
    assert np.round(f1_per_class(PREDICTION, TARGET, 4), 6).tolist() == [0.666667, 0.8, 0.666667, 0.0]
    assert round(accuracy(PREDICTION, TARGET), 6) == 0.666667
    assert war is accuracy


def test_names_and_indices_give_the_same_scores():
    prediction, target = [NAMES[i] for i in PREDICTION], [NAMES[i] for i in TARGET]
    assert f1_macro(prediction, target, NAMES) == f1_macro(PREDICTION, TARGET, 4)
    assert uar(prediction, target) == uar(PREDICTION, TARGET, 4)


def test_the_confusion_matrix_follows_the_order_of_the_class_list():
    prediction, target = [NAMES[i] for i in PREDICTION], [NAMES[i] for i in TARGET]
    forward, backward = confusion_matrix(prediction, target, NAMES), confusion_matrix(prediction, target, NAMES[::-1])
    assert forward.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]]
    assert np.array_equal(backward, forward[::-1, ::-1])


def test_uar_averages_the_classes_that_occur_in_the_target():
    assert uar(PREDICTION, TARGET, 8) == pytest.approx((0.5 + 1 + 1 + 0) / 4)
    assert uar([0, 3], [0, 0], 4) == 0.5  # class 3 is predicted but never occurs


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        ([0, 1, 2], [0, -1, -1], r"the target has 2 labels outside .* first \(-1\) at index 1"),
        ([0, 8, 2], [0, 1, 2], r"the prediction has 1 label outside .* first \(8\) at index 1"),
        ([0, 1], [0, 1, 2], "the same length"),
        ([0.5, 1], [0, 1], r"prediction .* first \(0.5\) at index 0"),
        (np.array([0, None, 1], object), [0, 1, 1], r"prediction .* first \(None\) at index 1"),
    ],
)
def test_a_label_outside_the_class_list_raises_an_error(prediction, target, message):
    with pytest.raises(MetricError, match=message):
        f1_macro(prediction, target, 8)


def test_accuracy_without_a_class_list_rejects_a_sentinel():
    with pytest.raises(MetricError, match="first \\(-1\\) at index 1"):
        accuracy([0, 1], [0, -1])


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_name_raises_an_error_with_its_place(missing):
    names = np.array(["joy", missing, "fear"], object)
    for classes in (None, ["fear", "joy"]):
        with pytest.raises(MetricError, match=rf"the target has 1 label outside .* first \({missing}\) at index 1"):
            accuracy(["joy", "joy", "joy"], names, classes)
    assert accuracy(["joy", "joy"], names[::2]) == 0.5


def test_a_class_that_is_listed_twice_raises_an_error():
    with pytest.raises(MetricError, match="every class must be listed once"):
        f1_macro(["a"], ["a"], ["a", "b", "a"])


@pytest.mark.parametrize("score", [f1_macro, accuracy, uar])
def test_class_scores_without_any_step_are_nan(score):
    assert np.isnan(score(np.zeros(0, int), np.zeros(0, int), 8))

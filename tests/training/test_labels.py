"""Labels of examples as tensors: matched by name, masked, and merged over examples."""

import numpy as np
import pytest
import torch

from avfer.datasets.example import Example, Labels
from avfer.losses.affect_labels import AffectLabels
from avfer.training.labels import TargetNames, labels_of, labels_of_all
from avfer.training.training_config import Target

ALL: list[Target] = ["valence_arousal", "expression", "action_units"]
VALID = np.array([True, False, True])
EXAMPLE = Example(
    "anna",
    "train",
    {
        "valence": Labels(np.array([0.5, np.nan, -0.5]), VALID),
        "expression": Labels(np.array([1, -1, 0]), VALID, ("sadness", "happiness")),
        "votes": Labels(
            np.array([[1.0, 9.0], [0.0, 0.0], [8.0, 2.0]]), np.ones((3, 2), bool), ("sadness", "happiness")
        ),
        "action_units": Labels(np.array([[1.0, np.nan, 0.0]]).T, VALID[:, None], ("AU12",)),
    },
)
NAMES = TargetNames(("happiness", "neutral", "sadness"), ("AU01", "AU12"))


def test_classes_and_action_units_are_matched_by_name():
    labels = labels_of(EXAMPLE, ALL, NAMES, votes=True)
    assert labels.expression.tolist() == [0, 0, 2] and labels.expression_valid.tolist() == [True, False, True]
    assert labels.votes.tolist() == [[9, 0, 1], [0, 0, 0], [2, 0, 8]]
    assert labels.action_units[:, 1].tolist() == [1, 0, 0] and not labels.action_units_valid[:, 0].any()


def test_values_that_are_not_valid_are_0():
    labels = labels_of(EXAMPLE, ALL, NAMES)
    assert labels.valence_arousal.tolist() == [[0.5, 0], [0, 0], [-0.5, 0]]
    assert labels.valence_arousal_valid.tolist() == [[True, False], [False, False], [True, False]]
    assert not labels.votes.any(), "votes are optional"


@pytest.mark.parametrize("target", ALL)
def test_only_targets_have_valid_labels(target):
    labels = labels_of(EXAMPLE, [target], NAMES)
    valid = {name: bool(getattr(labels, f"{name}_valid").any()) for name in ALL}
    assert valid == {name: name == target for name in ALL}


def test_a_class_without_a_name_in_the_model_is_not_valid():
    labels = labels_of(EXAMPLE, ["expression"], TargetNames(("sadness",)))
    assert labels.expression_valid.tolist() == [False, False, True]


def test_names_are_collected_once_in_the_order_of_the_examples():
    other = Example("ben", "train", {"expression": Labels(np.array([0]), np.array([True]), ("fear", "sadness"))})
    assert TargetNames.of([EXAMPLE, other], ["expression"]) == TargetNames(("sadness", "happiness", "fear"))


def test_labels_of_all_examples_follow_one_another():
    labels = labels_of_all([EXAMPLE, EXAMPLE], ALL, NAMES)
    assert labels.is_labelled().tolist() == [True, False, True] * 2
    one = labels_of(EXAMPLE, ALL, NAMES)
    assert torch.equal(labels.expression, torch.cat([one.expression, one.expression]))


def test_padded_rows_have_no_label():
    labels = labels_of(EXAMPLE, ALL, NAMES, votes=True).padded(2)
    assert isinstance(labels, AffectLabels) and labels.is_labelled().tolist() == [True, False, True, False, False]

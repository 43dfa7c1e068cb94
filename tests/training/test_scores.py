"""Scores of all targets: the metrics on valid labels, and their mean as the score of an epoch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avfer.errors import MetricError
from avfer.losses.affect_labels import AffectLabels
from avfer.metrics import ccc, f1_macro
from avfer.models.prediction import Prediction
from avfer.training.labels import TargetNames
from avfer.training.scores import TargetScores, mean_of_steps

NAMES = TargetNames(("sadness", "happiness"), ("AU12",))
N = 40


@pytest.fixture
def labels() -> AffectLabels:
    random = torch.Generator().manual_seed(0)
    valid = torch.arange(N) % 4 > 0
    return AffectLabels(
        valence_arousal=torch.rand(N, 2, generator=random) * 2 - 1,
        valence_arousal_valid=valid[:, None].expand(N, 2),
        expression=torch.randint(2, (N,), generator=random),
        expression_valid=valid.roll(1),
        votes=torch.zeros(N, 2),
        action_units=torch.randint(2, (N, 1), generator=random).float(),
        action_units_valid=valid.roll(2)[:, None],
    )


@pytest.fixture
def prediction() -> Prediction:
    random = torch.Generator().manual_seed(1)
    return Prediction(
        expression_logits=torch.randn(N, 2, generator=random),
        valence_arousal=torch.rand(N, 2, generator=random) * 2 - 1,
        action_unit_logits=torch.randn(N, 1, generator=random),
    )


def test_the_score_is_the_mean_over_the_targets(prediction, labels):
    scores = TargetScores(["valence_arousal", "expression", "action_units"], NAMES)
    scores.add(prediction, labels)
    found = scores.result()
    assert list(found) == ["score", "ccc_valence", "ccc_arousal", "f1_macro", "accuracy", "au_f1"]
    mean_ccc = (found["ccc_valence"] + found["ccc_arousal"]) / 2
    assert found["score"] == pytest.approx((mean_ccc + found["f1_macro"] + found["au_f1"]) / 3)


def test_only_valid_labels_count(prediction, labels):
    scores = TargetScores(["valence_arousal", "expression"], NAMES)
    scores.add(prediction, labels)
    found = scores.result()
    valid = labels.valence_arousal_valid[:, 0]
    valence = [x[valid, 0].double().numpy() for x in (prediction.valence_arousal, labels.valence_arousal)]
    assert found["ccc_valence"] == pytest.approx(ccc(*valence))
    classes = [x[labels.expression_valid].numpy() for x in (prediction.expression_logits.argmax(1), labels.expression)]
    assert found["accuracy"] == pytest.approx(np.mean(classes[0] == classes[1]))
    assert found["f1_macro"] == pytest.approx(f1_macro(*classes, classes=2))


def test_predictions_beyond_the_range_of_ratings_count_as_its_ends(prediction, labels):
    beyond = Prediction(valence_arousal=3 * prediction.valence_arousal)
    found = []
    for some in (beyond, Prediction(valence_arousal=beyond.valence_arousal.clamp(-1, 1))):
        scores = TargetScores(["valence_arousal"], NAMES)
        scores.add(some, labels)
        found.append(scores.result())
    assert found[0] == found[1]


def test_parts_give_the_scores_of_the_whole(prediction, labels):
    whole, parts = (TargetScores(["valence_arousal", "action_units"], NAMES) for _ in range(2))
    whole.add(prediction, labels)
    for rows in (slice(0, 7), slice(7, N)):
        parts.add(prediction.map(lambda x, rows=rows: x[rows]), labels.map(lambda x, rows=rows: x[rows]))
    assert parts.result() == pytest.approx(whole.result())


def test_another_score_of_expressions_can_decide(prediction, labels):
    scores = TargetScores(["expression"], NAMES, "uar", ("accuracy", "uar"))
    scores.add(prediction, labels)
    found = scores.result()
    assert list(found) == ["score", "accuracy", "uar"] and found["score"] == found["uar"]


@pytest.mark.parametrize("field", ["valence_arousal", "expression_logits", "action_unit_logits"])
def test_a_non_finite_prediction_is_an_error(prediction, labels, field):
    scores = TargetScores(["valence_arousal", "expression", "action_units"], NAMES)
    broken = getattr(prediction, field).clone()
    broken[7] = torch.nan  # a step whose labels are all valid
    with pytest.raises(MetricError):
        scores.add(replace(prediction, **{field: broken}), labels)


def test_the_mean_over_a_clip_is_that_of_probabilities() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8]])
    units = torch.tensor([[0.9], [0.2], [0.4]])
    steps = Prediction(
        expression_logits=probabilities.log() + 3,
        valence_arousal=torch.tensor([[0.1, 0.2], [0.3, 0.2], [0.2, -0.1]]),
        action_unit_logits=units.logit(),
    )
    for has_input in (np.ones(3, bool), np.zeros(3, bool)):  # all steps count if none has a face or a voice
        mean = mean_of_steps(steps, has_input)
        assert mean.expression_logits is not None and mean.action_unit_logits is not None
        torch.testing.assert_close(mean.expression_logits.softmax(1), torch.tensor([[1.4, 1.6]]) / 3)
        torch.testing.assert_close(mean.action_unit_logits.sigmoid(), torch.tensor([[0.5]]))
        torch.testing.assert_close(mean.valence_arousal, torch.tensor([[0.2, 0.1]]))


def test_steps_without_face_and_voice_do_not_count_in_the_mean_over_a_clip() -> None:
    values = torch.tensor([[0.1, 0.2], [-0.9, -0.9], [0.3, 0.4]])
    mean = mean_of_steps(Prediction(valence_arousal=values), np.array([True, False, True]))
    torch.testing.assert_close(mean.valence_arousal, torch.tensor([[0.2, 0.3]]))


def test_the_mean_over_a_clip_of_a_probability_that_underflows_is_finite() -> None:
    mean = mean_of_steps(Prediction(expression_logits=torch.tensor([[200.0, 0.0], [180.0, 0.0]])), np.ones(2, bool))
    assert mean.expression_logits is not None and mean.expression_logits.isfinite().all()

"""Scores and numbers of steps of a partition: all valid steps, and those with a prediction of their own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avfer.datasets.example import Example, Labels
from avfer.evaluation.evaluation_config import EvalConfig
from avfer.evaluation.tally import (
    ActionUnitTally,
    DimensionTally,
    ExpressionTally,
    KindAccumulator,
    ScoredExample,
    StepCounts,
)
from avfer.metrics import RegressionScores, ccc

NAN = float("nan")
RNG = np.random.default_rng(0)


def scored(
    prediction: Any,
    target: Any,
    valid: Any = None,
    repeated: Any = (),
    delayed: Any = (),
    name: str = "talk",
    step: float | None = None,
    **facts: Any,
) -> ScoredExample:
    """Return predictions and labels of a recording; repeated and delayed: positions of such steps."""
    target = np.asarray(target)
    steps = len(target)
    known = np.ones(steps, bool) if valid is None else np.array(valid, bool)
    of_step = np.broadcast_to(known.reshape(steps, *[1] * (target.ndim - 1)), target.shape).copy()
    labels = {kind: Labels(target, of_step) for kind in ("valence", "action_units")}
    example = Example(name, "dev", labels, **{"frames": np.arange(steps), **facts})
    flags = [np.isin(np.arange(steps), places) for places in (repeated, delayed)]
    return ScoredExample(example, np.asarray(prediction, float), target, known, *flags, step)


def dimension(**options: Any) -> DimensionTally:
    return DimensionTally("valence", EvalConfig(corpus="recola", root=Path(), partition="dev", model="x", **options))


def series(steps: int = 30) -> tuple[np.ndarray, np.ndarray]:
    target = RNG.uniform(-0.9, 0.9, steps)
    return 0.5 * target + RNG.normal(0, 0.2, steps), target


def test_each_valid_step_is_predicted_repeated_or_delayed():
    counts, values = StepCounts(), np.zeros(8)
    recording = scored(values, values, [1, 1, 1, 1, 1, 0, 0, 0], repeated=[1, 2, 3, 5, 6], delayed=[0, 1, 5])
    for _ in range(2):
        counts.add(recording)
    assert counts == StepCounts(recordings=2, annotated=16, valid=10, predicted=2, repeated=4, delayed=4)
    assert recording.predicted.tolist() == [False] * 4 + [True] + [False] * 3


def test_scores_of_predicted_steps_leave_out_those_that_were_filled():
    tally = dimension()
    (one, first), (other, second) = series(), series()
    tally.add(scored(one, first, repeated=[3, 4, 5], delayed=[0, 1], name="a"))
    tally.add(scored(other, second, np.arange(30) < 20, name="b"))
    found, own = tally.scores.result(10), [2, *range(6, 30)]
    assert found.joined["ccc"] == pytest.approx(ccc([*one, *other[:20]], [*first, *second[:20]]))
    assert found.joined_own["ccc"] == pytest.approx(ccc([*one[own], *other[:20]], [*first[own], *second[:20]]))
    by_recording = [ccc(one, first), ccc(other[:20], second[:20])]
    assert [scores["ccc"] for scores in found.recordings.values()] == pytest.approx(by_recording)
    assert found.mean["ccc"] == pytest.approx(np.mean(by_recording))
    assert found.mean_own["ccc"] == pytest.approx((ccc(one[own], first[own]) + by_recording[1]) / 2)
    assert (found.intervals["ccc"].groups, found.mean_intervals["ccc"].groups) == (2, 2)


def test_a_recording_without_a_valid_step_counts_and_has_no_score():
    tally = dimension()
    tally.add(scored(*series(), name="a"))
    tally.add(scored(*series(), np.zeros(30), name="b"))
    found = tally.scores.result(10)
    assert list(found.recordings) == ["a"] and found.steps.recordings == 2 and found.steps.annotated == 60


def test_without_a_prediction_of_its_own_at_any_step_there_is_no_score_of_such_steps():
    tally = dimension()
    tally.add(scored(*series(), repeated=range(30)))
    found = tally.scores.result(10)
    assert found.joined_own == found.mean_own == {} and np.isfinite(found.joined["ccc"])


def test_clips_of_a_single_label_have_no_scores_of_their_own():
    scores = KindAccumulator(RegressionScores)
    for number, (prediction, target) in enumerate(zip(*series(5), strict=True)):
        clip = scored([prediction], [target], name=f"{number}", frames=None)
        scores.add(clip, clip.prediction, clip.target)
    found = scores.result(10)
    assert found.mean == found.mean_own == found.mean_intervals == found.recordings == {}
    assert found.drawn == "pictures" and np.isfinite(found.joined_own["ccc"])


@pytest.mark.parametrize(
    ("subjects", "drawn", "groups"), [(["p1", "p1", "p2"], "subjects", 2), (["p1", "p1", None], "recordings", 3)]
)
def test_subjects_are_drawn_if_every_recording_has_one(subjects, drawn, groups):
    tally = dimension()
    for number, subject in enumerate(subjects):
        tally.add(scored(*series(), name=f"{number}", subject=subject))
    found = tally.scores.result(10)
    assert (found.drawn, found.intervals["ccc"].groups, found.mean_intervals["ccc"].groups) == (drawn, groups, groups)


def test_the_ccc_of_avec_2018_counts_steps_without_a_label():
    prediction, target = series()
    valid = np.arange(30) % 3 > 0
    tally, common = dimension(convention="avec2018"), dimension()
    for one in (tally, common):
        one.add(scored(prediction, target, valid))
    expected = ccc(prediction, np.where(valid, target, NAN), "avec2018", nan="omit")
    assert tally.scores.result(10).joined["ccc"] == pytest.approx(expected)
    assert common.scores.result(10).joined["ccc"] == pytest.approx(ccc(prediction[valid], target[valid]))


def test_predictions_outside_the_range_are_counted_and_lie_in_the_outermost_cells():
    tally = dimension()
    tally.add(scored([-1.5, -1.0, 0.01, 1.0, 1.2, 7.0], [-0.99, -0.99, 0.01, 0.99, 0.99, 0.0], [1, 1, 1, 1, 1, 0]))
    assert tally.outside == 2
    assert (tally.density[0, 0], tally.density[20, 20], tally.density[39, 39]) == (2, 1, 2)
    assert tally.density.sum() == 5


def test_post_processing_keeps_recordings_whose_step_is_known_and_a_moving_mean_all_of_several_steps():
    plain, smoothed, chain = dimension(), dimension(smoothing=5), dimension(post_processing=True)
    for tally in (plain, smoothed, chain):
        tally.add(scored(*series(), step=0.04, name="a"))
        tally.add(scored(*series(), name="b"))
        tally.add(scored([0.1], [0.2], step=0.04, name="c"))
    assert [one.step for one in smoothed.series] == [0.04, 1.0] and smoothed.without_step == ["c"]
    assert [one.step for one in chain.series] == [0.04] and chain.without_step == ["b", "c"]
    assert plain.series == plain.without_step == []
    assert [curve.recording for curve in plain.curves] == ["a", "b"]


@pytest.mark.parametrize(
    ("facts", "step", "last"),
    [
        ({"times": np.arange(1000) / 10}, 0.04, 99.9),
        ({"frames": np.arange(5, 5005, 5)}, 0.2, 200.0),
        ({"frames": np.arange(1000)}, None, 999.0),
        ({"frames": None}, 0.04, 39.96),
    ],
)
def test_a_curve_has_the_times_of_the_labels_and_at_most_400_points(facts, step, last):
    tally, (prediction, target) = dimension(), series(1000)
    tally.add(scored(prediction, target, np.arange(1000) > 0, step=step, **facts))
    curve = tally.curves[0]
    assert len(curve.times) == 400 and curve.times[-1] == pytest.approx(last)
    assert np.isnan(curve.target[0]) and curve.target[-1] == target[-1] and curve.prediction[-1] == prediction[-1]


def test_a_class_without_a_column_is_never_predicted():
    tally = ExpressionTally(("calm", "angry", "sad"))
    tally.add(scored([[0.4, NAN, 0.6], [0.7, NAN, NAN]], np.array([2, 1])))
    assert tally.confusion.counts.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert tally.predicted.tolist() == [True, False, True]


def test_a_unit_without_a_value_counts_as_absent_and_partly_labelled_steps_are_counted():
    tally = ActionUnitTally(("AU01", "AU12"), 0.5)
    target = np.array([[1, 1], [0, 1], [1, 0], [0, 0]])
    recording = scored([[0.9, NAN], [0.2, NAN], [0.9, NAN], [0.9, NAN]], target, [1, 1, 0, 0])
    recording.example.labels["action_units"].valid[2] = [True, False]
    tally.add(recording)
    assert (tally.counts.hits.tolist(), tally.counts.misses.tolist()) == ([1, 0], [0, 2])
    assert tally.predicted.tolist() == [True, False] and tally.mixed == 1

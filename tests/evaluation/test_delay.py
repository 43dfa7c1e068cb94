"""A reaction delay is undone by moving predictions later; the first steps are filled and counted."""

import numpy as np
import pytest

from avfer.errors import MetricError
from avfer.evaluation.post_processing import to_steps, undo_delay
from avfer.metrics import ccc

STEP = 0.04  # s


def make_labels(seed, steps=1500):
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.standard_normal(steps + 50))
    smooth = np.convolve(walk, np.ones(51) / 51, "valid")
    return 0.9 * smooth / np.abs(smooth).max()


def predict_early(labels, shift):
    """The labels, too early by `shift` steps; the last ones are repeated."""
    return np.append(labels[shift:], np.full(shift, labels[-1]))


def test_75_steps_are_3_seconds_at_25_hz():
    assert to_steps(3.0, STEP) == 75


@pytest.mark.parametrize("delay", [0.0, 0.04, 2.0, 3.96])
def test_labels_moved_earlier_are_moved_back(delay):
    labels = make_labels(0, 100)
    shift = round(delay / STEP)
    values, filled = undo_delay(predict_early(labels, shift), delay, STEP)
    assert np.array_equal(values[~filled], labels[~filled])
    assert filled.sum() == shift
    assert np.all(values[filled] == labels[shift])


@pytest.mark.parametrize("delay", [1.0, 2.8, 3.0, 10.0])
def test_perfect_predictions_score_exactly_one_over_the_steps_that_were_not_filled(delay):
    labels = [make_labels(seed) for seed in (0, 1, 2)]
    moved = [undo_delay(predict_early(y, round(delay / STEP)), delay, STEP) for y in labels]
    values, filled = (np.concatenate(parts) for parts in zip(*moved, strict=True))
    joined = np.concatenate(labels)
    assert ccc(values[~filled], joined[~filled]) == 1.0
    assert ccc(values, joined) < 1.0


def test_a_delay_longer_than_the_recording_fills_all_of_it():
    values, filled = undo_delay(np.array([0.1, 0.2]), 10.0, STEP)
    assert (values.tolist(), filled.all()) == ([0.1, 0.1], True)


@pytest.mark.parametrize("delay", [-1.0, float("nan")])
def test_a_negative_delay_raises_an_error(delay):
    with pytest.raises(MetricError, match="delay: must be >= 0 s"):
        undo_delay(np.zeros(3), delay, STEP)

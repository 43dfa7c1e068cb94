"""The search of the reaction delay: it finds known delays, whatever level the features have."""

from dataclasses import replace

import pytest

from avfer.training.sequences import delay_search
from avfer.training.sequences.delay_search import search_delays
from tests.training import toy_recordings as toy


@pytest.mark.parametrize("delay", [0.0, 0.8, 2.0, 2.4])
def test_the_delay_of_the_labels_is_found(delay):
    train, dev = ([toy.recording(i, delay=delay) for i in numbers] for numbers in (range(6), range(6, 9)))
    assert search_delays(train, dev) == pytest.approx((delay, delay), abs=0.2)


def test_a_feature_that_is_constant_in_train_does_not_change_the_delay():
    train, dev = ([toy.recording(i, delay=0.8) for i in numbers] for numbers in (range(6), range(6, 9)))
    for recordings in (train, dev):
        for r in recordings:
            r.inputs.voice[:, 5] = 0
    for r in train:
        r.inputs.voice[:3, 5] = 1e-6
    for r in dev:
        r.inputs.voice[::2, 5] = 1
    assert search_delays(train, dev) == pytest.approx((0.8, 0.8), abs=0.2)


def test_a_constant_offset_of_the_features_does_not_change_the_delay():
    """Predictions of a face that smiles at rest are too high throughout; joined, the offset would hide the timing."""
    train, dev = ([toy.recording(i, delay=2.0) for i in numbers] for numbers in (range(6), range(6, 9)))
    for r, off in zip(dev, (-2.0, 0.0, 2.0), strict=True):
        r.inputs.face[:] += off
        r.inputs.voice[:] += off
    assert search_delays(train, dev) == pytest.approx((2.0, 2.0), abs=0.2)


def test_valence_and_arousal_have_delays_of_their_own():
    """The labels do not depend on the delay: it moves valence in the face, and arousal in the voice."""
    train, dev = ([toy.recording(i, delay=0.8) for i in numbers] for numbers in (range(6), range(6, 9)))
    for number, r in enumerate([*train, *dev]):
        r.inputs.voice[:] = toy.recording(number, delay=2.0).inputs.voice
    assert search_delays(train, dev, (0.0, 0.8, 1.4, 2.0)) == (0.8, 2.0)


def test_a_dimension_without_labels_has_no_delay():
    train, dev = ([toy.recording(i, delay=0.8) for i in numbers] for numbers in (range(6), range(6, 9)))
    for r in dev:
        r.labels.valence_arousal_valid[:, 0] = False
    assert search_delays(train, dev, (0.8, 2.0)) == (0.0, 0.8)


def test_labels_of_whole_clips_do_not_change_the_delay():
    train, dev = ([toy.recording(i, delay=0.8) for i in numbers] for numbers in (range(3), range(3, 5)))
    alone = search_delays(train, dev, (0.0, 0.8))
    whole = [replace(toy.recording(i), whole_clip=True) for i in range(5, 15)]
    assert search_delays([*train, *whole], [*dev, *whole], (0.0, 0.8)) == alone == (0.8, 0.8)
    assert search_delays(whole, whole) == search_delays(whole, dev) == (0.0, 0.0)


def test_a_regression_is_fitted_on_limited_steps(monkeypatch):
    fitted: list[int] = []

    def predict(x, y, x_dev):
        fitted.append(len(x))
        return x_dev[:, 0]

    train, dev = [toy.recording(0)], [toy.recording(1)]
    monkeypatch.setattr(delay_search, "MAX_STEPS", int(0.6 * len(train[0])))
    monkeypatch.setattr(delay_search, "_ridge_prediction", predict)
    search_delays(train, dev, (0.0, 0.4))
    assert max(fitted) <= delay_search.MAX_STEPS

import numpy as np
import pytest

from avfer.errors import MetricError
from avfer.evaluation.delay import GRID, compensate, search, undo
from avfer.evaluation.series import Series, joined_ccc

STEP = 0.04  # s


def truth(seed, steps=1500):
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.standard_normal(steps + 50))
    smooth = np.convolve(walk, np.ones(51) / 51, "valid")
    return 0.9 * smooth / np.abs(smooth).max()


def early(delay, seeds=(0, 1, 2), step=STEP):
    """Recordings whose predictions are the truth, too early by `delay` s; what lies beyond the end is unknown."""
    shift = round(delay / step)
    labels = [truth(seed) for seed in seeds]
    return [Series(np.append(y[shift:], np.full(shift, y[-1])), y, step) for y in labels]


def moved(recordings, delay):
    for recording in recordings:
        values, filled = undo(recording.prediction, delay, recording.step)
        yield recording.predicted(values), filled


def test_75_steps_are_3_seconds_at_25_hz():
    labels, features = np.arange(100.0), np.arange(200).reshape(100, 2)
    kept, targets = compensate(features, labels, 3.0, STEP)
    assert (len(kept), len(targets)) == (25, 25)
    assert targets[0] == 75.0
    assert kept[0].tolist() == [0, 1]


@pytest.mark.parametrize("delay", [0.0, 0.04, 2.0, 3.96])
def test_labels_moved_earlier_come_back_where_they_were(delay):
    labels = truth(0, 100)
    _, targets = compensate(labels, labels, delay, STEP)
    values, filled = undo(np.append(targets, np.zeros(len(labels) - len(targets))), delay, STEP)
    assert np.array_equal(values[~filled], labels[~filled])
    assert filled.sum() == round(delay / STEP)
    assert np.all(values[filled] == targets[0])


@pytest.mark.parametrize("delay", [1.0, 2.8, 3.0, 10.0])
def test_perfect_predictions_score_exactly_one_over_the_steps_that_were_not_filled(delay):
    recordings = list(early(delay))
    done = list(moved(recordings, delay))
    assert joined_ccc([r.masked(filled) for r, filled in done]) == 1.0
    assert joined_ccc([r for r, _ in done]) < 1.0
    assert joined_ccc(recordings) < 1.0


@pytest.mark.parametrize("delay", [0.0, 1.0, 2.8, 3.0])
def test_the_search_finds_the_delay(delay):
    found = search(early(delay))
    assert (found.best, found.score) == (delay, 1.0)
    assert found.grid == GRID
    assert found.scores[found.grid.index(delay)] == max(found.scores)


def test_a_grid_of_its_own_and_another_rate_are_searched_too():
    recordings = early(2.4, step=0.4) + early(2.4, seeds=(5,), step=STEP)
    assert search(recordings, grid=(0.0, 1.2, 2.4, 3.6)).best == 2.4


def test_steps_without_a_label_do_not_count():
    recordings = early(2.0)
    rng = np.random.default_rng(0)
    holes = [r.masked(rng.random(len(r)) < 0.3) for r in recordings]
    assert search(holes).best == 2.0
    assert search(holes).score == 1.0


def test_a_delay_longer_than_the_recording_fills_all_of_it():
    values, filled = undo(np.array([0.1, 0.2]), 10.0, STEP)
    assert (values.tolist(), filled.all()) == ([0.1, 0.1], True)
    features, labels = compensate(np.zeros((2, 3)), np.zeros(2), 10.0, STEP)
    assert (len(features), len(labels)) == (0, 0)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: undo(np.zeros(3), -1.0, STEP), "0 or more"),
        (lambda: compensate(np.zeros(3), np.zeros(4), 1.0, STEP), "3 rows of features and 4 of labels"),
        (lambda: search(early(0.0), grid=()), "no delay to try"),
        (lambda: search([Series(np.zeros(1), np.zeros(1), STEP)]), "too few valid steps"),
        (lambda: Series(np.zeros(2), np.array([0.0, -5.0]), STEP), "sentinels"),
        (lambda: Series(np.array([0.0, np.nan]), np.zeros(2), STEP), "1 steps have no prediction"),
        (lambda: Series(np.zeros(2), np.zeros(2), 0.0), "above 0"),
    ],
)
def test_what_has_no_delay_is_told(call, told):
    with pytest.raises(MetricError, match=told):
        call()

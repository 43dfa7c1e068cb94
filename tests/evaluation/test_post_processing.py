"""Post-processing operations, the fitting of the AVEC chain, and the variants that a report compares."""

from dataclasses import replace

import numpy as np
import pytest

from avfer.errors import MetricError
from avfer.evaluation.chain_fitting import SHIFTS, WINDOWS, fit_chain, score_variants
from avfer.evaluation.evaluation_config import make_config
from avfer.evaluation.post_processing import (
    Centring,
    Chain,
    MedianFilter,
    MovingMean,
    RecordingSeries,
    Scaling,
    TimeShift,
    joined_ccc,
)
from avfer.metrics import ccc

STEP = 0.04  # s


def truth(seed, steps=1000):
    rng = np.random.default_rng(seed)
    walk = np.convolve(np.cumsum(rng.standard_normal(steps + 50)), np.ones(51) / 51, "valid")[:steps]
    walk -= walk.mean()
    return 0.9 * walk / np.abs(walk).max()


def noisy(seeds, gain=0.5, bias=0.2, noise=0.05, delay=0):
    """Recordings predicted too weakly, too high and with noise, `delay` steps too late."""
    found = []
    for seed in seeds:
        y = truth(seed)
        late = y[np.clip(np.arange(len(y)) - delay, 0, None)]
        found.append(
            RecordingSeries(gain * late + bias + noise * np.random.default_rng(seed).standard_normal(len(y)), y, STEP)
        )
    return found


def test_the_median_filter_removes_single_spikes():
    values = np.array([0.1, 0.1, 9.0, 0.1, 0.1, 0.1, -9.0])
    assert MedianFilter(3 * STEP).apply(values, STEP)[:5].tolist() == [0.1] * 5
    assert MedianFilter(STEP).apply(values, STEP).tolist() == values.tolist()


@pytest.mark.parametrize("window", [0.4, 1.0, 20.0])
def test_the_median_filter_repeats_the_values_at_the_ends(window):
    values = truth(0, 300)
    reach = round(window / 2 / STEP)
    held = np.pad(values, reach, mode="edge")
    expected = [np.median(held[i : i + 2 * reach + 1]) for i in range(len(values))]
    assert MedianFilter(window).apply(values, STEP) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        (0.08, [1, 1, 1, 2, 3]),
        (-0.04, [2, 3, 4, 5, 5]),
        (0.0, [1, 2, 3, 4, 5]),
        (9.0, [1, 1, 1, 1, 1]),
        (-9.0, [5, 5, 5, 5, 5]),
    ],
)
def test_a_time_shift_repeats_the_values_at_the_ends(delay, expected):
    assert TimeShift(delay).apply(np.array([1.0, 2, 3, 4, 5]), STEP).tolist() == expected


@pytest.mark.parametrize("reach", [0, 1, 50, 2000])
def test_the_moving_mean_uses_the_part_of_the_window_inside_the_recording(reach):
    values = truth(1, 300) + 0.5
    expected = [values[max(i - reach, 0) : i + reach + 1].mean() for i in range(len(values))]
    assert MovingMean(reach).apply(values, STEP) == pytest.approx(expected, abs=1e-12)


def test_scaling_keeps_the_mean_or_zero():
    values = np.array([1.0, 2.0, 3.0])
    assert Scaling(2.0, about=2.0).apply(values, STEP).tolist() == [0.0, 2.0, 4.0]
    assert Scaling(2.0).apply(values, STEP).tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize(
    "operation", [MedianFilter(1.0), Centring(0.1), Scaling(2.0, 0.1), TimeShift(1.0), MovingMean(3)]
)
def test_operations_accept_an_empty_recording(operation):
    assert len(operation.apply(np.zeros(0), STEP)) == 0
    assert operation.describe()


def test_a_chain_states_its_operations_in_order_and_where_they_were_fitted():
    operations = MedianFilter(1.5), Centring(-0.25), Scaling(1.5, about=0.1), TimeShift(0.4), TimeShift(-2.0)
    assert Chain(operations, "dev").describe() == (
        "median filter, window 1.5 s; centring, offset -0.250000; scaling, factor 1.500000, about the mean 0.100000;"
        " time shift, 0.4 s later; time shift, 2 s earlier (fitted on dev)"
    )
    assert Chain((Scaling(2.0), MovingMean(3))).describe() == (
        "scaling, factor 2.000000, about 0 (AVEC 2018); moving mean, 3 steps on each side"
    )
    assert Chain().describe() == "nothing"


def test_centring_and_scaling_fit_mean_and_deviation_of_the_target():
    recordings = noisy((0, 1), noise=0)
    fitted = fit_chain(recordings, "train", windows=(), shifts=())
    assert [type(operation) for operation in fitted.chain.operations] == [Centring, Scaling]
    assert fitted.chain.operations[1].factor == pytest.approx(2.0)
    assert joined_ccc([fitted.chain.apply_to(r) for r in recordings]) == pytest.approx(1.0, abs=1e-12)


def test_scaling_of_avec_2018_is_about_zero():
    recordings = noisy((0, 1), noise=0)
    scaling = fit_chain(recordings, "train", "avec2018", windows=(), shifts=()).chain.operations[1]
    assert isinstance(scaling, Scaling)
    assert scaling.about is None
    assert "AVEC 2018" in scaling.describe()
    assert "about the mean" in fit_chain(recordings, "train", windows=(), shifts=()).chain.operations[1].describe()


@pytest.mark.parametrize("delay", [0, 25, 50])
def test_the_fitted_time_shift_undoes_a_late_prediction(delay):
    # The signal changes fast: in a slow one the repeated ends cost more than a shift that is slightly too small.
    noise = np.random.default_rng(0).standard_normal(3024)
    signal = np.convolve(noise, np.ones(25) / 25, "valid")
    recordings = [RecordingSeries(signal[np.maximum(np.arange(3000) - delay, 0)], signal, STEP)]
    kept = fit_chain(recordings, "train", windows=()).chain.operations
    shifts = [operation.delay for operation in kept if isinstance(operation, TimeShift)]
    assert shifts == ([-delay * STEP] if delay else [])


def test_an_operation_that_does_not_raise_the_ccc_is_left_out():
    perfect = [RecordingSeries(truth(s), truth(s), STEP) for s in (0, 1)]
    fitted = fit_chain(perfect, "train")
    assert fitted.chain.operations == ()
    assert [trial.kept for trial in fitted.trials] == [False] * 4
    assert all(trial.describe().endswith("left out") for trial in fitted.trials)


def test_each_kept_operation_raises_the_ccc():
    fitted = fit_chain(noisy((0, 1, 2), delay=20), "train")
    assert [trial.kept for trial in fitted.trials] == [True] * 4
    now = [trial.before for trial in fitted.trials] + [fitted.trials[-1].after]
    assert now == sorted(now)
    assert now[0] == joined_ccc(noisy((0, 1, 2), delay=20))


def test_parameters_are_frozen_on_another_partition():
    chain = fit_chain(noisy((0, 1)), "train").chain
    other = noisy((7,), bias=-0.9)[0]
    expected = other.prediction
    for operation in chain.operations:
        expected = operation.apply(expected, STEP)
    assert np.array_equal(chain.apply_to(other).prediction, expected)
    assert "fitted on train" in chain.describe()
    assert f"offset {chain.operations[1].offset:.6f}" in chain.describe()


def test_post_processing_works_on_each_recording_by_itself():
    recordings = noisy((2, 3, 4))
    config = configured(smoothing=5)
    smoothing = Chain((MovingMean(5),))
    _, smoothed = score_variants(config, recordings, lambda partition: [])
    alone = [ccc(smoothing.apply(r.prediction, STEP), r.target) for r in recordings]
    assert smoothed.mean == np.mean(alone)


def test_steps_without_a_label_are_filtered_and_not_scored():
    recording = noisy((0,))[0]
    wild = np.where(np.arange(1000) < 200, 5.0, recording.prediction)
    unlabelled = np.where(np.arange(1000) < 200, np.nan, recording.target)
    holes = replace(recording, prediction=wild, target=unlabelled)
    fitted = fit_chain([holes], "train", windows=(), shifts=())
    expected = wild[200:].mean() - recording.target[200:].mean()
    assert fitted.chain.operations[0].offset == pytest.approx(expected)
    assert len(fitted.chain.apply_to(holes).prediction) == 1000


def configured(partition="dev", **keys):
    given = {"corpus": "recola", "root": ".", "partition": partition, "predictions": "."}
    return make_config(given | keys, "a test")


def test_a_report_has_raw_and_both_fits_and_marks_the_optimistic_one():
    parts = {"train": noisy((0, 1), bias=0.1), "dev": noisy((2, 3), bias=0.3)}
    raw, train, dev = score_variants(configured(post_processing=True), parts["dev"], parts.__getitem__)
    assert [v.name for v in (raw, train, dev)] == ["raw", "fitted on train", "fitted on dev (optimistic)"]
    assert [v.optimistic for v in (raw, train, dev)] == [False, False, True]
    assert raw.joined == joined_ccc(parts["dev"])
    assert raw.mean == np.mean([ccc(r.prediction, r.target) for r in parts["dev"]])
    assert dev.joined > train.joined > raw.joined
    chain = fit_chain(parts["train"], "train").chain
    assert train.joined == joined_ccc([chain.apply_to(r) for r in parts["dev"]])
    assert train.chain == chain.describe()


def test_a_chain_fitted_on_dev_is_not_optimistic_on_test():
    parts = {"train": [], "dev": noisy((2, 3)), "test": noisy((4, 5))}
    found = score_variants(configured("test", post_processing=True), parts["test"], parts.__getitem__)
    assert [(v.name, v.optimistic) for v in found] == [("raw", False), ("fitted on dev", False)]


def test_nothing_is_compared_unless_post_processing_is_requested():
    assert score_variants(configured(), noisy((0,)), lambda partition: []) == ()


@pytest.mark.parametrize(
    ("prediction", "target", "step", "message"),
    [
        (np.zeros(2), np.array([0.0, -5.0]), STEP, "sentinels"),
        (np.array([0.0, np.nan]), np.zeros(2), STEP, "1 step has no prediction"),
        (np.zeros(2), np.zeros(2), 0.0, "step: must be > 0 s"),
    ],
)
def test_an_invalid_series_raises_an_error(prediction, target, step, message):
    with pytest.raises(MetricError, match=message):
        RecordingSeries(prediction, target, step)


def test_a_constant_prediction_is_not_scaled_and_stays_finite():
    recordings = [RecordingSeries(np.full(100, 0.1), truth(0, 100), STEP)]
    fitted = fit_chain(recordings, "train")
    assert fitted.chain.operations == ()
    other = noisy((3,))[0]
    constant = Chain((MedianFilter(1.0), Centring(0.2), Scaling(3.0, 0.1), TimeShift(1.0)))
    for chain in (fitted.chain, fit_chain([other], "train").chain, constant):
        assert np.isfinite(chain.apply_to(recordings[0]).prediction).all()


def test_the_grids_cover_the_ranges_of_the_avec_chain():
    assert (WINDOWS[0], WINDOWS[-1]) == (0.4, 20.0)
    assert (min(SHIFTS), max(SHIFTS), SHIFTS[0]) == (-10.0, 10.0, 0.0)


def test_an_unknown_scaling_raises_an_error():
    with pytest.raises(MetricError, match="must be 'about_mean' or 'avec2018', got 'mean'"):
        fit_chain(noisy((0,)), "train", "mean")

import numpy as np
import pytest

from avfer.errors import MetricError
from avfer.evaluation.fit import SHIFTS, WINDOWS, fit_chain, variants
from avfer.evaluation.post_processing import Centring, Chain, MedianFilter, MovingMean, Scaling, TimeShift
from avfer.evaluation.series import Series, joined_ccc, mean_ccc

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
        found.append(Series(gain * late + bias + noise * np.random.default_rng(seed).standard_normal(len(y)), y, STEP))
    return found


def test_the_median_takes_single_spikes_out():
    values = np.array([0.1, 0.1, 9.0, 0.1, 0.1, 0.1, -9.0])
    assert MedianFilter(3 * STEP).apply(values, STEP)[:5].tolist() == [0.1] * 5
    assert MedianFilter(STEP).apply(values, STEP).tolist() == values.tolist()


@pytest.mark.parametrize("window", [0.4, 1.0, 20.0])
def test_the_median_holds_the_ends(window):
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
def test_a_shift_delays_and_holds_the_ends(delay, expected):
    assert TimeShift(delay).apply(np.array([1.0, 2, 3, 4, 5]), STEP).tolist() == expected


@pytest.mark.parametrize("reach", [0, 1, 50, 2000])
def test_the_moving_mean_is_over_what_is_there(reach):
    values = truth(1, 300) + 0.5
    expected = [values[max(i - reach, 0) : i + reach + 1].mean() for i in range(len(values))]
    assert MovingMean(reach).apply(values, STEP) == pytest.approx(expected, abs=1e-12)


def test_scaling_keeps_the_mean_or_zero():
    values = np.array([1.0, 2.0, 3.0])
    assert Scaling(2.0, about=2.0).apply(values, STEP).tolist() == [0.0, 2.0, 4.0]
    assert Scaling(2.0).apply(values, STEP).tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize("step", [MedianFilter(1.0), Centring(0.1), Scaling(2.0, 0.1), TimeShift(1.0), MovingMean(3)])
def test_no_step_needs_a_value(step):
    assert len(step.apply(np.zeros(0), STEP)) == 0
    assert step.told()


def test_centring_and_scaling_bring_mean_and_spread_to_the_truth():
    recordings = noisy((0, 1), noise=0)
    fitted = fit_chain(recordings, "train", windows=(), shifts=())
    assert [type(step) for step in fitted.chain.steps] == [Centring, Scaling]
    assert fitted.chain.steps[1].factor == pytest.approx(2.0)
    assert joined_ccc([fitted.chain.to(r) for r in recordings]) == pytest.approx(1.0, abs=1e-12)


def test_the_variant_of_avec_2018_scales_the_values_as_they_are():
    recordings = noisy((0, 1), noise=0)
    scaling = fit_chain(recordings, "train", "avec2018", windows=(), shifts=()).chain.steps[1]
    assert isinstance(scaling, Scaling)
    assert scaling.about is None
    assert "AVEC 2018" in scaling.told()
    assert "about the mean" in fit_chain(recordings, "train", windows=(), shifts=()).chain.steps[1].told()


@pytest.mark.parametrize("delay", [0, 25, 50])
def test_the_time_shift_undoes_a_late_prediction(delay):
    # The signal is lively: where it hardly moves, the held ends cost more than a shift that is a little too small.
    noise = np.random.default_rng(0).standard_normal(3024)
    lively = np.convolve(noise, np.ones(25) / 25, "valid")
    recordings = [Series(lively[np.maximum(np.arange(3000) - delay, 0)], lively, STEP)]
    kept = fit_chain(recordings, "train", windows=()).chain.steps
    shifts = [step.delay for step in kept if isinstance(step, TimeShift)]
    assert shifts == ([-delay * STEP] if delay else [])


def test_a_step_that_does_not_raise_the_ccc_is_left_out():
    perfect = [Series(truth(s), truth(s), STEP) for s in (0, 1)]
    fitted = fit_chain(perfect, "train")
    assert fitted.chain.steps == ()
    assert [trial.kept for trial in fitted.trials] == [False] * 4
    assert all(trial.told().endswith("left out") for trial in fitted.trials)


def test_each_kept_step_raises_the_ccc_it_was_given():
    fitted = fit_chain(noisy((0, 1, 2), delay=20), "train")
    assert [trial.kept for trial in fitted.trials] == [True] * 4
    now = [trial.before for trial in fitted.trials] + [fitted.trials[-1].after]
    assert now == sorted(now)
    assert now[0] == joined_ccc(noisy((0, 1, 2), delay=20))


def test_parameters_are_frozen_on_another_partition():
    chain = fit_chain(noisy((0, 1)), "train").chain
    other = noisy((7,), bias=-0.9)[0]
    expected = other.prediction
    for step in chain.steps:
        expected = step.apply(expected, STEP)
    assert np.array_equal(chain.to(other).prediction, expected)
    assert "fitted on train" in chain.told()
    assert f"offset {chain.steps[1].offset:.6f}" in chain.told()


def test_nothing_reaches_across_recordings():
    chain = Chain((MedianFilter(1.0), TimeShift(0.4), MovingMean(5)))
    alone = chain.to(noisy((3,))[0]).prediction
    among = variants({"dev": noisy((2, 3, 4))}, "dev")[0].recordings[1]
    assert np.array_equal(chain.to(among).prediction, alone)


def test_steps_without_a_label_are_filtered_and_not_scored():
    recording = noisy((0,))[0]
    wild = np.where(np.arange(1000) < 200, 5.0, recording.prediction)
    holes = recording.predicted(wild).masked(np.arange(1000) < 200)
    fitted = fit_chain([holes], "train", windows=(), shifts=())
    expected = wild[200:].mean() - recording.target[200:].mean()
    assert fitted.chain.steps[0].offset == pytest.approx(expected)
    assert len(fitted.chain.to(holes)) == 1000


def test_the_report_has_raw_and_both_fits_and_marks_the_optimistic_one():
    parts = {"train": noisy((0, 1), bias=0.1), "dev": noisy((2, 3), bias=0.3)}
    raw, train, dev = variants(parts, "dev")
    assert [v.name for v in (raw, train, dev)] == ["raw", "fitted on train", "fitted on dev (optimistic)"]
    assert [v.optimistic for v in (raw, train, dev)] == [False, False, True]
    assert raw.joined == joined_ccc(parts["dev"])
    assert raw.mean == mean_ccc(parts["dev"])
    assert dev.joined > train.joined > raw.joined
    assert train.joined == joined_ccc([train.chain.to(r) for r in parts["dev"]])


def test_a_chain_fitted_on_dev_is_not_optimistic_on_test():
    parts = {"dev": noisy((2, 3)), "test": noisy((4, 5))}
    assert [v.name for v in variants(parts, "test")] == ["raw", "fitted on dev"]


def test_a_constant_prediction_is_not_scaled_and_stays_finite():
    recordings = [Series(np.full(100, 0.1), truth(0, 100), STEP)]
    fitted = fit_chain(recordings, "train")
    assert fitted.chain.steps == ()
    other = noisy((3,))[0]
    constant = Chain((MedianFilter(1.0), Centring(0.2), Scaling(3.0, 0.1), TimeShift(1.0)))
    for chain in (fitted.chain, fit_chain([other], "train").chain, constant):
        assert np.isfinite(chain.to(recordings[0]).prediction).all()


def test_the_grids_are_those_of_the_chain():
    assert (WINDOWS[0], WINDOWS[-1]) == (0.4, 20.0)
    assert (min(SHIFTS), max(SHIFTS), SHIFTS[0]) == (-10.0, 10.0, 0.0)


def test_an_unknown_scaling_is_told():
    with pytest.raises(MetricError, match="'about_mean' or 'avec2018', not 'mean'"):
        fit_chain(noisy((0,)), "train", "mean")

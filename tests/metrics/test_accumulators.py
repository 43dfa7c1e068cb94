import time
import tracemalloc

import numpy as np
import pytest

from avfer.errors import AvferWarning, MetricError
from avfer.metrics import ActionUnitScores, ByRecording, ClassScores, RegressionScores, au_f1, bootstrap_mean, ccc
from avfer.metrics.bootstrap import bootstrap


def chunk(number, size=100_000):
    rng = np.random.default_rng(number)
    truth = np.tanh(rng.standard_normal(size) + 0.3)
    return (0.6 * truth + 0.1 + 0.2 * rng.standard_normal(size)), truth


def recordings(count=9, steps=200):
    rng = np.random.default_rng(0)
    for number in range(count):
        truth = np.tanh(rng.standard_normal(steps) + rng.normal())
        yield f"dev_{number + 1}", 0.5 * truth + 0.3 * rng.standard_normal(steps), truth


def filled(convention="population"):
    scores = ByRecording(lambda: RegressionScores(convention))
    for name, prediction, truth in recordings():
        scores.add(name, prediction, truth)
    return scores


def test_one_pass_over_ten_million_frames_in_constant_memory_equals_two_passes():
    scores = RegressionScores()
    tracemalloc.start()
    for number in range(100):
        scores.add(*chunk(number))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16e6  # one chunk is 1.6 MB
    assert scores.summary.moments.steps == 10_000_000
    x, y = (np.concatenate(side) for side in zip(*(chunk(number) for number in range(100)), strict=True))
    two_pass = 2 * np.mean((x - x.mean()) * (y - y.mean())) / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert scores.result()["ccc"] == pytest.approx(two_pass, abs=1e-12)


def test_a_large_offset_does_not_lower_the_precision():
    rng = np.random.default_rng(1)
    x, y = 1e6 + rng.standard_normal(10_000), 1e6 + rng.standard_normal(10_000)
    scores = RegressionScores(limits=None)
    for part in range(0, 10_000, 37):
        scores.add(x[part : part + 37], y[part : part + 37])
    assert scores.result()["ccc"] == pytest.approx(ccc(x - 1e6, y - 1e6, limits=None), abs=1e-9)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_equal_series_score_exactly_one_in_any_chunks(size):
    truth = chunk(0, 1000)[1]
    scores = RegressionScores()
    for start in range(0, 1000, size):
        scores.add(truth[start : start + size], truth[start : start + size])
    assert scores.result() == {"ccc": 1.0, "pcc": 1.0, "rmse": 0.0, "mae": 0.0, "sagr": 1.0}


def test_a_constant_stays_constant_through_merges():
    scores = RegressionScores()
    for size in (1, 2, 7):
        scores.add(np.full(size, 0.1), np.full(size, 0.1))
    with pytest.warns(AvferWarning, match="same constant"):
        assert np.isnan(scores.result()["ccc"])


def test_an_error_in_a_later_chunk_reports_the_index_from_the_first_step():
    scores = RegressionScores()
    scores.add(*chunk(0, 100))
    with pytest.raises(MetricError, match=r"\(-5\) at index 102"):
        scores.add([0.1, 0.1, 0.1], [0.1, 0.1, -5])


def test_merged_workers_equal_a_single_worker():
    one, left, right = RegressionScores(), RegressionScores(), RegressionScores()
    for number in range(6):
        one.add(*chunk(number, 500))
        (left if number < 2 else right).add(*chunk(number, 500))
    left.merge(right)
    assert left.result() == pytest.approx(one.result(), abs=1e-12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (RegressionScores(), RegressionScores("sample")),
        (ClassScores(7), ClassScores(8)),
        (ClassScores(["a", "b"]), ClassScores(["b", "a"])),
        (ActionUnitScores(12), ActionUnitScores(12, threshold=0.4)),
        (ActionUnitScores(12), ActionUnitScores(8)),
    ],
)
def test_scores_of_different_rules_cannot_be_merged(one, other):
    with pytest.raises(MetricError, match="cannot be merged"):
        one.merge(other)


def test_an_unknown_convention_raises_an_error_before_the_first_step():
    with pytest.raises(MetricError, match="unknown convention of the CCC 'smaple'"):
        RegressionScores("smaple")


def test_classes_and_units_are_given_by_name_or_by_number():
    by_name, by_number = ClassScores(["calm", "angry"]), ClassScores(2)
    by_name.add(["calm", "angry", "angry"], ["calm", "calm", "angry"])
    by_number.add([0, 1, 1], [0, 0, 1])
    assert by_name.result() == by_number.result()
    named, numbered = ActionUnitScores(["au01", "au12"]), ActionUnitScores(2)
    for units in (named, numbered):
        units.add([[0.9, 0.1], [0.2, 0.8]], [[1, 1], [0, 1]])
    assert named.result() == numbered.result()


def test_classes_and_units_add_up_over_chunks():
    rng = np.random.default_rng(0)
    predicted, true = rng.integers(0, 8, (2, 100))
    whole, parts, rest = ClassScores(8), ClassScores(8), ClassScores(8)
    whole.add(predicted, true)
    parts.add(predicted[:30], true[:30])
    rest.add(predicted[30:], true[30:])
    parts.merge(rest)
    assert parts.result() == whole.result()
    likely, occurs = rng.random((100, 12)), rng.integers(0, 2, (100, 12))
    units, more = ActionUnitScores(12), ActionUnitScores(12)
    units.add(likely[:40], occurs[:40])
    more.add(likely[40:], occurs[40:])
    units.merge(more)
    assert units.result()["f1_macro"] == pytest.approx(au_f1(likely, occurs).f1_macro)
    assert units.summary.support.tolist() == au_f1(likely, occurs).support.tolist()


def test_joined_score_and_mean_of_recordings_differ():
    scores = ByRecording(RegressionScores)
    scores.add("a", [0, 0.1, 0.2], [0.1, 0.2, 0.3])
    scores.add("b", [0.6, 0.5, 0.7], [0.4, 0.4, 0.5])
    assert {name: round(values["ccc"], 6) for name, values in scores.results().items()} == {
        "a": 0.571429,
        "b": 0.181818,
    }
    assert round(scores.mean()["ccc"], 6) == 0.376623
    assert round(scores.joined()["ccc"], 6) == 0.773585


def test_a_recording_whose_ccc_is_nan_does_not_count_in_the_mean():
    scores = ByRecording(RegressionScores)
    scores.add("a", [0, 0.1, 0.2], [0.1, 0.2, 0.3])
    scores.add("b", [0.1], [0.1])
    assert round(scores.mean()["ccc"], 6) == 0.571429
    assert ByRecording(RegressionScores).mean() == {}


def test_the_mean_of_a_score_that_no_recording_has_is_nan():
    scores = ByRecording(RegressionScores)
    for name in "ab":
        scores.add(name, [0.1], [0.1])
    assert np.isnan(scores.mean()["ccc"]) and scores.mean()["rmse"] == 0.0


def test_recordings_merge_by_name():
    one, other = ByRecording(RegressionScores), ByRecording(RegressionScores)
    for number, (name, prediction, truth) in enumerate(recordings()):
        one.add(name, prediction[:50], truth[:50])
        (other if number % 2 else one).add(name, prediction[50:], truth[50:])
    one.merge(other)
    assert one.joined() == pytest.approx(filled().joined(), abs=1e-12)
    assert one.mean() == pytest.approx(filled().mean(), abs=1e-12)


@pytest.mark.parametrize("convention", ["population", "sample", "avec2018"])
def test_the_interval_is_the_quantiles_of_resampled_recordings(convention):
    data = list(recordings())
    rng = np.random.default_rng(7)
    drawn = []
    for choice in rng.integers(len(data), size=(200, len(data))):
        x, y = (np.concatenate([data[i][side] for i in choice]) for side in (1, 2))
        drawn.append(ccc(x, y, convention))
    interval = filled(convention).intervals(draws=200, seed=7)["ccc"]
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=1e-12)
    assert (interval.level, interval.draws, interval.groups) == (0.95, 200, 9)


def test_the_interval_contains_the_score_and_depends_on_the_seed():
    scores = filled()
    first, second, other = (scores.intervals(seed=seed) for seed in (0, 0, 1))
    assert first == second != other
    assert all(i.low <= scores.joined()[name] <= i.high for name, i in first.items())
    assert scores.intervals(level=0.5)["ccc"].low > first["ccc"].low


def test_recordings_of_one_subject_are_drawn_together():
    scores = filled()
    groups = {name: f"subject {number // 3}" for number, name in enumerate(scores.parts)}
    interval = scores.intervals(groups)["ccc"]
    assert interval.groups == 3
    assert interval != scores.intervals()["ccc"]
    mean = scores.mean_intervals(groups)["ccc"]
    assert mean.groups == 3 and mean != scores.mean_intervals()["ccc"]


def test_the_interval_of_one_recording_is_nan():
    scores = ByRecording(lambda: ClassScores(3))
    scores.add("a", [0, 1, 2], [0, 1, 1])
    assert np.isnan(scores.intervals()["f1_macro"].low)
    scores.add("b", [0, 1, 2], [0, 1, 1])
    assert scores.intervals()["f1_macro"].low == pytest.approx(scores.joined()["f1_macro"])
    with pytest.raises(MetricError, match="at least one recording"):
        bootstrap([], lambda summary: {})


def test_the_interval_of_a_mean_draws_recordings():
    values = np.array([0.1, 0.5, np.nan, 0.3])
    interval = bootstrap_mean(values, draws=500, seed=3)
    chosen = values[np.random.default_rng(3).integers(4, size=(500, 4))]
    means = np.array([np.nanmean(row) for row in chosen if np.isfinite(row).any()])
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    assert filled().mean_intervals()["ccc"].groups == 9


def test_the_interval_of_a_mean_draws_subjects_with_all_their_recordings():
    values, subjects = np.array([0.1, 0.5, np.nan, 0.3, 0.9]), ["b", "b", "a", "c", "a"]
    interval = bootstrap_mean(values, draws=500, seed=3, groups=subjects)
    own = [values[[name == subject for name in subjects]] for subject in ("b", "a", "c")]
    means = [
        np.nanmean(np.concatenate([own[i] for i in row])) for row in np.random.default_rng(3).integers(3, size=(500, 3))
    ]
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    assert interval.groups == 3
    with pytest.raises(MetricError, match="groups: must name one group for each of 5 recordings, got 2"):
        bootstrap_mean(values, groups=["a", "b"])


def test_a_thousand_draws_over_many_recordings_take_seconds():
    scores = ByRecording(RegressionScores)
    for number in range(356):
        scores.add(f"{number}", *chunk(number, 50))
    for part in scores.parts.values():  # as if each had 30 000 frames
        for _ in range(10):
            part.merge(part)
    start = time.process_time()
    scores.intervals(draws=1000)
    assert time.process_time() - start < 2.0

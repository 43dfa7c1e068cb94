"""The metrics agree with SciPy, scikit-learn, audmetric and torchmetrics on random input (test extras)."""

import numpy as np
import pytest

from avfer.metrics import (
    accuracy,
    au_f1,
    ccc,
    cohen_kappa,
    confusion_matrix,
    f1_macro,
    f1_per_class,
    mae,
    pcc,
    rmse,
    uar,
)

SIZES = [2, 5, 100, 7501]


def pair(n):
    rng = np.random.default_rng(n)
    truth = np.tanh(rng.standard_normal(n))
    return 0.6 * truth + 0.2 + 0.3 * rng.standard_normal(n), truth


def classes(n):
    rng = np.random.default_rng(n)
    truth = rng.integers(0, 6, n)  # two of the eight are never true
    return np.where(rng.random(n) < 0.5, truth, rng.integers(0, 7, n)), truth


def package(name):
    return pytest.importorskip(name, reason=f"{name} is not installed: it comes with the test extras")


@pytest.mark.parametrize("n", SIZES)
def test_correlation_agrees_with_scipy(n):
    stats = package("scipy.stats")
    assert pcc(*pair(n)) == pytest.approx(stats.pearsonr(*pair(n)).statistic, abs=1e-12)


@pytest.mark.parametrize("n", SIZES)
def test_errors_agree_with_scikit_learn(n):
    metrics = package("sklearn.metrics")
    x, y = pair(n)
    assert rmse(x, y) == pytest.approx(np.sqrt(metrics.mean_squared_error(y, x)), abs=1e-12)
    assert mae(x, y) == pytest.approx(metrics.mean_absolute_error(y, x), abs=1e-12)


@pytest.mark.parametrize("n", [5, 100, 7501])
def test_classes_agree_with_scikit_learn(n):
    metrics = package("sklearn.metrics")
    predicted, true = classes(n)
    given = {"labels": range(8), "zero_division": 0}
    assert f1_macro(predicted, true, 8) == pytest.approx(metrics.f1_score(true, predicted, average="macro", **given))
    assert f1_per_class(predicted, true, 8) == pytest.approx(metrics.f1_score(true, predicted, average=None, **given))
    assert accuracy(predicted, true) == pytest.approx(metrics.accuracy_score(true, predicted))
    present = metrics.recall_score(true, predicted, labels=np.unique(true), average="macro", zero_division=0)
    assert uar(predicted, true, 8) == uar(predicted, true) == pytest.approx(present)
    assert np.array_equal(
        confusion_matrix(predicted, true, 8), metrics.confusion_matrix(true, predicted, labels=range(8))
    )


def test_action_units_agree_with_scikit_learn():
    metrics = package("sklearn.metrics")
    rng = np.random.default_rng(0)
    likely, occurs = rng.random((500, 12)), rng.integers(0, 2, (500, 12))
    occurs[:, 3] = 0
    likely[:, 3] = 0.1
    expected = [metrics.f1_score(occurs[:, a], likely[:, a] > 0.5, zero_division=0) for a in range(12)]
    assert au_f1(likely, occurs).f1 == pytest.approx(expected)


@pytest.mark.parametrize("n", SIZES)
def test_population_ccc_agrees_with_audmetric(n):
    audmetric = package("audmetric")
    x, y = pair(n)
    assert ccc(x, y) == pytest.approx(audmetric.concordance_cc(y, x), abs=1e-12)
    x[:: n // 2] = np.nan
    if n > 2:
        assert ccc(x, y, nan="omit") == pytest.approx(audmetric.concordance_cc(y, x, ignore_nan=True), abs=1e-12)


@pytest.mark.parametrize("n", [100, 7501])
def test_recall_and_f1_agree_with_audmetric(n):
    audmetric = package("audmetric")
    predicted, true = classes(n)
    present = sorted(set(true.tolist()))
    assert f1_macro(predicted, true, 8) == pytest.approx(
        audmetric.unweighted_average_fscore(true, predicted, labels=list(range(8)), zero_division=0)
    )
    of_class = audmetric.recall_per_class(true, predicted, labels=list(range(8)))
    assert uar(predicted, true) == pytest.approx(np.mean([of_class[name] for name in present]))


@pytest.mark.parametrize("n", SIZES)
def test_sample_ccc_agrees_with_torchmetrics(n):
    functional = package("torchmetrics.functional.regression")
    import torch

    x, y = pair(n)
    theirs = functional.concordance_corrcoef(torch.from_numpy(x), torch.from_numpy(y))
    assert ccc(x, y, "sample") == pytest.approx(float(theirs), abs=1e-9)
    if n < 1000:
        assert ccc(x, y) != pytest.approx(float(theirs), abs=1e-7)


@pytest.mark.parametrize("n", SIZES)
def test_kappa_agrees_with_scikit_learn(n):
    metrics = package("sklearn.metrics")
    assert cohen_kappa(*classes(n)) == pytest.approx(metrics.cohen_kappa_score(*classes(n)), abs=1e-12)

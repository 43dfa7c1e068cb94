import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avfer.errors import AvferWarning, MetricError
from avfer.metrics import CONVENTIONS, RegressionScores, ccc

ROOT = Path(__file__).parents[2]
NAN = float("nan")
VECTORS = [  # prediction, truth, printed digits, population, sample, avec2018
    ([0, 0.1, 0.2, 0.4, 0.3], [0.1, 0.1, 0.3, 0.5, 0.2], 9, (0.818181818, 0.824175824, 0.659340659)),
    ([0, 0, 1, 1], [0.5, 0.5, 1.5, 1.5], 9, (0.666666667, 0.727272727, 0.545454545)),
    ([2.5, 0, 2, 8], [3, -0.5, 2, 7], 6, (0.976789, 0.977735, 0.733301)),
]
series = st.integers(2, 40).flatmap(
    lambda n: st.tuples(*[arrays(np.float64, n, elements=st.floats(-1, 1, width=32)) for _ in range(2)])
)


def by_the_definition(x, y, convention):
    """CCC by the definition of each convention, with NumPy's means."""
    apart = (np.nanmean(x) - np.nanmean(y)) ** 2
    cov = np.nanmean((x - np.nanmean(x)) * (y - np.nanmean(y)))
    n = len(x)
    if convention == "sample":
        return 2 * cov * n / (n - 1) / (np.var(x, ddof=1) + np.var(y, ddof=1) + apart)
    if convention == "avec2018":
        spread = (np.nansum((x - np.nanmean(x)) ** 2) + np.nansum((y - np.nanmean(y)) ** 2)) / (n - 1)
        return 2 * cov / (spread + apart)
    return 2 * cov / (np.var(x) + np.var(y) + apart)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(("x", "y", "digits", "values"), VECTORS)
def test_reference_vectors_have_their_published_values(x, y, digits, values, convention):
    expected = values[CONVENTIONS.index(convention)]
    assert round(ccc(x, y, convention, limits=None), digits) == expected
    assert round(ccc(y, x, convention, limits=None), digits) == expected


@pytest.mark.parametrize("convention", CONVENTIONS)
@given(pair=series)
def test_ccc_equals_its_definition(convention, pair):
    x, y = pair
    # Spreads as small as rounding itself leave nothing to compare.
    assume(np.var(x) > 1e-12 and np.var(y) > 1e-12)
    assert ccc(x, y, convention) == pytest.approx(by_the_definition(x, y, convention), abs=1e-9)


@given(pair=series)
def test_ccc_is_symmetric_and_within_one(pair):
    x, y = pair
    assume(not (np.ptp(x) == 0 and np.ptp(y) == 0))
    value = ccc(x, y)
    assume(not np.isnan(value))  # spreads whose squares are too small for a float
    assert abs(value) <= 1 + 1e-12
    assert value == pytest.approx(ccc(y, x), abs=1e-12)
    assert ccc(-x, -y) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("convention", ["population", "sample"])
@pytest.mark.parametrize("n", [2, 3, 7, 250, 7501])
def test_a_perfect_prediction_scores_exactly_one(convention, n):
    truth = np.random.default_rng(n).uniform(-1, 1, n)
    assert ccc(truth, truth, convention) == 1.0


@pytest.mark.parametrize("n", [2, 10, 250])
def test_under_avec2018_a_perfect_prediction_scores_less(n):
    truth = np.random.default_rng(n).uniform(-1, 1, n)
    assert ccc(truth, truth, "avec2018") == pytest.approx((n - 1) / n, abs=1e-15)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("value", [0.0, 0.1, -0.3, 1.0, 1 / 3])
@pytest.mark.parametrize("n", [2, 3, 10, 7501])
def test_two_equal_constants_are_nan_with_a_warning(convention, value, n):
    constant = np.full(n, value)
    with pytest.warns(AvferWarning, match="same constant"):
        assert np.isnan(ccc(constant, constant, convention))


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("truth", [[0.1, 0.2, 0.7], [0.3, 0.3, 0.3]])
def test_a_constant_prediction_scores_exactly_zero(convention, truth):
    assert ccc([0.1, 0.1, 0.1], truth, convention) == 0.0
    assert ccc(truth, [0.1, 0.1, 0.1], convention) == 0.0


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("values", [[], [0.5]])
def test_ccc_of_fewer_than_two_steps_is_nan(convention, values):
    assert np.isnan(ccc(values, values, convention))


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_nan_is_an_error_with_count_and_first_index(convention):
    with pytest.raises(MetricError, match="prediction or target is NaN at 2 steps, the first at index 1;"):
        ccc([0.1, NAN, 0.3, 0.4], [0.1, 0.2, NAN, 0.4], convention)


@pytest.mark.parametrize("convention", ["population", "sample"])
def test_omitting_nan_keeps_the_other_pairs(convention):
    x, y = [0.1, NAN, 0.3, 0.4, 0.2], [0.2, 0.2, NAN, 0.5, 0.1]
    assert ccc(x, y, convention, nan="omit") == ccc([0.1, 0.4, 0.2], [0.2, 0.5, 0.1], convention)


def test_avec2018_counts_nan_in_its_variances_and_averages_each_side_by_itself():
    x, y = np.array([0.1, NAN, 0.3, 0.4, 0.2, 0.9]), np.array([0.2, 0.2, NAN, 0.5, 0.1, NAN])
    value = ccc(x, y, "avec2018", nan="omit")
    assert value == pytest.approx(by_the_definition(x, y, "avec2018"), abs=1e-15)
    both = ~np.isnan(x + y)
    assert value != pytest.approx(ccc(x[both], y[both], "avec2018"), abs=1e-3)


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        ([0.1, 0.2, 0.3], [0.1, -5, -5], r"the target has 2 values outside \[-1, 1\], the first \(-5\) at index 1"),
        ([0.1, 0.2, 0.3], [0.1, 0.2, 1.5], r"the target has 1 value outside .* at index 2"),
        ([0.1, float("inf"), 0.3], [0.1, 0.2, 0.3], "prediction has 1 infinite value, the first at index 1"),
        ([0.1, 0.2], [0.1, 0.2, 0.3], r"\(2,\) and target \(3,\)"),
        ([[0.1, 0.2]], [[0.1, 0.2]], "two vectors"),
        (["a", "b"], [0.1, 0.2], "must be numeric"),
    ],
)
def test_input_that_cannot_be_scored_raises_an_error(prediction, target, message):
    for nan in ("error", "omit"):
        with pytest.raises(MetricError, match=message):
            ccc(prediction, target, nan=nan)


def test_a_prediction_may_leave_the_limits_of_the_target():
    assert ccc([-1.5, 0, 1.5], [-1, 0, 1]) == pytest.approx(2 * 1.0 / (1.5 + 2 / 3))


@pytest.mark.parametrize("options", [{"convention": "populaton"}, {"nan": "omitt"}])
def test_a_misspelt_option_is_reported_with_the_nearest_name(options):
    with pytest.raises(MetricError, match=r"did you mean '(population|omit)'"):
        ccc([0.1, 0.2], [0.1, 0.3], **options)


@pytest.mark.parametrize("kind", ["float32", "float64", "bfloat16"])
def test_tensors_with_a_gradient_are_accepted(kind):
    import torch

    x = torch.tensor([0.25, 0.5, -0.5], dtype=getattr(torch, kind), requires_grad=True)
    assert ccc(x, [0.5, 0.5, -0.25]) == ccc([0.25, 0.5, -0.5], [0.5, 0.5, -0.25])


def test_small_float32_values_are_scored_in_float64():
    rng = np.random.default_rng(0)
    x = (1e-12 * rng.standard_normal(100)).astype(np.float32)
    assert ccc(x, x) == 1.0


def test_importing_metrics_imports_no_torch_and_no_scipy():
    code = "import sys; from avfer.metrics import ccc; print(sorted({'torch', 'scipy', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@given(pair=series, cuts=st.lists(st.integers(0, 40)), nans=st.lists(st.integers(0, 39)))
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_scores_do_not_depend_on_how_a_series_is_cut(convention, pair, cuts, nans):
    x, y = (side.copy() for side in pair)
    for place in nans:
        (x if place % 2 else y)[place % len(x)] = NAN
    keep = ~np.isnan(x + y)
    assume(keep.sum() > 2 and np.var(x[keep]) > 1e-9 and np.var(y[keep]) > 1e-9)
    edges = sorted({0, len(x), *(c for c in cuts if c < len(x))})
    whole = RegressionScores(convention, nan="omit")
    for start, stop in itertools.pairwise(edges):
        whole.add(x[start:stop], y[start:stop])
    assert whole.result()["ccc"] == pytest.approx(ccc(x, y, convention, nan="omit"), abs=1e-9)

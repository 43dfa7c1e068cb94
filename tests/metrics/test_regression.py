import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avfer.errors import MetricError
from avfer.metrics import SAGR_RULE, mae, pcc, rmse, sagr

NAN = float("nan")


def test_sagr_treats_zero_as_a_sign_of_its_own():
    assert sagr([0.4, 0.3, 0, -0.1], [0.5, -0.2, 0, 0.1]) == 0.5
    assert sagr([0.0, 0.0], [0.1, -0.1]) == 0.0
    assert "exactly 0" in SAGR_RULE


@pytest.mark.parametrize(("score", "expected"), [(pcc, 0.5), (rmse, (0.11 / 3) ** 0.5), (mae, 0.5 / 3), (sagr, 2 / 3)])
def test_scores_equal_values_computed_by_hand(score, expected):
    # distances from the means: -.2 0 .2 and 0 -.2 .2; errors: -.1 .3 .1; the sign of 0 is not that of -.3
    assert score([-0.2, 0.0, 0.2], [-0.1, -0.3, 0.1]) == pytest.approx(expected)


@pytest.mark.parametrize("constant", [0.1, 1 / 3, 0.0])
def test_pcc_with_a_constant_side_is_nan(constant):
    other = [0.1, 0.5, -0.2]
    assert np.isnan(pcc([constant] * 3, other))
    assert np.isnan(pcc(other, [constant] * 3))


@given(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=30).filter(lambda v: np.ptp(v) > 1e-6))
def test_equal_series_have_perfect_scores(values):
    assert pcc(values, values) == 1.0
    assert pcc(values, [-v for v in values]) == -1.0
    assert rmse(values, values) == mae(values, values) == 0.0
    assert sagr(values, values) == 1.0


@pytest.mark.parametrize("score", [pcc, rmse, mae, sagr])
def test_nan_and_sentinels_raise_an_error_unless_omitted(score):
    with pytest.raises(MetricError, match="first at index 1"):
        score([0.1, NAN, 0.3], [0.1, 0.2, 0.3])
    with pytest.raises(MetricError, match="sentinels"):
        score([0.1, 0.2, 0.3], [0.1, 0.2, -5])
    assert score([0.1, NAN, 0.3, 0.2], [0.2, 0.2, 0.3, 0.1], nan="omit") == score([0.1, 0.3, 0.2], [0.2, 0.3, 0.1])


@pytest.mark.parametrize("score", [pcc, rmse, mae, sagr])
def test_scores_without_any_step_are_nan(score):
    assert np.isnan(score([], []))

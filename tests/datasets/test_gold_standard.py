import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avfer.datasets.gold_standard import (
    DESCRIPTIONS,
    PROCEDURES,
    avec,
    ewe,
    ewe_weights,
    gold_standard,
    mean,
    reference_level,
)
from avfer.errors import AvferWarning, DatasetError
from avfer.metrics import pcc

N = float("nan")
RATINGS = np.array([[0.0, 0.1, 0.2, 0.3], [0.1, 0.1, 0.3, 0.4], [-0.1, 0.2, 0.1, 0.2]])
ratings_of_many = st.tuples(st.integers(2, 6), st.integers(3, 20)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-1, 1, width=32))
)


def test_the_worked_example_of_avec_has_its_six_decimals():
    assert avec(RATINGS).tolist() == [0.001137, 0.13447, 0.201137, 0.301137]
    assert round(reference_level(RATINGS), 6) == 0.15947


def test_the_worked_example_of_ewe_has_its_six_decimals():
    assert np.round(ewe_weights(RATINGS), 6).tolist() == [0.981156, 0.750568, 0.599145]
    assert np.round(ewe(RATINGS), 6).tolist() == [0.006496, 0.125705, 0.206496, 0.306496]


@pytest.mark.filterwarnings("ignore::avfer.errors.AvferWarning")
@given(ratings=ratings_of_many)
def test_avec_is_the_mean_moved_by_a_constant(ratings):
    apart = avec(ratings, decimals=None) - mean(ratings)
    assert np.ptp(apart) == pytest.approx(0, abs=1e-12)
    assert avec(ratings) == pytest.approx(avec(ratings, decimals=None), abs=5.1e-7)
    assume(np.ptp(mean(ratings)) > 1e-3)
    assert pcc(avec(ratings, decimals=None), mean(ratings), limits=None) == pytest.approx(1, abs=1e-9)


@given(ratings=ratings_of_many, seed=st.integers(0, 9))
@pytest.mark.filterwarnings("ignore::avfer.errors.AvferWarning")
@pytest.mark.parametrize("procedure", ["mean", "avec"])
def test_the_order_of_the_raters_does_not_matter(procedure, ratings, seed):
    shuffled = np.random.default_rng(seed).permutation(ratings)
    assert gold_standard(shuffled, procedure) == pytest.approx(gold_standard(ratings, procedure), abs=2e-6)


@pytest.mark.parametrize("procedure", PROCEDURES)
def test_raters_who_agree_wholly_are_the_gold_standard(procedure):
    rating = np.array([0.1, 0.5, -0.25, 0.3])
    assert gold_standard([rating] * 4, procedure) == pytest.approx(rating, abs=1e-12)
    assert procedure in DESCRIPTIONS


def test_a_rater_against_all_others_has_no_weight_in_ewe():
    ratings = np.vstack([RATINGS, -RATINGS[0]])
    assert ewe_weights(ratings)[3] == 0.0
    with_constant = np.vstack([RATINGS, np.full(4, 0.9)])
    assert ewe_weights(with_constant)[3] == 0.0


def test_the_reference_level_is_near_the_raters_who_agree():
    rng = np.random.default_rng(0)
    truth = np.sin(np.arange(50) / 5) / 2
    friends = [truth + 0.01 * rng.standard_normal(50) for _ in range(3)]
    stranger = 0.8 + 0.01 * rng.standard_normal(50)
    ratings = np.array([*friends, stranger])
    assert abs(reference_level(ratings) - truth.mean()) < 0.02
    assert mean(ratings).mean() - truth.mean() > 0.1


def test_means_skip_missing_ratings():
    ratings = np.array([[0.1, 0.2, N, N], [0.3, 0.4, 0.5, N], [0.2, 0.3, 0.1, N], [0.2, 0.3, 0.6, N]])
    assert mean(ratings) == pytest.approx([0.2, 0.3, 0.4, N], nan_ok=True)
    assert np.ptp((avec(ratings, None) - mean(ratings))[:3]) == pytest.approx(0, abs=1e-12)
    assert np.isnan(ewe(ratings)).tolist() == [False, False, False, True]


def test_raters_who_do_not_agree_at_all_raise_a_warning():
    with pytest.warns(AvferWarning, match="do not agree"):
        level = reference_level([[0.1, 0.2], [0.2, 0.1]])
    assert level == pytest.approx(0.15)
    with pytest.raises(DatasetError, match="all 0; take 'mean' or 'avec'"):
        ewe([[0.1, 0.2], [0.2, 0.1]])


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ([[0.1, 0.2]], "R >= 2"),
        ([0.1, 0.2], r"got \(2,\)"),
        ([[], []], r"got \(2, 0\)"),
        ([[0.1, float("inf")], [0.1, 0.2]], "got 1 infinite value"),
        ([[0.1, 0.2], [N, N]], "rater 1 has no rating"),
    ],
)
def test_ratings_without_a_gold_standard_raise_an_error(ratings, message):
    with pytest.raises(DatasetError, match=message):
        avec(ratings)


def test_an_unknown_procedure_raises_an_error_with_the_nearest_name():
    with pytest.raises(DatasetError, match="did you mean 'avec'"):
        gold_standard(RATINGS, "avecc")

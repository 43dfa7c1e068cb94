import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avfer.errors import AvferWarning, MetricError
from avfer.metrics import ccc, cohen_kappa, icc, krippendorff_alpha, pairwise_ccc, rater_agreement
from avfer.metrics.agreement import interval_alpha_of, nominal_alpha_of
from avfer.metrics.ccc import PairMoments
from avfer.metrics.classification import count_classes

N = float("nan")
RATINGS = [
    [N, N, N, N, N, 3, 4, 1, 2, 1, 1, 3, 3, N, 3],
    [1, N, 2, 1, 3, 3, 4, 3, N, N, N, N, N, N, N],
    [N, N, 2, 1, 3, 4, 4, N, 2, 1, 1, 3, 3, N, 4],
]
SHROUT_FLEISS = [[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]]  # four judges


def alpha_by_coincidences(ratings, level):
    """Alpha from the table of coincidences, as Krippendorff (2004) defines it."""
    ratings = np.asarray(ratings, float)
    values = np.unique(ratings[~np.isnan(ratings)])
    table = np.zeros((len(values), len(values)))
    for unit in ratings.T:
        given = unit[~np.isnan(unit)]
        for i in range(len(given)):
            for j in range(len(given)):
                if i != j:
                    at = np.searchsorted(values, [given[i], given[j]])
                    table[at[0], at[1]] += 1 / (len(given) - 1)
    n = table.sum(0)

    def distance(c, k):
        if level == "nominal":
            return float(c != k)
        if level == "interval":
            return (values[c] - values[k]) ** 2
        low, high = min(c, k), max(c, k)
        return (n[low : high + 1].sum() - (n[c] + n[k]) / 2) ** 2

    far = np.array([[distance(c, k) for k in range(len(values))] for c in range(len(values))])
    return 1 - (n.sum() - 1) * (table * far).sum() / (np.outer(n, n) * far).sum()


@pytest.mark.parametrize(("level", "expected"), [("nominal", 0.691358), ("interval", 0.810845)])
def test_alpha_of_the_standard_example(level, expected):
    assert round(krippendorff_alpha(RATINGS, level), 6) == expected


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
@given(data=st.data())
def test_alpha_equals_its_definition_by_coincidences(level, data):
    rating = st.one_of(st.just(N), st.integers(-2, 3).map(float))
    units = data.draw(st.lists(st.lists(rating, min_size=3, max_size=3), min_size=2, max_size=12))
    ratings = np.array(units).T
    pairable = ratings[:, (~np.isnan(ratings)).sum(0) >= 2]
    if len(np.unique(pairable[~np.isnan(pairable)])) < 2:
        return
    assert krippendorff_alpha(ratings, level) == pytest.approx(alpha_by_coincidences(ratings, level), abs=1e-9)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_of_equal_ratings_is_one_and_of_a_single_value_nan(level):
    assert krippendorff_alpha([[1, 2, 3], [1, 2, 3]], level) == 1.0
    assert np.isnan(krippendorff_alpha([[1, N], [N, 2]], level))
    with pytest.warns(AvferWarning, match="same value"):
        assert np.isnan(krippendorff_alpha([[0.1, 0.1, 0.1], [0.1, 0.1, 0.1]], level))


def test_alpha_scales_to_continuous_ratings():
    ratings = np.random.default_rng(0).standard_normal((6, 7501)) + np.linspace(0, 3, 7501)
    values = [krippendorff_alpha(ratings, level) for level in ("nominal", "ordinal", "interval")]
    assert 0.3 < values[2] < values[2] + 0.2 < 0.9
    assert abs(values[0]) < 1e-3  # no two values are equal


@pytest.mark.parametrize(("kind", "expected"), [("2,1", 0.2898), ("3,1", 0.7148)])
def test_icc_of_the_example_of_shrout_and_fleiss(kind, expected):
    assert round(icc(SHROUT_FLEISS, kind), 4) == expected


def test_a_bias_of_one_rater_lowers_agreement_but_not_consistency():
    truth = np.array([0.0, 1, 3, 5, 2])
    assert icc([truth, truth + 1], "3,1") == pytest.approx(1.0)
    assert icc([truth, truth + 1], "2,1") < 0.95
    assert icc([truth, truth], "2,1") == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["2,1", "3,1"])
def test_icc_without_variance_or_targets_is_nan(kind):
    assert np.isnan(icc([[0.1] * 5, [0.1] * 5], kind))
    assert np.isnan(icc([[1], [2]], kind))


@pytest.mark.parametrize(
    ("score", "ratings"),
    [
        (icc, [[1, 2, 3]]),
        (icc, [[1, N], [1, 2]]),
        (krippendorff_alpha, [1, 2, 3]),
        (pairwise_ccc, [[1, 2, 3]]),
    ],
)
def test_ratings_of_a_wrong_shape_or_with_gaps_raise_an_error(score, ratings):
    with pytest.raises(MetricError):
        score(ratings)


def test_pairwise_ccc_has_the_ccc_of_each_pair_of_raters():
    ratings = np.array([[0.0, 0.1, 0.2, 0.3], [0.1, 0.1, 0.3, 0.4], [-0.1, 0.2, 0.1, 0.2]])
    table = pairwise_ccc(ratings)
    assert np.round([table[0, 1], table[0, 2], table[1, 2]], 6).tolist() == [0.785714, 0.666667, 0.315789]
    assert np.array_equal(table, table.T, equal_nan=True)
    assert np.isnan(np.diag(table)).all()
    assert np.round(rater_agreement(ratings), 6).tolist() == [0.72619, 0.550752, 0.491228]
    assert table[0, 2] == ccc(ratings[0], ratings[2])


def test_kappa_is_computed_by_hand():
    """Of 10 steps 7 agree; a and b are expected to agree by chance on (6 x 5 + 4 x 5) / 100."""
    one, other = list("aaaaaabbbb"), list("aaaabbabbb")
    assert cohen_kappa(one, other) == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_kappa_without_any_choice_is_not_defined():
    assert np.isnan(cohen_kappa(["a", "a"], ["a", "a"])) and np.isnan(cohen_kappa([], [], ["a"]))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_nominal_alpha_of_counts_is_that_of_the_ratings(pairs):
    one, other = np.array(pairs).T
    counts = count_classes(one, other, 4).counts
    if len(np.unique(pairs)) == 1:
        assert np.isnan(nominal_alpha_of(counts))
    else:
        assert nominal_alpha_of(counts) == pytest.approx(krippendorff_alpha([one, other], "nominal"), abs=1e-12)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=30))
def test_interval_alpha_of_moments_is_that_of_the_ratings(pairs):
    one, other = np.array(pairs, float).T / 10
    if len(np.unique(pairs)) > 1:
        expected = krippendorff_alpha([one, other], "interval")
        assert interval_alpha_of(PairMoments.of(one, other)) == pytest.approx(expected, abs=1e-9)

import pytest

from avfer.errors import MetricError
from avfer.metrics import abaw_rule, abaw_score

CLASSES = {"f1_macro": 0.3, "accuracy": 0.6}


@pytest.mark.parametrize(
    ("task", "year", "scores", "expected"),
    [
        ("va", 2020, {"ccc_valence": 0.5, "ccc_arousal": 0.6}, 0.55),
        ("va", 2026, {"ccc_valence": 0.519, "ccc_arousal": 0.616, "rmse": 1}, 0.5675),
        ("expr", 2020, CLASSES, 0.67 * 0.3 + 0.33 * 0.6),
        ("expr", 2021, CLASSES, 0.67 * 0.3 + 0.33 * 0.6),
        ("expr", 2022, CLASSES, 0.3),
        ("au", 2021, CLASSES, 0.45),
        ("au", 2024, CLASSES, 0.3),
        ("mtl", 2024, {"va": 0.5, "expr": 0.4, "au": 0.3}, 1.2),
        ("mtl", 2022, {"va": 1, "expr": 1, "au": 1}, 3.0),
    ],
)
def test_p_follows_the_rule_of_the_task_and_year(task, year, scores, expected):
    assert abaw_score(task, year, scores) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("task", "year", "rule"),
    [
        ("va", 2023, "0.5 ccc_valence + 0.5 ccc_arousal"),
        ("expr", 2021, "0.67 f1_macro + 0.33 accuracy"),
        ("expr", 2025, "f1_macro"),
        ("mtl", 2023, "va + expr + au"),
    ],
)
def test_the_rule_states_the_formula_of_p(task, year, rule):
    assert abaw_rule(task, year) == rule


@pytest.mark.parametrize(
    ("task", "year", "message"),
    [
        ("vaa", 2024, "did you mean 'va'"),
        ("va", 2019, "2020 to 2026"),
        ("mtl", 2021, "no multi-task challenge in 2021"),
        ("expr", 2020, "missing: accuracy"),
    ],
)
def test_an_unknown_challenge_or_a_missing_score_raises_an_error(task, year, message):
    with pytest.raises(MetricError, match=message):
        abaw_score(task, year, {"f1_macro": 0.5})

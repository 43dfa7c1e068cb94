"""Training and scoring on twins with known truth; takes minutes, so it runs with -m slow only."""

from pathlib import Path

import pytest

from tools.bench.twins import delays, make, trained

pytestmark = pytest.mark.slow

SEED = 8


@pytest.fixture(scope="module")
def recola_twin(tmp_path_factory) -> Path:
    return make("recola", tmp_path_factory.mktemp("recola"), SEED)


@pytest.fixture(scope="module")
def aff_wild2_twin(tmp_path_factory) -> Path:
    return make("aff_wild2", tmp_path_factory.mktemp("aff_wild2"), SEED)


@pytest.mark.parametrize(
    "options,valence,arousal",
    [({}, True, True), ({"num_face": 0}, False, True), ({"num_voice": 0}, True, False)],
    ids=["fusion", "voice", "face"],
)
def test_valence_needs_the_face_and_arousal_the_voice(recola_twin, options, valence, arousal):
    scores = trained(recola_twin, "recola_aver", "-".join(["all", *options]), model_options=options).scores
    assert scores["ccc_valence"] >= 0.8 if valence else scores["ccc_valence"] <= 0.3
    assert scores["ccc_arousal"] >= 0.8 if arousal else scores["ccc_arousal"] <= 0.3


def test_the_delays_are_found_and_raise_the_scores(recola_twin):
    found = trained(recola_twin, "recola_aver", "found")
    assert delays(found) == pytest.approx((2.8, 2.0), abs=0.2 + 1e-9)
    without = trained(recola_twin, "recola_aver", "without_delay", delay=0.0)
    for name in ("ccc_valence", "ccc_arousal"):
        assert without.scores[name] < found.scores[name] - 0.02


@pytest.mark.parametrize(
    "recipe,score,bound",
    [("va", "score", 0.6), ("expr", "f1_macro", 0.5), ("au", "au_f1", 0.5), ("multi_task", "score", 0.5)],
)
def test_the_recipes_of_aff_wild2_reach_a_minimum_score(aff_wild2_twin, recipe, score, bound):
    assert trained(aff_wild2_twin, f"aff_wild2_{recipe}", recipe).scores[score] >= bound

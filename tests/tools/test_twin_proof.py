"""The whole way from videos of a known truth to scores: minutes, so it runs with -m slow alone."""

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
def test_each_dimension_is_read_from_what_shows_it_and_from_nothing_else(recola_twin, options, valence, arousal):
    scores = trained(recola_twin, "recola_aver", "-".join(["all", *options]), model_options=options).scores
    assert scores["ccc_valence"] >= 0.8 if valence else scores["ccc_valence"] <= 0.3
    assert scores["ccc_arousal"] >= 0.8 if arousal else scores["ccc_arousal"] <= 0.3


def test_the_delays_are_found_and_leaving_them_out_costs(recola_twin):
    found = trained(recola_twin, "recola_aver", "found")
    assert delays(found) == pytest.approx((2.8, 2.0), abs=0.2 + 1e-9)
    at_once = trained(recola_twin, "recola_aver", "at_once", delay=0.0)
    for name in ("ccc_valence", "ccc_arousal"):
        assert at_once.scores[name] < found.scores[name] - 0.02


@pytest.mark.parametrize(
    "recipe,score,bound",
    [("va", "score", 0.6), ("expr", "f1_macro", 0.5), ("au", "au_f1", 0.5), ("multi_task", "score", 0.5)],
)
def test_the_twin_of_aff_wild2_is_learned_by_its_recipes(aff_wild2_twin, recipe, score, bound):
    assert trained(aff_wild2_twin, f"aff_wild2_{recipe}", recipe).scores[score] >= bound

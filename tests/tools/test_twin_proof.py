"""Training and scoring on twins with known truth; takes minutes, so it runs with -m slow only."""

from pathlib import Path

import pytest

from avfer.training.train_model import Trained
from tools.bench.twins import delays, make, trained

pytestmark = pytest.mark.slow

SEED = 8


@pytest.fixture(scope="module")
def recola_twin(tmp_path_factory) -> Path:
    return make("recola", tmp_path_factory.mktemp("recola"), SEED)


@pytest.fixture(scope="module")
def aff_wild2_twin(tmp_path_factory) -> Path:
    return make("aff_wild2", tmp_path_factory.mktemp("aff_wild2"), SEED)


@pytest.fixture(scope="module")
def fusion(recola_twin) -> Trained:
    """The recipe as it is: face and voice, delays searched."""
    return trained(recola_twin, "recola_aver", "fusion")


def test_face_and_voice_together_predict_valence_and_arousal(fusion):
    assert fusion.scores["ccc_valence"] >= 0.8 and fusion.scores["ccc_arousal"] >= 0.8


@pytest.mark.parametrize(
    "options,known,unknown",
    [({"num_face": 0}, "arousal", "valence"), ({"num_voice": 0}, "valence", "arousal")],
    ids=["voice", "face"],
)
def test_valence_needs_the_face_and_arousal_the_voice(recola_twin, options, known, unknown):
    scores = trained(recola_twin, "recola_aver", "-".join(options), model_options=options).scores
    assert scores[f"ccc_{known}"] >= 0.8 and scores[f"ccc_{unknown}"] <= 0.3


def test_the_delays_are_found_and_raise_the_scores(recola_twin, fusion):
    assert delays(fusion) == pytest.approx((2.8, 2.0), abs=0.2 + 1e-9)
    without = trained(recola_twin, "recola_aver", "without_delay", delay=0.0)
    for name in ("ccc_valence", "ccc_arousal"):
        assert without.scores[name] < fusion.scores[name] - 0.02


@pytest.mark.parametrize(
    "recipe,score,bound",
    [("va", "score", 0.6), ("expr", "f1_macro", 0.5), ("au", "au_f1", 0.5), ("multi_task", "score", 0.5)],
)
def test_the_recipes_of_aff_wild2_reach_a_minimum_score(aff_wild2_twin, recipe, score, bound):
    assert trained(aff_wild2_twin, f"aff_wild2_{recipe}", recipe).scores[score] >= bound

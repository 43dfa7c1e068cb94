"""The recipe of RECOLA on a twin with known truth, from the videos to the scores."""

from pathlib import Path

import pytest

from avfer.training.train_model import Trained
from tools.bench.twins import delays, make, trained

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("recola", tmp_path_factory.mktemp("recola"), 8, "--subjects=6", "--seconds=40")


@pytest.fixture(scope="module")
def fusion(twin: Path) -> Trained:
    """The recipe as it is, but for fewer epochs: face and voice, delays searched."""
    return trained(twin, "recola_aver", "fusion", epochs=5)


def test_face_and_voice_together_predict_valence_and_arousal(fusion):
    assert fusion.scores["ccc_valence"] >= 0.8 and fusion.scores["ccc_arousal"] >= 0.8


@pytest.mark.parametrize(
    "options,known,unknown",
    [({"num_face": 0}, "arousal", "valence"), ({"num_voice": 0}, "valence", "arousal")],
    ids=["voice", "face"],
)
def test_valence_needs_the_face_and_arousal_the_voice(twin, options, known, unknown):
    scores = trained(twin, "recola_aver", "-".join(options), epochs=5, model_options=options).scores
    assert scores[f"ccc_{known}"] >= 0.8 and scores[f"ccc_{unknown}"] <= 0.3


def test_the_delays_are_found_and_raise_the_scores(twin, fusion):
    assert delays(fusion) == pytest.approx((2.8, 2.0), abs=0.2 + 1e-9)
    without = trained(twin, "recola_aver", "without_delay", epochs=5, delay=0.0)
    for name in ("ccc_valence", "ccc_arousal"):
        assert without.scores[name] < fusion.scores[name] - 0.02

"""The whole way from videos of a known truth to scores: minutes, so it runs with -m slow alone."""

import re
import shutil
from pathlib import Path

import pytest

from avfer.training.config import read_config
from avfer.training.train import Trained, train
from avfer.weights import read_card
from tools.make_twin import main

pytestmark = pytest.mark.slow

RECIPES = Path(__file__).parents[2] / "configs" / "train"
SEED = 8


@pytest.fixture(scope="module")
def recola_twin(tmp_path_factory) -> Path:
    return made("recola", tmp_path_factory)


@pytest.fixture(scope="module")
def aff_wild2_twin(tmp_path_factory) -> Path:
    return made("aff_wild2", tmp_path_factory)


def made(corpus: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a twin of the tool's own size."""
    folder = tmp_path_factory.mktemp(corpus)
    main([corpus, str(folder / "corpus"), f"--seed={SEED}"])
    return folder


def trained(twin: Path, recipe: str, name: str, **settings: object) -> Trained:
    """A recipe on a twin; the videos are embedded by the first one alone."""
    kept, output = twin / "features", twin / name
    if kept.exists():
        shutil.copytree(kept, output / "features")
    fixed = {"root": twin / "corpus", "output": output, "device": "cpu"}
    result = train(read_config(RECIPES / f"{recipe}.yaml", fixed | settings))
    if not kept.exists():
        shutil.copytree(output / "features", kept)
    return result


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
    (protocol,) = {metric.protocol for metric in read_card(recola_twin / "found" / "best.json").metrics}
    match = re.search(r"delay \(([0-9.]+), ([0-9.]+)\)", protocol)
    assert match is not None
    assert [float(text) for text in match.groups()] == pytest.approx([2.8, 2.0], abs=0.2 + 1e-9)
    at_once = trained(recola_twin, "recola_aver", "at_once", delay=0.0)
    for name in ("ccc_valence", "ccc_arousal"):
        assert at_once.scores[name] < found.scores[name] - 0.02


@pytest.mark.parametrize(
    "recipe,score,bound",
    [("va", "score", 0.6), ("expr", "f1_macro", 0.5), ("au", "au_f1", 0.5), ("multi_task", "score", 0.5)],
)
def test_the_twin_of_aff_wild2_is_learned_by_its_recipes(aff_wild2_twin, recipe, score, bound):
    assert trained(aff_wild2_twin, f"aff_wild2_{recipe}", recipe).scores[score] >= bound

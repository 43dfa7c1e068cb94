"""The recipes of Aff-Wild2 on a twin with known truth, from the videos to the scores."""

from pathlib import Path

import pytest

from tools.bench.twins import make, trained

pytestmark = pytest.mark.slow

# The pictures of the multi-task corpus are labelled some times a second, so training warns.
LABELLED_AT_TIMES = pytest.mark.filterwarnings("ignore:labels come every:avfer.errors.AvferWarning")


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("aff_wild2", tmp_path_factory.mktemp("aff_wild2"), 8, "--subjects=6", "--seconds=40")


@pytest.mark.parametrize(
    "recipe,score,bound,epochs",
    [
        ("va", "score", 0.6, 12),
        pytest.param("multi_task", "score", 0.5, 40, marks=LABELLED_AT_TIMES),
        ("expr", "f1_macro", 0.5, 12),
        ("au", "au_f1", 0.5, 12),
    ],
)
def test_a_recipe_reaches_a_minimum_score(twin, recipe, score, bound, epochs):
    assert trained(twin, f"aff_wild2_{recipe}", recipe, epochs=epochs).scores[score] >= bound

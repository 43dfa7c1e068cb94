"""predict_affect with models that read the measures of a face beside its features."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avfer.errors import ConfigError
from avfer.models.affect.lite import GruLite, LinearLite
from avfer.models.card import Card
from avfer.models.weights import save
from avfer.stages.join_measures import JOINED
from avfer.stages.predict import PredictAffect
from avfer.types import NO_TRACK
from tests.laws import assert_same
from tests.stages.test_predict import CLASSES, SIZES, UNITS, crowd, predict, same_face, with_measures


@pytest.fixture(scope="module")
def reads_measures(tmp_path_factory):
    """Return stages with small random weights that read two measures of each face."""
    torch.manual_seed(0)
    folder, stages = tmp_path_factory.mktemp("measured"), {}
    for name, kind, inputs in (
        ("gru_lite", GruLite, {"face": 5, "voice": 4}),
        ("linear_lite", LinearLite, {"face": 5}),
    ):
        options = SIZES | {"num_measures": 2} | ({"num_voice": 4} if name == "gru_lite" else {})
        card = Card(name=name, task="test", description="random", options=options, inputs=inputs | {"measures": 2})
        card = card.model_copy(update={"classes": CLASSES, "action_units": UNITS})
        path = save(kind(**options), card, folder / f"{name}.safetensors")
        stages[name] = PredictAffect(name, str(path))
        stages[name].load(torch.device("cpu"))
    return stages


@pytest.mark.parametrize("name", ["gru_lite", "linear_lite"])
def test_measures_change_the_affect_of_faces_alone(reads_measures, name):
    stage, rows = reads_measures[name], crowd()
    track, other = (predict(stage, with_measures(rows, value)) for value in (0.2, 0.9))
    faces = rows.faces.track_ids != NO_TRACK
    assert (track.valence[faces] != other.valence[faces]).all()
    assert_same(predict(stage, with_measures(rows, 0.9), [3, 31]), other)


@pytest.mark.parametrize("name", ["gru_lite", "linear_lite"])
def test_a_pipeline_that_joins_no_measures_is_read_as_faces_that_were_not_measured(reads_measures, name):
    stage, rows = reads_measures[name], crowd()
    track = predict(stage, rows)
    assert np.isfinite(track.valence[rows.faces.track_ids != NO_TRACK]).all()
    assert_same(track, predict(stage, with_measures(rows, np.nan)))


@pytest.mark.parametrize("name", ["gru_lite", "linear_lite"])
def test_measures_of_another_number_are_an_error(reads_measures: dict[str, PredictAffect], name: str) -> None:
    rows = replace(crowd(), measures=np.zeros((len(crowd().faces), 3), np.float32))
    with pytest.raises(ConfigError, match=f"{name} reads 2 measures of a face, but the pipeline joins 3; use weights"):
        predict(reads_measures[name], rows)


@pytest.mark.parametrize("name", ["gru_lite", "linear_lite"])
def test_the_weights_of_the_package_read_faces_with_and_without_measures(name):
    stage, rows = PredictAffect(name), same_face([0, 1, 2], 3)
    stage.load(torch.device("cpu"))
    values = torch.linspace(0, 0.4, 256).expand(3, -1).contiguous()
    smiling = np.zeros((3, stage.card.inputs["measures"]), np.float32)
    smiling[:, JOINED.index("AU12")] = 1.0
    alone, measured = (predict(stage, replace(rows, values=values, measures=m)) for m in (None, smiling))
    np.testing.assert_allclose(alone.expressions.sum(1), 1, atol=1e-5)
    assert (measured.valence > alone.valence + 0.02).all()

"""Affect models that look ahead, in a pipeline."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.models.affect.temporal import Temporal
from avfer.models.weights import read_card, save
from avfer.rows import select
from avfer.stages.predict import PredictAffect, PredictAhead
from avfer.types import NO_TRACK
from tests.laws import assert_same, part
from tests.stages.test_predict import crowd, joint, made, predict

OPTIONS = {"num_face": 5, "num_voice": 4, "width": 8, "num_classes": 3, "num_action_units": 2}
KINDS = {
    "tcn": {"time": "tcn", "layers": 2, "bidirectional": True},
    "causal tcn": {"time": "tcn", "layers": 3},
    "transformer": {"time": "transformer", "bidirectional": True},
    "causal transformer": {"time": "transformer"},
    "both directions": {"time": "gru", "bidirectional": True},
}


@pytest.fixture(scope="module")
def stages(tmp_path_factory) -> dict[str, PredictAhead]:
    folder = tmp_path_factory.mktemp("weights")
    found = {}
    for name, kind in KINDS.items():
        torch.manual_seed(0)
        card = Temporal.card(**OPTIONS, **kind).model_copy(
            update={"classes": ["neutral", "happiness", "anger"], "action_units": ["AU04", "AU12"]}
        )
        path = save(Temporal(**OPTIONS, **kind), card, folder / f"{name}.safetensors")
        found[name] = PredictAffect("temporal", str(path)).for_features(made(face=5, voice=4))
        assert isinstance(found[name], PredictAhead)
        found[name].load(torch.device("cpu"))
    return found


@pytest.mark.parametrize("name", KINDS)
@settings(deadline=None, max_examples=10)
@given(cuts=st.lists(st.integers(0, 60), max_size=6))
def test_chunks_change_no_value(stages, name, cuts):
    assert_same(predict(stages[name], crowd(), cuts), predict(stages[name], crowd()))


@pytest.mark.parametrize("name", ["tcn", "causal tcn", "transformer", "causal transformer"])
def test_blocks_equal_the_whole_sequence(stages, name):
    rows = joint([(t, 1, t % 7 > 0) for t in range(400)], 400)
    track = predict(stages[name], rows)
    model = stages[name]._network.model
    has_face = torch.ones(1, 400, dtype=torch.bool)
    with torch.inference_mode():
        whole = model.sequence(rows.face[None], rows.voice[None], has_face, torch.from_numpy(rows.has_voice)[None])
    np.testing.assert_allclose(track.valence, whole.valence_arousal[0, :, 0].numpy(), atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_rows_with_neither_face_nor_voice_are_nan(stages, name):
    track = predict(stages[name], crowd())
    neither = (track.faces.track_ids == NO_TRACK) & ~track.has_voice
    assert neither.any()
    np.testing.assert_array_equal(np.isnan(track.valence), neither)


def test_rows_wait_no_longer_than_the_model_needs(stages):
    stage, rows = stages["tcn"], joint([(t, 1, True) for t in range(400)], 400)
    model = stage._network.model
    state, first = stage.step(stage.start(), part(rows, 0, 300))
    assert first.clock.stop == (300 - model.ahead) // 32 * 32
    assert state.rows is not None
    assert len(state.rows.clock) == 300 - first.clock.stop + model.past


@pytest.mark.parametrize("name", ["tcn", "both directions"])
def test_people_do_not_influence_each_other(stages, name):
    both = joint([(t, track, True) for t in range(20) for track in (1, 2)], 20)
    first = both.faces.track_ids == 1
    alone = select(both, first, both.clock)
    together, apart = predict(stages[name], both), predict(stages[name], alone)
    np.testing.assert_allclose(together.valence[first], apart.valence, atol=1e-6)
    assert not np.allclose(together.valence[first], together.valence[~first], atol=1e-3)


def test_the_temperature_of_the_card_softens_the_probabilities_alone(stages, tmp_path):
    plain = stages["tcn"]
    shutil.copy(plain.weights, tmp_path / "soft.safetensors")
    card = read_card(Path(plain.weights).with_suffix(".json")).model_copy(update={"temperature": 2.0})
    (tmp_path / "soft.json").write_text(card.model_dump_json())
    stage = PredictAhead("temporal", str(tmp_path / "soft.safetensors"))
    stage.load(torch.device("cpu"))
    soft, hard = predict(stage, crowd()), predict(plain, crowd())
    roots = np.sqrt(hard.expressions)
    np.testing.assert_allclose(soft.expressions, roots / roots.sum(1, keepdims=True), atol=1e-6)
    np.testing.assert_array_equal(soft.action_units, hard.action_units)


def test_a_voice_without_a_face_has_an_expression_only_on_request(stages):
    rows = crowd()
    more = PredictAffect("temporal", stages["tcn"].weights, expression=True).for_features(made(face=5, voice=4))
    more.load(torch.device("cpu"))
    plain, found = predict(stages["tcn"], rows), predict(more, rows)
    alone = (rows.faces.track_ids == NO_TRACK) & rows.has_voice
    assert alone.any() and np.isnan(plain.expressions[alone]).all()
    np.testing.assert_allclose(found.expressions[alone].sum(1), 1, atol=1e-5)

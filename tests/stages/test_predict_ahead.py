"""Affect models that look ahead, in a pipeline."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.models.affect.temporal import Temporal
from avfer.models.weights import save
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
        found[name] = PredictAffect("temporal", str(path)).fit(made(face=5, voice=4))
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

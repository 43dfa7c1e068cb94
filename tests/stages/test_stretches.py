"""Models that look ahead, in a pipeline: late, and the same wherever the clip is cut."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.models.affect.temporal import Temporal
from avfer.models.weights import save
from avfer.stages.predict import PredictAffect
from avfer.stages.stretches import PredictStretches
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
def stages(tmp_path_factory) -> dict[str, PredictStretches]:
    folder = tmp_path_factory.mktemp("weights")
    found = {}
    for name, kind in KINDS.items():
        torch.manual_seed(0)
        card = Temporal.card(**OPTIONS, **kind).model_copy(
            update={"classes": ["neutral", "happiness", "anger"], "action_units": ["AU04", "AU12"]}
        )
        path = save(Temporal(**OPTIONS, **kind), card, folder / f"{name}.safetensors")
        found[name] = PredictAffect("temporal", str(path)).fit(made(face=5, voice=4))
        found[name].load(torch.device("cpu"))
    return found


@pytest.mark.parametrize("name", KINDS)
@settings(deadline=None, max_examples=10)
@given(cuts=st.lists(st.integers(0, 60), max_size=6))
def test_where_the_clip_is_cut_moves_no_bit(stages, name, cuts):
    assert_same(predict(stages[name], crowd(), cuts), predict(stages[name], crowd()))


@pytest.mark.parametrize("name", ["tcn", "causal tcn", "transformer", "causal transformer"])
def test_blocks_give_what_the_whole_sequence_gives(stages, name):
    rows = joint([(t, 1, t % 7 > 0) for t in range(400)], 400)
    told = predict(stages[name], rows)
    network = stages[name].affect.network
    seen = torch.ones(1, 400, dtype=torch.bool)
    with torch.inference_mode():
        whole = network.sequence(rows.face[None], rows.voice[None], seen, torch.from_numpy(rows.has_voice)[None])
    np.testing.assert_allclose(told.valence, whole.valence_arousal[0, :, 0].numpy(), atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_rows_with_neither_face_nor_voice_stay_unknown(stages, name):
    track = predict(stages[name], crowd())
    neither = (track.faces.track_ids == NO_TRACK) & ~track.has_voice
    assert neither.any()
    np.testing.assert_array_equal(np.isnan(track.valence), neither)


def test_rows_are_held_no_longer_than_the_model_reaches(stages):
    stage, rows = stages["tcn"], joint([(t, 1, True) for t in range(400)], 400)
    state, first = stage.step(stage.start(), part(rows, 0, 300))
    assert first.clock.stop == (300 - stage.network.ahead) // 32 * 32
    assert state.rows is not None
    assert len(state.rows.clock) == 300 - first.clock.stop + stage.network.past

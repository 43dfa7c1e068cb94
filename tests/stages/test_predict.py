"""predict_affect with causal models: one hidden state per track, NaN on rows without face and voice."""

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.affect_track import AffectTrack
from avfer.errors import AvferWarning, ConfigError, WeightsError
from avfer.models.affect.lite import GruLite, LinearLite
from avfer.models.card import Card
from avfer.models.card_files import builtin_card, read_card
from avfer.models.weights import save
from avfer.stages.predict import MAX_ABSENCE, PredictAffect
from avfer.types import NO_TRACK, FaceFeatures, FaceTracks, JointFeatures
from tests.laws import assert_same, clock, part

CLASSES, UNITS = ["neutral", "happiness", "anger"], ["AU04", "AU12"]
SIZES = {"num_face": 5, "num_classes": 3, "num_action_units": 2}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return the stages of both models with small random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    wide = {**SIZES, "num_voice": 4, "width_face": 8, "width_voice": 8, "width_hidden": 8}
    networks = {
        "gru_lite": (GruLite(**wide), wide, {"face": 5, "voice": 4}),
        "linear_lite": (LinearLite(**SIZES), SIZES, {"face": 5}),
    }
    stages = {}
    for name, (network, options, inputs) in networks.items():
        card = Card(name=name, task="test", description="random", options=options, inputs=inputs)
        path = save(
            network,
            card.model_copy(update={"classes": CLASSES, "action_units": UNITS}),
            folder / f"{card.name}.safetensors",
        )
        stages[name] = PredictAffect(model=name, weights=str(path))
        stages[name].load(torch.device("cpu"))
    return stages


def card(name: str, features: int) -> Card:
    return Card(name=name, task="", description="", features=features)


def made(**widths: int) -> dict[str, Card]:
    """Return cards of networks that output features of these widths."""
    return {key: card({"face": "aver_lite", "voice": "vggish_lite"}[key], width) for key, width in widths.items()}


def joint(rows: list[tuple[int, int, bool]], count: int, fps: float = 25.0) -> JointFeatures:
    """Return rows of (frame, track, has_voice) in a clip of `count` frames, with random features."""
    frames, tracks = (np.array([row[i] for row in rows], np.int64).reshape(-1) for i in (0, 1))
    n, has_voice = len(rows), np.array([row[2] for row in rows], bool)
    random = torch.Generator().manual_seed(5)
    faces = FaceTracks(
        clock(count, fps),
        frames=frames,
        boxes=np.zeros((n, 4), np.float32),
        landmarks=np.zeros((n, 5, 2), np.float32),
        scores=np.zeros(n, np.float32),
        track_ids=tracks,
    )
    face = torch.randn(n, 5, generator=random) * torch.from_numpy(tracks != NO_TRACK)[:, None]
    voice = torch.randn(n, 4, generator=random) * torch.from_numpy(has_voice)[:, None]
    return JointFeatures(faces, face, voice, has_voice)


def predict(stage: PredictAffect, features: FaceFeatures | JointFeatures, cuts: list[int] | None = None) -> AffectTrack:
    """Return the whole output of the stage for features that are cut at these frames."""
    state, parts = stage.start(), list[AffectTrack]()
    for start, stop in pairwise([0, *sorted(cuts or []), len(features.clock)]):
        state, track = stage.step(state, part(features, start, stop))
        parts.append(track)
    return AffectTrack.concat(parts)


def crowd() -> JointFeatures:
    """Return 60 frames: people come and go, some frames have no face, some neither face nor voice."""
    rows = [(t, 1, t < 50) for t in range(30)] + [(t, 4, t < 50) for t in range(10, 60) if t % 20 > 5]
    with_face = {row[0] for row in rows}
    return joint(sorted(rows + [(t, NO_TRACK, t < 42) for t in range(60) if t not in with_face]), 60)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(["gru_lite", "linear_lite"]), st.lists(st.integers(0, 60), max_size=8))
def test_chunks_change_no_value(models, name, cuts):
    assert_same(predict(models[name], crowd(), cuts), predict(models[name], crowd()))


@pytest.mark.parametrize("name", ["gru_lite", "linear_lite"])
def test_probabilities_of_a_face_sum_to_one(models, name):
    track = predict(models[name], crowd())
    faces = track.faces.track_ids != NO_TRACK
    np.testing.assert_allclose(track.expressions[faces].sum(1), 1, atol=1e-6)
    assert ((track.action_units[faces] > 0) & (track.action_units[faces] < 1)).all()
    assert (np.abs(track.valence[faces]) <= 1).all()
    assert track.classes == tuple(CLASSES)
    assert track.action_unit_names == tuple(UNITS)


@pytest.mark.parametrize("name", ["gru_lite", "linear_lite"])
def test_the_temperature_of_the_card_softens_the_probabilities_alone(models, name, tmp_path):
    shutil.copy(models[name].weights, tmp_path / "soft.safetensors")
    card = read_card(Path(models[name].weights).with_suffix(".json")).model_copy(update={"temperature": 2.0})
    (tmp_path / "soft.json").write_text(card.model_dump_json())
    stage = PredictAffect(model=name, weights=str(tmp_path / "soft.safetensors"))
    stage.load(torch.device("cpu"))
    soft, plain = predict(stage, crowd()), predict(models[name], crowd())
    roots = np.sqrt(plain.expressions)
    np.testing.assert_allclose(soft.expressions, roots / roots.sum(1, keepdims=True), atol=1e-6)
    np.testing.assert_array_equal(soft.valence, plain.valence)
    np.testing.assert_array_equal(soft.action_units, plain.action_units)


@pytest.mark.parametrize(
    ("key", "names", "message"),
    [
        ("classes", [*CLASSES, "fear"], "outputs 3 classes, but its card lists 4; correct 'classes' in gru_lite.json"),
        ("action_units", ["AU04"], "outputs 2 action units, but its card lists 1; correct 'action_units' in"),
    ],
)
def test_a_card_that_lists_other_outputs_than_the_network_has_is_refused(models, tmp_path, key, names, message):
    source = Path(models["gru_lite"].weights)
    shutil.copy(source, tmp_path)
    card = read_card(source.with_suffix(".json")).model_copy(update={key: names})
    (tmp_path / "gru_lite.json").write_text(card.model_dump_json())
    stage = PredictAffect(model="gru_lite", weights=str(tmp_path / source.name))
    with pytest.raises(WeightsError, match=message):
        stage.load(torch.device("cpu"))


def test_a_voice_without_a_face_has_no_action_units(models):
    track = predict(models["gru_lite"], crowd())
    alone = (track.faces.track_ids == NO_TRACK) & track.has_voice
    assert alone.any()
    assert np.isfinite(track.valence[alone]).all()
    assert np.isnan(track.action_units[alone]).all()


def test_a_voice_without_a_face_has_an_expression_only_on_request(models):
    stage, rows = models["gru_lite"], crowd()
    track = predict(stage, rows)
    alone = (track.faces.track_ids == NO_TRACK) & track.has_voice
    assert np.isnan(track.expressions[alone]).all()
    on_request = PredictAffect("gru_lite", stage.weights, expression=True)
    on_request.load(torch.device("cpu"))
    more = predict(on_request, rows)
    np.testing.assert_allclose(more.expressions[alone].sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(more.expressions[~alone], track.expressions[~alone])
    np.testing.assert_array_equal(more.arousal, track.arousal)


@pytest.mark.parametrize("name", ["gru_lite", "linear_lite"])
def test_rows_without_face_and_voice_are_nan(models, name):
    track = predict(models[name], crowd())
    neither = (track.faces.track_ids == NO_TRACK) & ~track.has_voice
    assert neither.any()
    for values in (track.valence, track.arousal, track.expressions, track.action_units):
        assert np.isnan(values[neither]).all()


def test_a_model_of_the_face_alone_predicts_nothing_from_the_voice(models):
    track = predict(models["linear_lite"], crowd())
    np.testing.assert_array_equal(np.isnan(track.valence), track.faces.track_ids == NO_TRACK)


def test_speech_and_speaking_go_through_to_the_affect(models):
    rows = crowd()
    activity = np.linspace(0, 1, 2 * len(rows.faces), dtype=np.float32).reshape(-1, 2)
    track = predict(
        models["gru_lite"], replace(rows, activity=activity, activity_names=("speech", "speaking")), [7, 40]
    )
    assert track.activity_names == ("speech", "speaking")
    np.testing.assert_array_equal(track.activity, activity)


def test_people_do_not_influence_each_other(models):
    both = joint([(t, track, True) for t in range(20) for track in (1, 2)], 20)
    first = both.faces.track_ids == 1
    alone = JointFeatures(
        joint([(t, 1, True) for t in range(20)], 20).faces, both.face[first], both.voice[first], both.has_voice[first]
    )
    together, apart = predict(models["gru_lite"], both), predict(models["gru_lite"], alone)
    np.testing.assert_allclose(together.valence[first], apart.valence, atol=1e-6)


def same_face(frames: list[int], count: int, fps: float = 25.0) -> FaceFeatures:
    """Return the same features of one track on some frames of a clip of `count` frames."""
    whole = joint([(t, 1, False) for t in frames], count, fps)
    values = torch.linspace(-1, 1, 5).expand(len(frames), -1)
    return FaceFeatures(whole.faces, values.contiguous())


def test_a_track_keeps_its_hidden_state_through_a_gap(models):
    whole = predict(models["gru_lite"], same_face([0, 1, 2, 3], 4))
    gap = predict(models["gru_lite"], same_face([0, 1, 52, 53], 54), cuts=[10, 30, 52])
    np.testing.assert_array_equal(gap.valence, whole.valence)
    assert whole.valence[0] != whole.valence[1]


@pytest.mark.parametrize("cuts", [[], [1], [1, 100, 200]])
def test_a_track_starts_again_after_a_long_gap(models, cuts):
    count = int(25 * MAX_ABSENCE) + 5
    track = predict(models["gru_lite"], same_face([0, 1, count - 1], count), cuts)
    assert track.valence[2] == track.valence[0]


@pytest.mark.parametrize("cuts", [[], [2], [2, 11]])
def test_a_track_is_remembered_for_ten_seconds(models, cuts):
    followed = predict(models["gru_lite"], same_face([0, 1, 2], 3, fps=1.0))
    remembered = predict(models["gru_lite"], same_face([0, 1, 11], 13, fps=1.0), cuts)
    forgotten = predict(models["gru_lite"], same_face([0, 1, 12], 13, fps=1.0), cuts)
    assert remembered.valence[2] == followed.valence[2] != followed.valence[0]
    assert forgotten.valence[2] == followed.valence[0]


def test_hidden_states_of_old_tracks_are_dropped(models):
    stage = models["gru_lite"]
    features = joint([(t, t // 10, False) for t in range(100)], 100, fps=1.0)
    state, _ = stage.step(stage.start(), features)
    assert set(state.hidden) <= {8, 9}


def test_a_step_does_not_change_its_input_state(models):
    stage, features = models["gru_lite"], crowd()
    state, _ = stage.step(stage.start(), part(features, 0, 20))
    before = {track: hidden.clone() for track, hidden in state.hidden.items()}
    first, second = (stage.step(state, part(features, 20, 60))[1] for _ in range(2))
    assert_same(first, second)
    assert all(torch.equal(hidden, before[track]) for track, hidden in state.hidden.items())


def test_a_clip_without_a_face_gives_no_row(models):
    track = predict(models["linear_lite"], FaceFeatures(joint([], 10).faces, torch.zeros(0, 5)))
    assert len(track) == 0
    assert len(track.clock) == 10
    assert track.expressions.shape == (0, 3)


def test_the_voice_alone_needs_no_face_features(models):
    features = joint([(t, NO_TRACK, True) for t in range(10)], 10)
    bare = JointFeatures(features.faces, torch.zeros(10, 0), features.voice, features.has_voice)
    assert_same(predict(models["gru_lite"], bare), predict(models["gru_lite"], features))


def test_features_of_another_width_are_refused_with_both_widths(models):
    with pytest.raises(ConfigError, match=r"gru_lite reads 5 features of the face, but .* outputs 512"):
        models["gru_lite"].for_features(made(face=512, voice=4))


def test_a_model_of_the_face_alone_refuses_voice_features(models):
    with pytest.raises(ConfigError, match="linear_lite reads features of the face, but gets those of the voice"):
        models["linear_lite"].for_features(made(voice=4))


@pytest.mark.parametrize("widths", [{"face": 5}, {"voice": 4}, {"face": 5, "voice": 4}])
def test_a_model_of_face_and_voice_takes_either_or_both(models, widths):
    assert models["gru_lite"].for_features(made(**widths)) is models["gru_lite"]


def test_features_of_another_network_are_refused_although_their_width_fits(tmp_path):
    with pytest.raises(ConfigError, match="gru_lite was trained on the voice features of voice_lite, not of vggish"):
        PredictAffect("gru_lite").for_features(made(face=256, voice=46) | {"voice": card("vggish", 46)})


def test_an_embedded_model_warns_of_features_of_weights_that_were_trained_on(models):
    cards = {"face": builtin_card("aver_lite"), "voice": builtin_card("voice_lite")}
    PredictAffect("gru_lite").for_features(cards)  # no warning, which would be an error here
    tuned = cards["face"].model_copy(update={"sha256": "0" * 64})
    with pytest.warns(AvferWarning, match="gru_lite learned from the face features of the embedded aver_lite, but"):
        PredictAffect("gru_lite").for_features(cards | {"face": tuned})
    models["gru_lite"].for_features(
        made(face=5) | {"face": made(face=5)["face"].model_copy(update={"sha256": "0" * 64})}
    )


def with_measures(rows: JointFeatures, value: float) -> JointFeatures:
    """Return rows whose faces have two measures of this value."""
    has_face = (rows.faces.track_ids != NO_TRACK)[:, None]
    return replace(rows, measures=np.where(has_face, value, np.nan).repeat(2, 1).astype(np.float32))


@pytest.mark.parametrize("name", ["gru_lite", "linear_lite"])
def test_a_model_without_measures_ignores_those_that_are_joined(models, name):
    assert_same(predict(models[name], with_measures(crowd(), 0.5)), predict(models[name], crowd()))


def test_files_returns_the_sha256_of_the_weights(models):
    (name, digest), *others = models["gru_lite"].files().items()
    assert (name, len(digest), others) == ("gru_lite.safetensors", 64, [])

"""A face network with heads of its own fills the result; what it has no head for is not known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avfer.affect_track import AffectTrack
from avfer.errors import AvferWarning, ConfigError, WeightsError
from avfer.models.network import FaceNetwork, construct
from avfer.models.weights import save
from avfer.pipeline import load
from avfer.stages.embed_faces import EmbedFaces
from avfer.stages.predict import PredictAffect, PredictOwnHeads
from avfer.types import FaceCrops, FaceTracks
from tests.laws import clock
from tests.toy_networks import THREE, MeanColour

NAME = "tests.toy_networks:MeanColour"
ORANGE = (255, 102, 51)  # red 1.0, green 0.4, blue 0.2


def faces(n: int) -> FaceCrops:
    """Return crops of one face a frame, all of one colour."""
    tracks = FaceTracks(
        clock(n),
        frames=np.arange(n),
        boxes=np.zeros((n, 4), np.float32),
        landmarks=np.zeros((n, 5, 2), np.float32),
        scores=np.ones(n, np.float32),
        track_ids=np.zeros(n, np.int64),
    )
    pixels = torch.tensor(ORANGE, dtype=torch.uint8).expand(n, 16, 16, 3)
    return FaceCrops(tracks, pixels, np.zeros((n, 2, 3)))


def embedded(folder: Path, temperature: float = 1.0, **options: str) -> EmbedFaces:
    """Return embed_faces with a network that outputs mean colours."""
    card = MeanColour.card(**options).model_copy(update={"temperature": temperature})
    path = save(MeanColour(**options), card, folder / "w.safetensors")
    stage = EmbedFaces(NAME, str(path))
    stage.load(torch.device("cpu"))
    return stage


def predicted(stage: EmbedFaces, n: int = 3) -> AffectTrack:
    """Return the affect of n faces by the heads of the backbone."""
    _, features = stage.step(stage.start(), faces(n))
    return PredictAffect("own").for_features(stage.feature_cards)(features)


@pytest.mark.parametrize(("colour", "means"), [("rgb", (1.0, 0.4, -0.6)), ("bgr", (0.2, 0.4, 1.0))], ids=["rgb", "bgr"])
def test_crops_are_normalised_in_the_colour_order_of_the_card(tmp_path, colour, means):
    stage = embedded(tmp_path, colour=colour)
    _, features = stage.step(stage.start(), faces(2))
    np.testing.assert_allclose(features.values.numpy(), [means, means], atol=1e-6)


def test_every_head_fills_its_columns(tmp_path):
    track = predicted(embedded(tmp_path))
    logits = 2 * np.array([1.0, 0.4, -0.6])
    np.testing.assert_allclose(track.expressions[0], np.exp(logits) / np.exp(logits).sum(), atol=1e-6)
    assert track.classes == tuple(THREE)
    np.testing.assert_allclose(track.action_units[0], [1 / (1 + np.exp(0.6))], atol=1e-6)
    assert track.action_unit_names == ("AU01",)


def test_the_temperature_of_the_card_divides_the_logits_of_expressions_only(tmp_path):
    track, plain = predicted(embedded(tmp_path, temperature=0.5)), predicted(embedded(tmp_path))
    logits = 4 * np.array([1.0, 0.4, -0.6])
    np.testing.assert_allclose(track.expressions[0], np.exp(logits) / np.exp(logits).sum(), atol=1e-6)
    assert (track.action_units == plain.action_units).all() and (track.valence == plain.valence).all()


def test_valence_and_arousal_stay_within_one(tmp_path):
    track = predicted(embedded(tmp_path))
    assert track.valence.tolist() == [1.0] * 3  # 3 times red is 3
    assert track.arousal.tolist() == [1.0] * 3


def test_values_without_a_head_are_missing(tmp_path):
    track = predicted(embedded(tmp_path, heads="expression"))
    assert np.isnan(track.valence).all() and np.isnan(track.arousal).all()
    assert track.action_units.shape == (3, 0)
    assert track.to_pandas()["expression"].tolist() == ["neutral"] * 3


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"features": 4}, "states 4 outputs in features, but the network has 3"),
        ({"classes": [*THREE, "anger"]}, "states 4 outputs in classes, but the network has 3"),
        ({"action_units": ["AU01", "AU02"]}, "states 2 outputs in action_units, but the network has 1"),
    ],
)
def test_a_card_that_states_other_outputs_than_the_network_has_is_named(tmp_path, fields, problem):
    stage = embedded(tmp_path)
    stage.card = stage.card.model_copy(update=fields)
    with pytest.raises(WeightsError, match=f"the card of {NAME} {problem}; correct the card"):
        stage.step(stage.start(), faces(2))


def test_a_head_that_the_card_states_and_the_network_lacks_is_named(tmp_path):
    stage = embedded(tmp_path, heads="expression")
    stage.card = stage.card.model_copy(update={"valence_arousal": True})
    with pytest.raises(WeightsError, match="states 2 outputs in valence_arousal, but the network has 0"):
        stage.step(stage.start(), faces(2))


def test_a_card_without_mean_and_std_cannot_normalise_crops(tmp_path):
    card = MeanColour.card().model_copy(update={"mean": [], "std": []})
    path = save(MeanColour(), card, tmp_path / "w.safetensors")
    with pytest.raises(ConfigError, match=f"backbone: the card of {NAME} must state mean and std of its crops"):
        EmbedFaces(NAME, str(path))


def test_options_on_a_card_that_the_constructor_refuses_are_a_config_error():
    with pytest.raises(ConfigError, match="model 'psr': these options do not go together: cut: must be one of"):
        construct("psr", FaceNetwork, {"cut": 5})


def test_a_clip_without_faces_gives_no_row(tmp_path):
    assert len(predicted(embedded(tmp_path), 0)) == 0


def test_a_network_without_heads_needs_a_model(tmp_path):
    with pytest.raises(ConfigError, match="outputs features only; name a model that reads them"):
        predicted(embedded(tmp_path, heads="none"))


def test_an_assumed_class_order_gives_a_warning(tmp_path):
    save(MeanColour(orders="two"), MeanColour.card(orders="two"), tmp_path / "w.safetensors")
    card = MeanColour.card(orders="two").model_copy(update={"assumed": "first"})
    with pytest.warns(AvferWarning, match="in the order of first, which its file does not state"):
        PredictOwnHeads(card)


def test_a_checkpoint_of_unknown_class_order_must_be_imported_first(tmp_path):
    torch.save({"scale": torch.ones(1)}, tmp_path / "w.pth")
    stage = EmbedFaces(NAME, str(tmp_path / "w.pth"))
    assert stage.card.classes == THREE
    unknown = stage.card.model_copy(update={"classes": [], "valence_arousal": False, "action_units": []})
    with pytest.raises(ConfigError, match="avfer models import` them: choose --classes A,B"):
        PredictOwnHeads(unknown)


def test_own_heads_refuse_the_voice(tmp_path):
    cards = embedded(tmp_path).feature_cards | {"voice": MeanColour.card()}
    with pytest.raises(ConfigError, match="model: own reads the output of embed_faces, without the voice"):
        PredictAffect("own").for_features(cards)


def test_own_heads_take_no_weights_of_their_own():
    with pytest.raises(ConfigError, match=r"^weights: model: own uses the heads of .*got 'heads.safetensors'; name"):
        PredictAffect("own", weights="heads.safetensors")


def test_own_heads_of_the_embedded_backbone_are_the_model_on_its_card():
    raw = next(step for step in load("vision", device="cpu").steps if step.name == "raw")
    assert isinstance(raw.stage, PredictAffect)
    assert raw.stage.model == "linear_lite"


def test_any_backbone_can_replace_the_embedded_one(tmp_path):
    path = save(MeanColour(), MeanColour.card(), tmp_path / "w.safetensors")
    pipeline = load("vision", device="cpu", **{"look.backbone": NAME, "look.weights": str(path)})
    steps = {step.name: step.stage for step in pipeline.steps}
    assert steps["faces"].size == 16
    assert isinstance(steps["raw"], PredictOwnHeads)


def test_a_model_for_features_of_another_width_is_refused_with_both_widths(tmp_path):
    path = save(MeanColour(), MeanColour.card(), tmp_path / "w.safetensors")
    changed = {"look.backbone": NAME, "look.weights": str(path), "raw.model": "linear_lite"}
    with pytest.raises(ConfigError, match=r"linear_lite reads 256 features of the face, but .*MeanColour outputs 3"):
        load("vision", device="cpu", **changed)

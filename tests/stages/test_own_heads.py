"""A face network with heads of its own fills the result; what it has no head for is not known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avfer.errors import AvferWarning, ConfigError
from avfer.models.weights import save
from avfer.pipeline import load
from avfer.stages.embed_faces import EmbedFaces
from avfer.stages.own_heads import OwnHeads
from avfer.stages.predict import PredictAffect
from avfer.types import FaceCrops, FaceTracks
from tests.laws import clock
from tests.toy_networks import THREE, MeanColour

NAME = "tests.toy_networks:MeanColour"
ORANGE = (255, 102, 51)  # red 1.0, green 0.4, blue 0.2


def faces(n: int) -> FaceCrops:
    """One face a frame, all of one colour."""
    tracks = FaceTracks(
        clock(n),
        frames=np.arange(n),
        boxes=np.zeros((n, 4), np.float32),
        landmarks=np.zeros((n, 5, 2), np.float32),
        scores=np.ones(n, np.float32),
        track_ids=np.zeros(n, np.int64),
    )
    return FaceCrops(tracks, torch.tensor(ORANGE, dtype=torch.uint8).expand(n, 16, 16, 3))


def embedded(folder: Path, **options: str) -> EmbedFaces:
    path = save(MeanColour(**options), MeanColour.card(**options), folder / "w.safetensors")
    stage = EmbedFaces(NAME, str(path))
    stage.load(torch.device("cpu"))
    return stage


def read(stage: EmbedFaces, n: int = 3):
    _, features = stage.step(stage.start(), faces(n))
    return PredictAffect("own").fit(stage.makes)(features)


@pytest.mark.parametrize(("colour", "means"), [("rgb", (1.0, 0.4, -0.6)), ("bgr", (0.2, 0.4, 1.0))], ids=["rgb", "bgr"])
def test_crops_are_normalised_in_the_colour_order_of_the_card(tmp_path, colour, means):
    stage = embedded(tmp_path, colour=colour)
    _, features = stage.step(stage.start(), faces(2))
    np.testing.assert_allclose(features.values.numpy(), [means, means], atol=1e-6)


def test_every_head_fills_its_columns(tmp_path):
    track = read(embedded(tmp_path))
    logits = 2 * np.array([1.0, 0.4, -0.6])
    np.testing.assert_allclose(track.expressions[0], np.exp(logits) / np.exp(logits).sum(), atol=1e-6)
    assert track.classes == tuple(THREE)
    np.testing.assert_allclose(track.action_units[0], [1 / (1 + np.exp(0.6))], atol=1e-6)
    assert track.action_unit_names == ("AU01",)


def test_valence_and_arousal_stay_within_one(tmp_path):
    track = read(embedded(tmp_path))
    assert track.valence.tolist() == [1.0] * 3  # 3 times red is 3
    assert track.arousal.tolist() == [1.0] * 3


def test_what_has_no_head_is_not_known(tmp_path):
    track = read(embedded(tmp_path, heads="expression"))
    assert np.isnan(track.valence).all() and np.isnan(track.arousal).all()
    assert track.action_units.shape == (3, 0)
    assert track.to_pandas()["expression"].tolist() == ["neutral"] * 3


def test_no_row_passes_too(tmp_path):
    assert len(read(embedded(tmp_path), 0)) == 0


def test_a_network_without_heads_asks_for_a_model(tmp_path):
    with pytest.raises(ConfigError, match="gives features alone; name a model that reads them"):
        read(embedded(tmp_path, heads="none"))


def test_an_assumed_order_is_told(tmp_path):
    save(MeanColour(orders="two"), MeanColour.card(orders="two"), tmp_path / "w.safetensors")
    card = MeanColour.card(orders="two").model_copy(update={"assumed": "first"})
    with pytest.warns(AvferWarning, match="in the order of first, which its file does not state"):
        OwnHeads(card)


def test_a_checkpoint_whose_order_is_not_proven_must_be_imported_first(tmp_path):
    torch.save({"scale": torch.ones(1)}, tmp_path / "w.pth")
    stage = EmbedFaces(NAME, str(tmp_path / "w.pth"))
    assert stage.card.classes == THREE
    unknown = stage.card.model_copy(update={"classes": [], "valence_arousal": False, "action_units": []})
    with pytest.raises(ConfigError, match="avfer models import` them: choose --classes A,B"):
        OwnHeads(unknown)


def test_own_heads_do_not_hear(tmp_path):
    cards = embedded(tmp_path).makes | {"voice": MeanColour.card()}
    with pytest.raises(ConfigError, match="model: own reads what embed_faces gives, without the voice"):
        PredictAffect("own").fit(cards)


def test_the_embedded_face_network_is_read_by_the_model_on_its_card():
    raw = next(step for step in load("vision", device="cpu").steps if step.name == "raw")
    assert isinstance(raw.stage, PredictAffect)
    assert raw.stage.model == "linear_lite"


def test_any_backbone_takes_the_place_of_the_embedded_one(tmp_path):
    path = save(MeanColour(), MeanColour.card(), tmp_path / "w.safetensors")
    pipeline = load("vision", device="cpu", **{"look.backbone": NAME, "look.weights": str(path)})
    steps = {step.name: step.stage for step in pipeline.steps}
    assert steps["faces"].size == 16
    assert isinstance(steps["raw"], OwnHeads)


def test_a_head_made_for_another_width_names_both(tmp_path):
    path = save(MeanColour(), MeanColour.card(), tmp_path / "w.safetensors")
    changed = {"look.backbone": NAME, "look.weights": str(path), "raw.model": "linear_lite"}
    with pytest.raises(ConfigError, match=r"linear_lite reads 256 features of the face, but .*MeanColour gives 3"):
        load("vision", device="cpu", **changed)

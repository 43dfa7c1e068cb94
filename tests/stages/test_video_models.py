"""A video model serves as the backbone and as the affect model of a pipeline, with one weight file."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avfer.affect_track import AffectTrack
from avfer.errors import ConfigError
from avfer.models.factory import create
from avfer.models.weights import card_of, save
from avfer.pipeline import Pipeline, load
from avfer.stages.embed_faces import EmbedFaces
from avfer.stages.embed_voice import EmbedVoice
from avfer.stages.predict import PredictAffect
from avfer.types import FaceCrops, FaceTracks
from tests.laws import assert_same, clock, feed

DEMO = Path(__file__).parents[1] / "data" / "demo.mp4"
SMALL = {"width": 2, "num_features": 12, "num_hidden": 5}
OPTIONS = {
    "affwildnet_vgg_gru": SMALL,
    "affwildnet_resnet_gru": {"width": 2, "num_hidden": 5},
    "av_mt_vgg_rnn": SMALL,
}


def saved(name: str, folder: Path, **options: int) -> str:
    """Write the weights of a small random network and return their path."""
    torch.manual_seed(0)
    options = OPTIONS[name] | options
    network = create(name, **options)
    return str(save(network, card_of(name, **options), folder / f"{name}.safetensors"))


def pipeline(base: str, name: str, weights: str, *stages: str) -> Pipeline:
    """Return a bundled pipeline with the video model in place of the networks of some stages."""
    options = {"look": "backbone", "voice": "backbone", "raw": "model"}
    changes = {f"{stage}.{options[stage]}": name for stage in stages}
    return load(base, device="cpu", **changes, **{f"{stage}.weights": weights for stage in stages})


def crops(n: int) -> FaceCrops:
    """Return random crops of two people, the second on every third frame."""
    frames = np.sort(np.concatenate([np.arange(n), np.arange(0, n, 3)]))
    rows = len(frames)
    tracks = FaceTracks(
        clock(n),
        frames=frames,
        boxes=np.zeros((rows, 4), np.float32),
        landmarks=np.zeros((rows, 5, 2), np.float32),
        scores=np.ones(rows, np.float32),
        track_ids=np.concatenate([[0], (np.diff(frames) == 0).astype(np.int64)]),
    )
    random = torch.Generator().manual_seed(4)
    pixels = torch.randint(0, 256, (rows, 96, 96, 3), generator=random, dtype=torch.uint8)
    return FaceCrops(tracks, pixels, np.zeros((rows, 2, 3)))


def loaded(name: str, weights: str) -> tuple[EmbedFaces, PredictAffect]:
    embed = EmbedFaces(name, weights)
    predict = PredictAffect(name, weights).for_features(embed.feature_cards)
    assert isinstance(predict, PredictAffect)
    embed.load(torch.device("cpu"))
    predict.load(torch.device("cpu"))
    return embed, predict


def run(embed: EmbedFaces, predict: PredictAffect, faces: FaceCrops, cuts: list[int]) -> AffectTrack:
    return feed(predict, [feed(embed, [faces], cuts)], cuts)


@pytest.mark.parametrize("name", ["affwildnet_vgg_gru", "affwildnet_resnet_gru"])
def test_a_video_model_alone_predicts_the_affect_of_a_clip(name, tmp_path):
    vision = pipeline("vision", name, saved(name, tmp_path), "look", "raw")
    faces = next(step.stage for step in vision.steps if step.name == "faces")
    assert faces.size == 96
    table = vision.run(DEMO).to_pandas()
    faces = table[table["reason"].isna()]
    assert len(faces) > 100 and table["frame"].nunique() == 130
    assert faces["valence"].between(-1, 1).all() and faces["valence"].std() > 1e-6
    assert faces["arousal"].between(-1, 1).all() and faces["arousal"].std() > 1e-6
    assert "expression" not in table or table["expression"].isna().all()


def test_a_video_model_of_face_and_voice_predicts_the_affect_of_a_clip(tmp_path):
    weights = saved("av_mt_vgg_rnn", tmp_path)
    table = pipeline("aver", "av_mt_vgg_rnn", weights, "look", "voice", "raw").run(DEMO).to_pandas()
    faces = table[table["reason"].isna()]
    assert len(faces) > 100
    assert faces["valence"].std() > 1e-6
    assert faces["expression"].isin(card_of("av_mt_vgg_rnn").classes).all()
    assert faces[["au01", "au25"]].stack().between(0, 1).all()


@pytest.mark.parametrize("cuts", [[], [1], [7, 40, 41], [32, 64]])
def test_chunks_change_no_value(cuts, tmp_path):
    embed, predict = loaded("affwildnet_vgg_gru", saved("affwildnet_vgg_gru", tmp_path))
    faces = crops(70)
    assert_same(run(embed, predict, faces, cuts), run(embed, predict, faces, [20, 50]))


def test_each_person_is_one_sequence_of_the_network(tmp_path):
    weights = saved("affwildnet_vgg_gru", tmp_path)
    faces = crops(30)
    track = run(*loaded("affwildnet_vgg_gru", weights), faces, [])
    network = create("affwildnet_vgg_gru", weights=weights)
    pixels = (faces.pixels.permute(0, 3, 1, 2).float() - 128) / 128
    for person in (0, 1):
        rows = track.faces.track_ids == person
        with torch.inference_mode():
            valence_arousal = network(pixels[torch.from_numpy(rows)][None])[0].clamp(-1, 1)
        found = np.stack([track.valence[rows], track.arousal[rows]], 1)
        np.testing.assert_allclose(found, valence_arousal.numpy(), atol=1e-5)
        assert valence_arousal.std(0).min() > 1e-4


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("own", "affwildnet_vgg_gru reads its features over time: name it at model: too"),
        ("linear_lite", "linear_lite reads 256 features of the face, but affwildnet_vgg_gru outputs 12"),
        ("affwildnet_resnet_gru", "reads 64 features of the face, but affwildnet_vgg_gru outputs 12"),
    ],
)
def test_features_of_a_video_model_fit_no_other_model(model, message, tmp_path):
    cards = EmbedFaces("affwildnet_vgg_gru", saved("affwildnet_vgg_gru", tmp_path)).feature_cards
    weights = saved(model, tmp_path) if model in OPTIONS else "builtin"
    with pytest.raises(ConfigError, match=message):
        PredictAffect(model, weights).for_features(cards)


def test_a_video_model_without_a_voice_is_no_voice_backbone(tmp_path):
    with pytest.raises(ConfigError, match="states no number of voice features"):
        EmbedVoice("affwildnet_vgg_gru", saved("affwildnet_vgg_gru", tmp_path))


def test_classes_whose_order_is_not_known_are_refused(tmp_path):
    weights = saved("av_mt_vgg_rnn", tmp_path, num_classes=5)
    with pytest.raises(ConfigError, match="the class order of these av_mt_vgg_rnn weights is not known"):
        PredictAffect("av_mt_vgg_rnn", weights).for_features(EmbedFaces("av_mt_vgg_rnn", weights).feature_cards)


def test_aver_voice_predicts_affect_from_the_voice_alone(tmp_path):
    torch.manual_seed(0)
    weights = str(save(create("aver_voice"), card_of("aver_voice"), tmp_path / "aver_voice.safetensors"))
    table = pipeline("voice", "aver_voice", weights, "voice", "raw").run(DEMO).to_pandas()
    assert (table["valence"].notna() == table["has_voice"]).all()
    assert table["has_voice"].any() and table["arousal"].std() > 0
    assert "expression" not in table or table["expression"].isna().all()


def test_a_model_without_heads_is_no_affect_model():
    with pytest.raises(ConfigError, match="vggish_lite outputs features only; name a model that reads them"):
        PredictAffect("vggish_lite").for_features(EmbedVoice("vggish_lite").feature_cards)

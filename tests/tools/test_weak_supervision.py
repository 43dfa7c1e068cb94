"""Training data of the affect heads: published mappings, and sequences composed of faces and voices."""

import numpy as np
import pytest
import torch

from tools.train import sequences
from tools.train.features import Faces, Voice, sentence_label
from tools.train.ferplus import CLASSES
from tools.train.mappings import ACTION_UNITS, action_units, valence_arousal
from tools.train.ravdess import EMOTIONS, Utterance
from tools.train.sequences import Composer


def utterance(emotion: str, strong: bool = False) -> Utterance:
    return Utterance(torch.zeros(0), EMOTIONS.index(emotion), strong, "01", "03-01-05-01-02-01-01.flac")


@pytest.fixture(scope="module")
def composed():
    """Sequences of faces whose feature is their class (times 10), and of voices whose feature is their class + 1."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequences, "LARGEST_SWING", 0.0)
        return composer().draw(200, 40)


def composer(num_measures: int = 0) -> Composer:
    shares = torch.eye(len(CLASSES))
    yes = torch.ones(len(CLASSES), dtype=torch.bool)
    measures = torch.full((len(CLASSES), num_measures), 0.5)
    faces = Faces(shares[None] * 10, shares, torch.arange(len(CLASSES)), yes, ~yes, measures)
    voices = [
        Voice(torch.full((12, 4), float(label.expression + 1)), torch.ones(12), label)
        for label in (sentence_label(utterance(name)) for name in EMOTIONS)
    ]
    noises = [Voice(torch.zeros(12, 4), torch.zeros(12), None)]
    return Composer(faces, voices, noises, seed=0)


@pytest.mark.parametrize(
    ("name", "pleasant", "aroused", "units"),
    [
        ("happiness", 1, 1, {"AU12", "AU25"}),
        ("sadness", -1, -1, {"AU04", "AU15"}),
        ("anger", -1, 1, {"AU04", "AU07", "AU24"}),
        ("surprise", 1, 1, {"AU01", "AU02", "AU25", "AU26"}),
        ("neutral", 0, 0, set()),
        ("contempt", -1, 1, {"AU14"}),
    ],
)
def test_classes_have_their_published_values(name, pleasant, aroused, units):
    one = np.eye(len(CLASSES), dtype=np.float32)[[CLASSES.index(name)]]
    assert np.sign(valence_arousal(one)[0]).tolist() == [pleasant, aroused]
    assert {ACTION_UNITS[i] for i in np.flatnonzero(action_units(one)[0] > 0.8)} == units


def test_mixed_votes_have_mixed_targets():
    mixed = np.full((1, len(CLASSES)), 1 / len(CLASSES), np.float32)
    each = np.eye(len(CLASSES), dtype=np.float32)
    np.testing.assert_allclose(valence_arousal(mixed)[0], valence_arousal(each).mean(0), atol=1e-6)


def test_calm_counts_as_neutral_and_intensity_scales_arousal():
    assert sentence_label(utterance("calm")).expression == CLASSES.index("neutral")
    strong, normal = (sentence_label(utterance("anger", strong)) for strong in (True, False))
    assert strong.arousal > normal.arousal > 0 and strong.sentence == "02"
    assert len({sentence_label(utterance("sadness", strong)).arousal for strong in (True, False)}) == 1


def test_targets_are_probabilities_and_within_range(composed):
    torch.testing.assert_close(composed.expression.sum(-1), torch.ones(200, 40))
    assert composed.valence_arousal.abs().max() <= 1


def test_features_of_a_missing_face_or_voice_are_zero(composed):
    assert not composed.face[~composed.has_face].any()
    assert not composed.voice[~composed.has_voice].any()
    assert composed.has_face.any()
    assert composed.has_voice.any()
    assert (~composed.has_face & composed.has_voice).any()


def test_expression_and_valence_follow_the_face(composed):
    held = composed.has_face & (composed.expression.max(-1).values == 1)
    label = composed.expression[held].argmax(-1)
    assert torch.equal(composed.face[held].argmax(-1), label)
    torch.testing.assert_close(
        composed.valence_arousal[held][:, 0], torch.from_numpy(valence_arousal(np.eye(8, dtype="f")))[label, 0]
    )


def test_expression_follows_the_voice_where_there_is_no_face(composed):
    alone = ~composed.has_face & composed.has_voice & (composed.expression.max(-1).values == 1)
    spoken = composed.voice[alone][:, 0]
    label = composed.expression[alone].argmax(-1)[spoken == spoken.round()]
    spoken = spoken[spoken == spoken.round()]
    assert torch.equal(torch.where(spoken > 0, spoken - 1, 0).long(), label)


def test_arousal_is_the_mean_of_face_and_voice(composed):
    said = composed.voice[..., 0].round().long() - 1
    clear = (composed.voice[..., 0] - 1 - said).abs() < 1e-4
    both = composed.has_face & composed.has_voice & clear & (said >= 0) & (composed.expression.max(-1).values == 1)
    shown, said = composed.expression[both].argmax(-1), said[both]
    assert (shown != said).any()
    face = torch.from_numpy(valence_arousal(np.eye(len(CLASSES), dtype=np.float32)))[:, 1]
    voice = torch.where(face > 0, 0.8 * face, face)  # of normal intensity
    torch.testing.assert_close(composed.valence_arousal[both][:, 1], (face[shown] + voice[said]) / 2, atol=1e-4, rtol=0)


def test_the_mouth_of_a_neutral_face_that_speaks_moves_and_stays_neutral(monkeypatch):
    monkeypatch.setattr(sequences, "MODES", {"talk": 1.0})
    talking = composer().draw(20, 40)
    moved = talking.has_face & talking.has_voice & (talking.face[..., 1:].amax(-1) > 2)
    assert moved.any()
    assert (talking.expression[moved][:, CLASSES.index("neutral")] == 1).all()
    assert not talking.valence_arousal[moved][:, 0].any()


def test_a_still_face_does_not_change_and_has_no_voice():
    still = composer().still(30, 6)
    assert still.has_face.all() and not still.has_voice.any() and not still.voice.any()
    assert (still.face == still.face[:, :1]).all()
    assert torch.equal(still.face.argmax(-1), still.expression.argmax(-1))


@pytest.mark.parametrize("kind", ["still", "draw"])
def test_a_seventh_of_the_sequences_has_no_measures(kind):
    drawn = composer(num_measures=3)
    sequences = drawn.still(400, 2) if kind == "still" else drawn.draw(400, 2, "face")
    unknown = sequences.face[..., -3:].isnan()
    assert torch.equal(unknown.any(-1), unknown.all(-1)) and not sequences.face[..., :-3].isnan().any()
    assert 0.08 < unknown[:, :, 0][sequences.has_face].float().mean() < 0.24

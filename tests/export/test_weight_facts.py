"""Licences of the weights behind a table, and the note on mapped values."""

import json

from avfer.export.weight_facts import NO_CARD, is_silent, mapped_note, weight_files
from avfer.models.card_files import builtin_card
from avfer.models.detectors.mtcnn import Mtcnn
from avfer.models.detectors.silero_vad import SileroVad
from avfer.stages.detect import DetectFaces
from avfer.stages.detect_speech import DetectSpeech


def metadata(*names: str, **other: str) -> dict[str, str]:
    return {"weights": json.dumps({f"{name}.safetensors": builtin_card(name).sha256 for name in names})} | other


def test_embedded_weights_have_the_licence_of_their_card():
    (file,) = weight_files(metadata("gru_lite"))
    assert file.licence == builtin_card("gru_lite").licence_weights != ""


def test_a_file_of_the_user_has_no_licence_here_even_under_the_name_of_an_embedded_one():
    weights = {"mine.safetensors": "1" * 64, "gru_lite.safetensors": "2" * 64}
    files = weight_files({"weights": json.dumps(weights)})
    assert [file.licence for file in files] == [NO_CARD, NO_CARD]
    assert mapped_note({"weights": json.dumps(weights)}) == ""


def test_the_detectors_of_the_pipelines_name_their_files_and_licence():
    found = {name: value for kind in (DetectFaces, DetectSpeech) for name, value in kind().files().items()}
    files = weight_files({"weights": json.dumps(found)})
    assert [file.name for file in files] == ["pnet.pt", "rnet.pt", "onet.pt", "silero_vad.jit"]
    assert {file.licence for file in files} == {Mtcnn.card().licence_weights, SileroVad.card().licence_weights}
    assert all(len(file.sha256) == 64 for file in files) and len({file.sha256 for file in files}) == 4


def test_embedded_weights_of_an_earlier_version_have_the_note_but_no_licence_of_the_present_ones():
    pipeline = "stages: {raw: {use: predict_affect, from: look, model: gru_lite, weights: %s}}"
    found = {"weights": json.dumps({"gru_lite.safetensors": "2" * 64}), "pipeline": pipeline % "builtin"}
    assert mapped_note(found) == mapped_note(metadata("gru_lite"))
    assert weight_files(found)[0].licence == NO_CARD
    assert mapped_note(found | {"pipeline": pipeline % "mine/gru_lite.safetensors"}) == ""


def test_the_note_names_what_is_mapped():
    assert mapped_note(metadata("gru_lite")).startswith("Valence, arousal and action units are mapped")
    assert mapped_note(metadata("gru_lite", au_scale="activation")).startswith("Valence and arousal are mapped")
    assert mapped_note(metadata("identity_lite")) == mapped_note({}) == ""


def test_the_note_states_what_comes_from_the_voice():
    face = mapped_note(metadata("aver_lite", "linear_lite", au_scale="activation"))
    both = mapped_note(metadata("aver_lite", "voice_lite", "gru_lite", au_scale="activation"))
    voice = mapped_note(metadata("voice_lite", "gru_lite"))
    assert "voice" not in face and "expressions of faces" in face
    assert "expressions of faces" in both
    assert "arousal of the face that speaks weighs an estimate from the voice" in both
    assert voice.startswith("Valence and arousal are mapped from the voice") and "faces" not in voice


def test_research_weights_have_the_same_note_as_the_free_ones():
    free = mapped_note(metadata("aver_lite", "voice_lite", "gru_lite"))
    research = mapped_note(metadata("aver_lite", "voice_lite.research", "gru_lite.research"))
    assert research.replace("gru_lite.research", "gru_lite") == free


def test_a_clip_with_a_separate_sound_file_is_not_silent():
    assert is_silent({"audio": "null", "input": '{"size": 1}'})
    assert not is_silent({"audio": "null", "input": '{"size": 1, "sound": {"size": 2}}'})
    assert not is_silent({"audio_codec": "aac", "input": '{"size": 1}'})

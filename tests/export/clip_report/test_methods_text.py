"""The texts of a page that a paper needs: caveats, methods and BibTeX state what ran on the clip, and nothing else."""

import pytest

from avfer.baseline import Baseline
from avfer.configurations import find_configuration
from avfer.export.clip_report.methods_text import methods
from avfer.models.card_files import builtin_card
from avfer.provenance import Provenance
from avfer.types import NO_TRACK
from tests.export.clip_report.page_data import page_data, write_page
from tests.export.tracks import TWO_PEOPLE, make_track, with_measures


def test_values_of_embedded_weights_are_said_to_be_mapped_and_measures_are_not(tmp_path):
    source = Provenance("a.mp4", weights={"gru_lite.safetensors": builtin_card("gru_lite").sha256 or ""})
    table = with_measures(make_track([(0, 1)], 1, source=source))
    (clip,) = page_data(write_page(table, tmp_path))["clips"]
    assert clip["caveats"][0].startswith("Valence and arousal are mapped, not measured")
    assert clip["caveats"][1].startswith("Action units are measured movements")
    assert "mapped, not measured" in clip["methods"] and "@misc{buhl2023emogator" in clip["bibtex"]
    other = make_track([(0, 1)], 1, source=Provenance("a.mp4", weights={"gru_lite.safetensors": "ab" * 32}))
    assert (
        "does not state embedded weights" in page_data(write_page(other.to_table(), tmp_path))["clips"][0]["caveats"][0]
    )


@pytest.mark.parametrize(
    ("name", "audio", "left_out"),
    [
        ("a.mp4", {"audio_codec": "aac"}, []),
        ("a.mp4", {"audio": None}, ["During speech", "the sound was described", "voice_lite ("]),
        ("a.jpg", {"audio": None}, ["During speech", "the sound was described", "voice_lite (", "over time"]),
    ],
)
def test_texts_leave_out_speech_without_sound_and_time_on_a_photograph(tmp_path, name, audio, left_out):
    names = ("aver_lite", "voice_lite", "gru_lite")
    weights = {f"{name}.safetensors": builtin_card(name).sha256 or "" for name in names}
    pipeline = find_configuration("pipeline", "aver").read_text()
    source = Provenance(name, pipeline=pipeline, weights=weights, stream=audio)
    (clip,) = page_data(write_page(make_track([(0, 1)], 1, source=source).to_table(), tmp_path, name))["clips"]
    texts = " ".join([clip["methods"], *clip["caveats"]])
    for text in ("During speech", "the sound was described", "voice_lite (", "over time"):
        assert (text in texts) == (text not in left_out)
    assert "Faces were detected" in texts and "aver_lite (" in texts


def test_texts_on_sound_alone_leave_out_faces(tmp_path):
    names = ("aver_lite", "voice_lite", "gru_lite", "face_lite")
    weights = {f"{name}.safetensors": builtin_card(name).sha256 or "" for name in names}
    pipeline = find_configuration("pipeline", "aver").read_text()
    stream = {"video": None, "audio_codec": "vorbis"}
    source = Provenance("a.ogg", pipeline=pipeline, weights=weights, stream=stream)
    track = make_track([(frame, NO_TRACK) for frame in range(3)], 3, pictures=False, source=source)
    (clip,) = page_data(write_page(with_measures(track), tmp_path, "a.ogg"))["clips"]
    assert clip["caveats"][0].startswith("Valence and arousal are mapped from the voice")
    for text in ("aces were detected", "Action units are", "votes on the expressions of faces, by", "face_lite ("):
        assert text not in " ".join([clip["methods"], *clip["caveats"]])
    assert "The sound was described in windows over time" in clip["methods"] and "voice_lite (" in clip["methods"]
    assert "mtcnn" not in clip["bibtex"] and "lugaresi" not in clip["bibtex"] and "buhl" in clip["bibtex"]


@pytest.mark.parametrize(
    ("stated", "begin"),
    [
        ({}, "avfer (version not stated in the table)."),
        ({"version": "1.0", "pipeline_sha256": "ab" * 32}, "avfer 1.0, a pipeline with the sha256 abababababab."),
        ({"version": "1.0", "pipeline_name": "aver", "device": "cpu"}, "avfer 1.0, pipeline aver, on the device cpu."),
    ],
)
def test_methods_state_no_more_about_the_pipeline_than_the_table(tmp_path, stated, begin):
    table = TWO_PEOPLE.to_table().replace_schema_metadata(stated)
    (clip,) = page_data(write_page(table, tmp_path))["clips"]
    assert clip["methods"].startswith(f"The recording (2.8 s, 70 frames) was analysed with {begin} ")
    assert ("version = {1.0}" in clip["bibtex"]) == ("version" in stated) == ("version" in clip["bibtex"])


@pytest.mark.parametrize(
    ("baseline", "text"),
    [
        (Baseline(), "the 0.1 quantile of the person's values in the clip was subtracted"),
        (Baseline((0.0, 2.5)), "the median of the person's values from 0 to 2.5 s was subtracted"),
    ],
)
def test_methods_state_how_resting_values_were_subtracted(baseline, text):
    assert text in methods({"au_baseline": baseline.as_metadata()}, "recording")
    assert "subtracted" not in methods({}, "recording") and "subtracted" not in methods({"au_baseline": "?"}, "")

from pathlib import Path

import pytest

from avfer.datasets.corpus import check, open_corpus
from avfer.errors import ConfigError
from tests.datasets.on_disk import empty, expression, expressions, text

REAL = Path(__file__).parents[3] / "shared" / "data" / "speech" / "ravdess"


@pytest.mark.parametrize("folder", [".", "Actor_12", "Video_Speech_Actor_12/Actor_12", "audio/Actor_12"])
@pytest.mark.parametrize(
    ("emotion", "name"),
    [
        *((1, "neutral"), (2, "calm"), (3, "happiness"), (4, "sadness")),
        *((5, "anger"), (6, "fear"), (7, "disgust"), (8, "surprise")),
    ],
)
def test_expressions_are_numbered_from_1(tmp_path, folder, emotion, name):
    path = tmp_path / folder / f"01-01-0{emotion}-01-02-01-12.mp4"
    empty(path, tmp_path / folder / ".DS_Store")
    corpus = open_corpus("ravdess", tmp_path)
    (example,) = corpus.examples("train")
    assert expression(example) == name and example.subject == "Actor_12"
    assert example.video == example.audio == path and example.frames is None and len(example.times) == 1
    assert example.whole_clip


@pytest.mark.parametrize(("modality", "ending"), [("01", "mp4"), ("02", "mp4"), ("03", "wav"), ("03", "flac")])
def test_the_modality_in_the_name_decides_between_video_and_audio(tmp_path, modality, ending):
    empty(tmp_path / f"{modality}-02-06-01-02-01-15.{ending}")
    (example,) = open_corpus("ravdess", tmp_path).examples("dev")
    assert (example.video is not None, example.audio is not None) == (modality != "03", modality != "02")


def test_each_clip_is_read_once_and_others_are_counted(tmp_path):
    same = [f"{modality}-01-05-01-01-01-01" for modality in ("01", "02", "03")]
    empty(*(tmp_path / f"{name}.{'wav' if name[1] == '3' else 'mp4'}" for name in same), tmp_path / "notes.wav")
    empty(tmp_path / "03-01-03-01-02-01-07.wav", tmp_path / "03-01-03-01-02-02-07.wav", tmp_path / "01-01-09-01.mp4")
    corpus = open_corpus("ravdess", tmp_path)
    assert list(expressions(corpus)) == ["01-01-05-01-01-01-01", "03-01-03-01-02-01-07"]
    assert sum(corpus.notes.counts.values()) == 5 + 2  # files left out, and two clips without a duration


def test_a_video_without_audio_is_preferred_to_the_audio(tmp_path):
    empty(tmp_path / "02-01-05-01-01-01-01.mp4", tmp_path / "03-01-05-01-01-01-01.wav")
    corpus = open_corpus("ravdess", tmp_path)
    assert list(expressions(corpus)) == ["02-01-05-01-01-01-01"]
    assert corpus.notes.counts["audio files of clips whose video is on disk: left out"] == 1


def test_the_split_is_by_speaker_and_leaves_out_23_and_24(tmp_path):
    empty(*(tmp_path / f"Actor_{actor:02d}" / f"03-01-05-01-01-01-{actor:02d}.wav" for actor in range(1, 25)))
    report = check(open_corpus("ravdess", tmp_path))
    assert report.passed and {p: c.subjects for p, c in report.partitions.items()} == {"train": 14, "dev": 4, "test": 4}
    assert any("outside the split" in sentence and count == 2 for sentence, count in report.notes.counts.items())
    assert "no official one" in report.protocol
    assert len(list(open_corpus("ravdess", tmp_path, split="all").examples("train"))) == 24
    split = text(tmp_path / "split.txt", "train: 1-20", "test: 21 22 23 24")
    assert open_corpus("ravdess", tmp_path, split=str(split)).partitions == ("train", "test")
    text(split, "train: 1-20", "test: 20 21")
    with pytest.raises(ConfigError, match="speaker 20 is in train and in test"):
        open_corpus("ravdess", tmp_path, split=str(split))


def test_songs_may_be_read_alone(tmp_path):
    empty(tmp_path / "03-01-05-01-01-01-01.wav", tmp_path / "03-02-05-01-01-01-01.wav")
    assert list(expressions(open_corpus("ravdess", tmp_path, channel="song"))) == ["03-02-05-01-01-01-01"]
    with pytest.raises(ConfigError, match="unknown channel 'singing'"):
        open_corpus("ravdess", tmp_path, channel="singing")


@pytest.mark.skipif(not REAL.exists(), reason="needs the sounds of RAVDESS in ../shared")
def test_the_real_corpus_is_read_without_faults():
    corpus = open_corpus("ravdess", REAL)
    report = check(corpus)
    assert report.passed
    assert {p: c.examples for p, c in report.partitions.items()} == {"train": 839, "dev": 240, "test": 240}
    names = [expression(example) for example in corpus.examples("test")]
    assert names.count("neutral") == 16 and all(names.count(name) == 32 for name in set(names) - {"neutral"})
    assert 1.0 < next(iter(corpus.examples("train"))).times[0] < 3.0

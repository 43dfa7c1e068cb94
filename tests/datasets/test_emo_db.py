import pytest

from avfer.datasets.corpus import check, open_corpus
from tests.datasets.on_disk import empty, expressions, only


@pytest.mark.parametrize("folder", ["wav", ".", "emo_db/wav"])
@pytest.mark.parametrize(
    ("letter", "name"),
    [
        *(("W", "anger"), ("L", "boredom"), ("E", "disgust"), ("A", "fear")),
        *(("F", "happiness"), ("T", "sadness"), ("N", "neutral")),
    ],
)
def test_letters_of_german_words_are_the_classes(tmp_path, folder, letter, name):
    empty(tmp_path / folder / f"03a01{letter}a.wav", tmp_path / folder / "04a01Fa.wav", tmp_path / "lablaut" / "x.lab")
    corpus = open_corpus("emo_db", tmp_path)
    assert expressions(corpus) == {f"03a01{letter}a": name}
    example = only(corpus)
    assert example.subject == "03" and example.video is None and example.audio.exists()
    assert corpus.notes.counts["sounds that are not named as in EMO-DB: ignored"] == 1


def test_the_ten_speakers_are_split_without_overlap(tmp_path):
    speakers = ("03", "08", "09", *map(str, range(10, 17)))
    empty(*(tmp_path / "wav" / f"{speaker}b10Tb.wav" for speaker in speakers))
    report = check(open_corpus("emo_db", tmp_path))
    assert report.passed and [counts.subjects for counts in report.partitions.values()] == [6, 2, 2]

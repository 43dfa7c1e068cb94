from pathlib import Path

import numpy as np
import pytest

from avfer.datasets.corpus import check, open_corpus
from avfer.datasets.recola import Recola
from avfer.errors import ConfigError, DatasetError
from tests.datasets.on_disk import RATED, RATERS, arff, count_notes, empty, only, original, ratings, text

DIMENSIONS = ("arousal", "valence")
GOLD = {"arousal": [0.1, -0.2, 0.3], "valence": [-0.5, 0.25, 1.0]}
FOUR = np.array([[0.0, 0.1, -0.1], [0.1, 0.1, 0.2], [0.2, 0.3, 0.1], [0.3, 0.4, 0.2]])  # (T, R), the worked example


def avec_2016(root: Path, names: tuple[str, ...] = ("train_1", "dev_2", "dev_10")) -> Path:
    for name in names:
        for dimension, gold in GOLD.items():
            arff(root / "ratings_gold_standard" / dimension / f"{name}.arff", gold)
            ratings(root / "ratings_individual" / dimension / f"{name}.csv", RATED)
    for name in (*names, "test_1"):
        empty(root / "recordings_audio" / f"{name}.wav", root / "recordings_video" / f"{name}.mp4")
    return root


def ges(root: Path) -> Path:
    for dimension, gold in GOLD.items():
        arff(root / "labels" / "gs_1" / dimension / "dev_1.arff", gold)
        arff(root / "labels" / "gs_2" / dimension / "dev_1.arff", [0.0, 0.0, 0.0])
        ratings(root / "labels" / "individual" / dimension / "dev_1.csv", RATED)
    text(root / "features" / "audio" / "BoAW" / "dev_1_3.0_0.4.arff", "@relation features")
    empty(root / "recordings" / "audio" / "dev_1.wav", root / "recordings" / "video" / "dev_1.mp4")
    return root


def notes_of(corpus: Recola) -> dict[str, int]:
    for partition in corpus.partitions:
        list(corpus.examples(partition))
    return corpus.notes.counts


@pytest.mark.parametrize("below", ["", "RECOLA/AVEC2016"])
def test_avec_2016_is_read_to_the_value(tmp_path, below):
    avec_2016(tmp_path / below)
    corpus = open_corpus("recola", tmp_path)
    assert corpus.distribution == "AVEC 2015 and 2016" and corpus.partitions == ("train", "dev", "test")
    assert [example.id for example in corpus.examples("dev")] == ["dev_2", "dev_10"]
    example = only(corpus, "train")
    assert (example.id, example.subject, example.partition) == ("train_1", "train_1", "train")
    assert example.times.tolist() == [0.0, 0.04, 0.08] and example.frames is None
    for dimension, gold in GOLD.items():
        assert example.labels[dimension].values.tolist() == gold and example.labels[dimension].valid.all()
        assert example.labels[f"raters_{dimension}"].names == RATERS
        assert example.labels[f"raters_{dimension}"].values.tolist() == RATED.tolist()
    assert example.video == tmp_path / below / "recordings_video" / "train_1.mp4"
    assert example.audio == tmp_path / below / "recordings_audio" / "train_1.wav"


@pytest.mark.parametrize("make", [avec_2016, ges, original])
def test_folders_unpacked_into_folders_of_their_names_are_read(tmp_path, make):
    def contents(root: Path) -> list[tuple[object, ...]]:
        corpus = Recola(root)
        found = [example for partition in corpus.partitions for example in corpus.examples(partition)]
        media = [[path and path.name for path in (example.video, example.audio)] for example in found]
        labels = [{kind: labels.values.tolist() for kind, labels in example.labels.items()} for example in found]
        return [(corpus.distribution, corpus.protocol), *zip(media, labels, strict=True)]

    once, twice = make(tmp_path / "once"), make(tmp_path / "twice")
    for folder in list(twice.iterdir()):
        folder.rename(tmp_path / "moved")
        folder.mkdir()
        (tmp_path / "moved").rename(folder / folder.name)
    assert contents(twice) == contents(once)


def test_a_test_recording_has_media_and_no_labels(tmp_path):
    example = only(Recola(avec_2016(tmp_path)), "test")
    assert (example.id, example.labels, example.times) == ("test_1", {}, None)
    assert example.video and example.audio


def test_gold_standards_of_2018_are_chosen_by_name(tmp_path):
    ges(tmp_path)
    assert "AVEC 2018" in Recola(tmp_path).distribution and "gs_1" in Recola(tmp_path).protocol
    example = only(Recola(tmp_path), "dev")
    assert example.labels["valence"].values.tolist() == GOLD["valence"]
    assert example.audio == tmp_path / "recordings" / "audio" / "dev_1.wav"
    assert example.video == tmp_path / "recordings" / "video" / "dev_1.mp4"
    assert only(Recola(tmp_path, gold="gs_2"), "dev").labels["valence"].values.tolist() == [0, 0, 0]
    assert only(Recola(tmp_path, gold="mean"), "dev").labels["valence"].values == pytest.approx(RATED.mean(1))


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("below", ["", "corpora/RECOLA"])
def test_the_original_release_is_split_and_rated_as_named(tmp_path, later, below):
    original(tmp_path / below, later=later)
    corpus = Recola(tmp_path)
    assert "original release" in corpus.distribution and ("later" in corpus.distribution) == later
    assert "8/8/7" in corpus.protocol and "'mean'" in corpus.protocol
    assert [only(corpus, p).id for p in ("train", "dev", "test")] == ["P45", "P28", "P16"]
    example = only(corpus, "train")
    assert example.subject == "P45" and example.video and example.audio
    assert example.labels["arousal"].values == pytest.approx(RATED.mean(1))
    assert only(Recola(tmp_path, gold="ewe"), "dev").labels["arousal"].values == pytest.approx(RATED.mean(1))


@pytest.mark.parametrize(
    ("gold", "expected"),
    [("avec", [0.001137, 0.13447, 0.201137, 0.301137]), ("ewe", [0.006496, 0.125705, 0.206496, 0.306496])],
)
def test_a_gold_standard_is_computed_from_the_ratings(tmp_path, gold, expected):
    for dimension in DIMENSIONS:
        ratings(tmp_path / "ratings_individual" / dimension / "dev_1.csv", FOUR, "time;FM1;FM2;FF1")
    values = only(Recola(tmp_path, gold=gold), "dev").labels["valence"].values
    assert np.round(values, 6).tolist() == expected
    assert only(Recola(tmp_path), "dev").labels["valence"].values.tolist() == pytest.approx(
        [0.001137, 0.13447, 0.201137, 0.301137]
    )


@pytest.mark.parametrize("remarks", [0, 2, 4])
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_headers_of_any_length_and_quoted_names_are_read(tmp_path, remarks, quote):
    for dimension in DIMENSIONS:
        arff(tmp_path / "ratings_gold_standard" / dimension / "dev_1.arff", [0.5, "?"], quote=quote, remarks=remarks)
    labels = only(Recola(tmp_path), "dev").labels["arousal"]
    assert labels.values[0] == 0.5 and labels.valid.tolist() == [True, False] and np.isnan(labels.values[1])


@pytest.mark.parametrize(
    "how", [{"end": "\r\n"}, {"mark": "\ufeff"}, {"header": "time ; " + " ; ".join(RATERS) + " ;"}]
)
def test_ratings_as_spreadsheets_leave_them_are_read(tmp_path, how):
    avec_2016(tmp_path, ("dev_1",))
    ratings(tmp_path / "ratings_individual" / "valence" / "dev_1.csv", RATED, **how)
    labels = only(Recola(tmp_path), "dev").labels["raters_valence"]
    assert labels.names == RATERS and labels.values.tolist() == RATED.tolist()


def test_files_of_operating_systems_are_no_recordings(tmp_path):
    avec_2016(tmp_path, ("dev_1",))
    for junk in ("._dev_1.arff", ".DS_Store", "Thumbs.db"):
        (tmp_path / "ratings_gold_standard" / "valence" / junk).write_bytes(b"\0\xff")
    assert only(Recola(tmp_path), "dev").id == "dev_1"


def test_dimensions_are_aligned_by_time_and_not_by_row(tmp_path):
    arff(tmp_path / "ratings_gold_standard" / "arousal" / "dev_1.arff", [0.1, 0.2, 0.3])
    arff(tmp_path / "ratings_gold_standard" / "valence" / "dev_1.arff", [0.7, 0.8], start=0.04)
    corpus = Recola(tmp_path)
    example = only(corpus, "dev")
    assert example.times.tolist() == [0.0, 0.04, 0.08]
    assert example.labels["valence"].valid.tolist() == [False, True, True]
    assert example.labels["valence"].values[1:].tolist() == [0.7, 0.8]
    assert count_notes(corpus, "the other is not valid") == 1


def bad_rows(tmp_path: Path, *rows: str) -> Recola:
    avec_2016(tmp_path, ("dev_1",))
    header = ("@relation g", "@attribute name string", "@attribute time numeric", "@attribute gold numeric", "@data")
    text(tmp_path / "ratings_gold_standard" / "valence" / "dev_1.arff", *header, *rows)
    return Recola(tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["dev_1,0,0,0,5"], "line 6.*decimal comma"),
        (["dev_1,0.0,abc"], "line 6: 'abc' is not a number"),
        ([], "no row after @data"),
        (["dev_1,0.04,0.1", "dev_1,0.00,0.2"], "go backwards from 0.04 to 0"),
        (["dev_1,?,0.1"], "no time"),
        (["dev_1,0.0"], "line 6: 2 cells, expected 3"),
    ],
)
def test_damaged_gold_standards_raise_an_error(tmp_path, rows, message):
    with pytest.raises(DatasetError, match=message):
        only(bad_rows(tmp_path, *rows), "dev")


def test_repeated_times_gaps_and_values_out_of_range_are_counted(tmp_path):
    corpus = bad_rows(
        tmp_path, *(f"dev_1,{t},{v}" for t, v in ((0, 0.1), (0.04, 0.2), (0.04, 0.9), (0.08, -5), (0.2, 0)))
    )
    labels = only(corpus, "dev").labels["valence"]
    assert labels.values[:2].tolist() == [0.1, 0.2] and labels.valid.tolist() == [True, True, False, True]
    for note in ("repeat a time", "without a row", "outside"):
        assert count_notes(corpus, note) == 1
    assert "0.04 s" in next(place[0] for note, place in corpus.notes.places.items() if "repeat a time" in note)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"time;FM1;FM2\n0,00;0,1;0,2\n", "decimal comma"),
        (b"time;FM1;FM2\n", "no values"),
        (b"", "empty"),
        ("time;FM1;FM2\n0.0;0.1;0.2\n#é\n".encode("latin-1"), "line 3: not UTF-8"),
        ("time;FM1\n0.0;0.1\n".encode("utf-16"), "line 1: not UTF-8"),
        (b"time;FM1;FM2\n0.0;0.1\n", "line 2: 2 cells, expected 3"),
    ],
)
def test_damaged_ratings_raise_an_error(tmp_path, content, message):
    avec_2016(tmp_path, ("dev_1",))
    (tmp_path / "ratings_individual" / "valence" / "dev_1.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=message) as error:
        only(Recola(tmp_path), "dev")
    assert "dev_1.csv" in str(error.value)


def test_a_file_without_data_raises_an_error_with_its_name(tmp_path):
    avec_2016(tmp_path, ("dev_1",))
    text(tmp_path / "ratings_gold_standard" / "valence" / "dev_1.arff", "@relation gold")
    with pytest.raises(DatasetError, match=r"dev_1\.arff has no line @data"):
        only(Recola(tmp_path), "dev")


def test_raters_without_ratings_do_not_count(tmp_path):
    silent = RATED.copy()
    silent[:, 2] = np.nan
    for dimension in DIMENSIONS:
        ratings(tmp_path / "ratings_individual" / dimension / "dev_1.csv", silent)
    corpus = Recola(tmp_path, gold="mean")
    assert only(corpus, "dev").labels["valence"].values == pytest.approx(np.nanmean(silent, 1))
    assert count_notes(corpus, "without a single rating") == 2


@pytest.mark.parametrize(
    ("gone", "fault"), [(("valence",), "alone: is the copy"), (("valence", "arousal"), "without labels: is the copy")]
)
def test_a_half_copy_is_a_fault(tmp_path, gone, fault):
    avec_2016(tmp_path)
    for dimension in gone:
        (tmp_path / "ratings_gold_standard" / dimension / "train_1.arff").unlink()
    corpus = Recola(tmp_path)
    assert not check(corpus).passed
    assert [fault in sentence for sentence in corpus.notes.faults] == [True]


def test_labels_of_another_recording_are_a_fault(tmp_path):
    avec_2016(tmp_path)
    source = tmp_path / "ratings_gold_standard" / "valence" / "train_1.arff"
    (source.parent / "dev_2.arff").write_bytes(source.read_bytes())
    report = check(Recola(tmp_path))
    assert not report.passed and "train_1" in next(p[0] for s, p in report.notes.places.items() if "another" in s)


def test_a_whole_corpus_has_no_faults(tmp_path):
    report = check(Recola(avec_2016(tmp_path)))
    counts = report.partitions["dev"]
    assert report.passed and (counts.examples, counts.subjects, counts.steps) == (2, 2, 6)
    assert counts.valid["valence"] == 6 and counts.videos == counts.sounds == 2
    assert notes_of(Recola(tmp_path))["recordings of the distribution that are missing"] == 24


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gold": "gs_1"}, "unknown gold standard"),
        ({"split": "8/8/7"}, "partitioned by file name"),
        ({"golden": "mean"}, "did you mean 'gold'"),
    ],
)
def test_options_that_do_not_fit_raise_a_config_error(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        open_corpus("recola", avec_2016(tmp_path), **options)


def test_both_families_in_one_root_raise_an_error(tmp_path):
    original(avec_2016(tmp_path))
    with pytest.raises(DatasetError, match="several distributions"):
        Recola(tmp_path)


@pytest.mark.parametrize(
    ("make", "message"), [("file", "is a file"), ("none", "does not exist"), ("other", "looked for")]
)
def test_a_wrong_root_raises_an_error(tmp_path, make, message):
    root = tmp_path / "root"
    if make == "file":
        root.touch()
    elif make == "other":
        empty(root / "labels" / "Train_DE_01.csv")
    with pytest.raises(DatasetError, match=message):
        Recola(root)

import numpy as np
import pytest

from avfer.datasets.corpus import check, open_corpus
from avfer.datasets.sewa import Sewa
from avfer.errors import ConfigError, DatasetError
from tests.datasets.on_disk import count_notes, empty, only, text

NAMES = ("Train_DE_01", "Train_DE_02", "Train_DE_10", "Devel_DE_01", "Test_HU_03")
N = float("nan")


def rows(name, quote=""):
    return [f"{quote}{name}{quote};{t};{t};-{t};NaN" for t in ("0.0", "0.1", "0.2")]


def sewa(root, names=NAMES, folder="labels", quote=""):
    for name in names:
        text(root / folder / f"{name}.csv", *rows(name, quote))
        empty(root / "audio" / f"{name}.wav", root / "video" / f"{name}.avi")
    return root


@pytest.mark.parametrize("folder", ["labels", ".", "AVEC/labels"])
@pytest.mark.parametrize("quote", ["", "'"])
def test_a_file_without_a_header_is_read_from_its_first_row(tmp_path, folder, quote):
    corpus = open_corpus("sewa", sewa(tmp_path, folder=folder, quote=quote))
    assert corpus.partitions == ("train", "dev", "test") and "DE HU" in corpus.distribution
    assert [example.id for example in corpus.examples("train")] == ["Train_DE_01", "Train_DE_02", "Train_DE_10"]
    example = only(corpus, "dev")
    assert (example.id, example.subject) == ("Devel_DE_01", "Devel_DE_01")
    assert example.times.tolist() == [0.0, 0.1, 0.2] and example.frames is None
    assert example.labels["arousal"].values.tolist() == [0.0, 0.1, 0.2]
    assert example.labels["valence"].values.tolist() == [0.0, -0.1, -0.2]
    assert not example.labels["liking"].valid.any() and np.isnan(example.labels["liking"].values).all()
    assert example.audio == tmp_path / "audio" / "Devel_DE_01.wav"
    assert example.video == tmp_path / "video" / "Devel_DE_01.avi"


def test_a_step_without_a_label_is_kept_and_not_valid(tmp_path):
    text(tmp_path / "labels" / "Train_DE_01.csv", "Train_DE_01;0.0;NaN;0.5;0.1", "Train_DE_01;0.1;0.2;;0.1")
    labels = only(Sewa(tmp_path), "train").labels
    assert labels["arousal"].valid.tolist() == [False, True] and labels["valence"].valid.tolist() == [True, False]
    assert labels["valence"].values[0] == 0.5 and labels["arousal"].values[1] == 0.2


@pytest.mark.parametrize(
    "header",
    [
        "name;timestamp;arousal;valence;liking",  # AVEC 2019
        '"name";"timestamp";"arousal";"valence";"liking"',
        "name;time;arousal;valence;liking",
        "Instance; Time; Arousal; Valence; Liking",
        ";timestamp;valence;arousal;quality;",
    ],
)
def test_columns_go_by_the_header_if_there_is_one(tmp_path, header):
    text(tmp_path / "labels" / "Train_DE_01.csv", header, *rows("Train_DE_01", "'"), end="\r\n", mark="\ufeff")
    example = only(corpus := Sewa(tmp_path), "train")
    assert example.times.tolist() == [0.0, 0.1, 0.2] and not corpus.notes.faults
    sign = -1 if "valence;arousal" in header else 1
    assert example.labels["arousal"].values.tolist() == [0.0, sign * 0.1, sign * 0.2]
    assert example.labels["valence"].values.tolist() == [0.0, -sign * 0.1, -sign * 0.2]
    assert ("liking" in example.labels) == ("iking" in header)


def test_recordings_without_liking_or_culture_are_read(tmp_path):
    text(tmp_path / "labels" / "Devel_07.csv", "Devel_07;0.0;0.1;0.2")
    example = only(Sewa(tmp_path), "dev")
    assert example.id == "Devel_07" and set(example.labels) == {"arousal", "valence"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("a;0,0;0,1;0,2;0,3",), "line 1: '0,0' has a decimal comma"),
        (("a,0.0,0.1,0.2,0.3",), "line 1: 1 cell, expected 4.*another separator"),
        (("a;0.0;0.1;0.2;0.3", "a;0.1;0.1;0.2"), "line 2: 4 cells, expected 5"),
        (("a;0.0;high;0.2;0.3",), "'high' is not a number"),
        (
            ("name;time;valence;liking", "a;0.0;0.1;0.2"),
            "line 1: no column arousal, found: name, time, valence",
        ),
        (("name;time;arousal;valence;liking",), "has no values"),
        ((), "has no values"),
        (("a;0.1;0;0;0", "a;0.0;0;0;0"), "backwards"),
    ],
)
def test_damaged_labels_raise_an_error(tmp_path, lines, message):
    text(tmp_path / "labels" / "Train_DE_01.csv", *lines)
    with pytest.raises(DatasetError, match=message) as error:
        only(Sewa(tmp_path), "train")
    assert "Train_DE_01.csv" in str(error.value)


def test_a_partition_that_was_not_copied_is_noted(tmp_path):
    assert count_notes(Sewa(sewa(tmp_path / "whole")), "missing") == 0
    corpus = Sewa(sewa(tmp_path / "half", names=("Train_DE_01", "Test_CN_01")))
    assert count_notes(corpus, "partitions of the distribution that are missing") == 1
    assert count_notes(Sewa(tmp_path / "half", culture="CN"), "missing") == 0


def test_one_culture_may_be_read_alone(tmp_path):
    corpus = Sewa(sewa(tmp_path), culture="hu")
    assert corpus.partitions == ("test",) and only(corpus, "test").id == "Test_HU_03" and "hu" in corpus.protocol
    with pytest.raises(ConfigError, match="unknown culture"):
        Sewa(tmp_path, culture="FR")


def test_missing_labels_are_a_fault_except_in_test(tmp_path):
    sewa(tmp_path)
    (tmp_path / "labels" / "Test_HU_03.csv").unlink()
    report = check(Sewa(tmp_path))
    assert report.passed and report.partitions["test"].steps == 0 and report.partitions["train"].steps == 9
    (tmp_path / "labels" / "Devel_DE_01.csv").unlink()
    assert not check(Sewa(tmp_path)).passed


def test_rows_of_another_recording_are_a_fault(tmp_path):
    sewa(tmp_path)
    text(tmp_path / "labels" / "Devel_DE_01.csv", *rows("Train_DE_02"))
    assert not check(Sewa(tmp_path)).passed


def test_files_that_name_no_recording_are_counted(tmp_path):
    text(sewa(tmp_path) / "labels" / "notes.csv", "anything")
    (tmp_path / "labels" / "._Train_DE_01.csv").write_bytes(b"\0")
    assert list(Sewa(tmp_path).notes.counts.values()) == [1]


def test_a_wrong_root_raises_an_error_that_lists_what_was_sought(tmp_path):
    empty(tmp_path / "labels" / "P16.csv")
    with pytest.raises(DatasetError, match=r"looked for labels/Train_DE_01\.csv"):
        Sewa(tmp_path)

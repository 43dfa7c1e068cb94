import numpy as np
import pytest

from avfer.datasets.corpus import check, open_corpus
from avfer.datasets.raf_db import RafDb
from avfer.errors import ConfigError, DatasetError
from tests.datasets.on_disk import empty, expressions, text

NUMBERED = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # of RAF-DB, from 1

LINES = [*(f"train_{n:05d}.jpg {n}" for n in range(1, 8)), "train_00010.jpg 4", "test_0002.jpg 7", "test_0001.jpg 1"]


def raf_db(root, lines=LINES, home="basic", **how):
    home = root / home
    text(home / "EmoLabel" / "list_patition_label.txt", *lines, **how)
    names = [line.split(".")[0] for line in lines]
    empty(*(home / "Image" / "aligned" / f"{name}_aligned.jpg" for name in names))
    empty(*(home / "Image" / "original" / f"{name}.jpg" for name in names))
    return root


def mirror(root, home="."):
    for line in LINES:
        name, label = line.split()
        empty(root / home / name.split("_")[0] / label / name.replace(".jpg", "_aligned.jpg"))
    return root


@pytest.mark.parametrize("home", ["basic", ".", "RAF-DB/basic", "basic/basic", "RAF-DB/basic/basic"])
def test_classes_are_numbered_from_1(tmp_path, home):
    corpus = open_corpus("raf_db", raf_db(tmp_path, home=home))
    assert corpus.partitions == ("train", "test") and check(corpus).passed
    train = expressions(corpus, "train")
    assert list(train)[-1] == "train_00010" and tuple(train.values()) == (*NUMBERED, "happiness")
    assert list(expressions(corpus, "test").items()) == [("test_0001", "surprise"), ("test_0002", "neutral")]


@pytest.mark.parametrize("home", [".", "DATASET"])
def test_a_copy_in_folders_has_the_same_labels(tmp_path, home):
    listed, copied = RafDb(raf_db(tmp_path / "a")), RafDb(mirror(tmp_path / "b", home))
    for partition in ("train", "test"):
        assert expressions(listed, partition) == expressions(copied, partition)
    assert "copied" in copied.distribution


@pytest.mark.parametrize(("pictures", "ending"), [("aligned", "_aligned.jpg"), ("original", "00001.jpg")])
def test_there_are_two_kinds_of_pictures(tmp_path, pictures, ending):
    corpus = RafDb(raf_db(tmp_path), pictures=pictures)
    first = next(corpus.examples("train")).pictures[0]
    assert first.parent.name == pictures and first.name.endswith(ending) and first.is_file()
    assert f"{pictures} pictures" in corpus.protocol


def test_a_list_unpacked_into_a_folder_of_its_own_is_read(tmp_path):
    labels = raf_db(tmp_path) / "basic" / "EmoLabel"
    text(labels / "EmoLabel" / "list_patition_label.txt", *LINES)
    (labels / "list_patition_label.txt").unlink()
    assert len(expressions(RafDb(tmp_path), "train")) == 8


def test_the_list_may_have_a_mark_and_crlf(tmp_path):
    corpus = RafDb(raf_db(tmp_path, end="\r\n", mark="\ufeff"))
    assert len(expressions(corpus, "train")) == 8 and not corpus.notes.counts


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train_00001.jpg 0", "line 2: class must be 1 to 7, got 0"),
        ("train_00001.jpg 8", "line 2: class must be 1 to 7, got 8; give the folder 'basic'"),
        ("train_00001.jpg,5", "line 2: expected 'train_00001.jpg 5', got 'train_00001.jpg,5'"),
        ("dev_00001.jpg 5", "line 2: .* got 'dev_00001.jpg 5'"),
        ("train_00001.jpg happy", "'happy' is not a number"),
        ("train_00001.jpg 4 5", "line 2: .* got 'train_00001.jpg 4 5'"),
    ],
)
def test_damaged_lines_raise_an_error_with_the_line(tmp_path, line, message):
    with pytest.raises(DatasetError, match=message):
        list(RafDb(raf_db(tmp_path, ["train_00002.jpg 1", line])).examples("train"))


def test_missing_and_unlabelled_pictures_are_noted(tmp_path):
    raf_db(tmp_path, [*LINES, LINES[0].replace(" 1", " 2")])
    (tmp_path / "basic" / "Image" / "aligned" / "test_0001_aligned.jpg").unlink()
    empty(tmp_path / "basic" / "Image" / "aligned" / "test_0009_aligned.jpg")
    report = check(RafDb(tmp_path))
    assert not report.passed and report.partitions["test"].pictures_missing == 1
    assert report.partitions["train"].examples == 8, "the row that repeats a picture is left out"
    assert report.notes.counts == {
        "rows that repeat a picture: the first is kept": 1,
        "pictures named by the labels that are missing": 1,
        "pictures without a row of labels: left out": 1,
    }


def test_a_picture_in_two_folders_is_a_fault(tmp_path):
    empty(mirror(tmp_path) / "test" / "5" / "train_00001_aligned.jpg")
    assert not check(RafDb(tmp_path)).passed


def test_folders_are_identified_by_name_and_not_by_order(tmp_path):
    empty(*(tmp_path / "train" / folder / "train_1.jpg" for folder in ("5",)))
    assert expressions(RafDb(tmp_path), "train") == {"train_1": "sadness"}


def test_an_unknown_kind_of_pictures_raises_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'aligned'"):
        RafDb(raf_db(tmp_path), pictures="align")


def test_labels_are_integers_of_one_step(tmp_path):
    labels = next(RafDb(raf_db(tmp_path)).examples("train")).labels["expression"]
    assert labels.values.dtype == np.int64 and labels.values.shape == (1,) and labels.names == NUMBERED

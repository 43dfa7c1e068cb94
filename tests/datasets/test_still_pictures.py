"""RAF-DB, SFEW and CAER-S: pictures on disk, with one expression each."""

import numpy as np
import pytest

from avfer.datasets.caer_s import CaerS
from avfer.datasets.corpus import check, open_corpus
from avfer.datasets.raf_db import RafDb
from avfer.datasets.sfew import Sfew
from avfer.errors import ConfigError, DatasetError
from tests.datasets.on_disk import empty, text

NUMBERED = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # of RAF-DB, from 1
FOLDERS = {"Angry": "anger", "Disgust": "disgust", "Fear": "fear", "Happy": "happiness", "Neutral": "neutral",
           "Sad": "sadness", "Surprise": "surprise"}  # fmt: skip
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


def sfew(root, train="Train_Aligned_Faces", dev="Val_Aligned_Faces", test="Test_Aligned_Faces"):
    for place, folder in enumerate(FOLDERS):
        empty(root / train / folder / f"Film_000{place}_10.png", root / train / folder / f"Film_000{place}_2.png")
        empty(root / dev / folder / f"Other.Film_000{place}_1.png")
    empty(root / test / "Last_0001_1.png", root / test / "new" / "Last_0001_2.png")
    return root


def caer_s(root, home="CAER-S"):
    for partition in ("train", "test"):
        for folder in ("Anger", *list(FOLDERS)[1:]):
            empty(*(root / home / partition / folder / f"{n}.png" for n in (1, 2, 10)), root / home / "Thumbs.db")
    return root


def expressions(corpus, partition):
    """Names by id, in the order given."""
    found = {}
    for example in corpus.examples(partition):
        told = example.labels["expression"]
        assert len(example) == 1 and told.valid.all() and len(example.pictures) == 1
        found[example.id] = told.names[told.values[0]]
    return found


@pytest.mark.parametrize("home", ["basic", ".", "RAF-DB/basic"])
def test_raf_db_counts_its_classes_from_1(tmp_path, home):
    corpus = open_corpus("raf_db", raf_db(tmp_path, home=home))
    assert corpus.partitions == ("train", "test") and check(corpus).passed
    told = expressions(corpus, "train")
    assert list(told)[-1] == "train_00010" and tuple(told.values()) == (*NUMBERED, "happiness")
    assert list(expressions(corpus, "test").items()) == [("test_0001", "surprise"), ("test_0002", "neutral")]


@pytest.mark.parametrize("home", [".", "DATASET"])
def test_a_copy_of_raf_db_in_folders_tells_the_same(tmp_path, home):
    listed, copied = RafDb(raf_db(tmp_path / "a")), RafDb(mirror(tmp_path / "b", home))
    for partition in ("train", "test"):
        assert expressions(listed, partition) == expressions(copied, partition)
    assert "copied" in copied.distribution


@pytest.mark.parametrize(("pictures", "ending"), [("aligned", "_aligned.jpg"), ("original", "00001.jpg")])
def test_raf_db_has_two_kinds_of_pictures(tmp_path, pictures, ending):
    corpus = RafDb(raf_db(tmp_path), pictures=pictures)
    first = next(corpus.examples("train")).pictures[0]
    assert first.parent.name == pictures and first.name.endswith(ending) and first.is_file()
    assert f"{pictures} pictures" in corpus.protocol


def test_raf_db_may_be_written_on_windows(tmp_path):
    corpus = RafDb(raf_db(tmp_path, end="\r\n", mark="\ufeff"))
    assert len(expressions(corpus, "train")) == 8 and not corpus.notes.counts


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train_00001.jpg 0", "line 2: class must be 1 to 7, got 0"),
        ("train_00001.jpg 8", "line 2: class must be 1 to 7, got 8"),
        ("train_00001.jpg,5", "line 2: expected 'train_00001.jpg 5', got 'train_00001.jpg,5'"),
        ("dev_00001.jpg 5", "line 2: .* got 'dev_00001.jpg 5'"),
        ("train_00001.jpg happy", "'happy' is not a number"),
        ("train_00001.jpg 4 5", "line 2: .* got 'train_00001.jpg 4 5'"),
    ],
)
def test_damaged_lines_of_raf_db_are_refused(tmp_path, line, message):
    with pytest.raises(DatasetError, match=message):
        list(RafDb(raf_db(tmp_path, ["train_00002.jpg 1", line])).examples("train"))


def test_what_is_lost_of_raf_db_is_told(tmp_path):
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


def test_folders_go_by_name_and_not_by_order(tmp_path):
    empty(*(tmp_path / "train" / folder / "train_1.jpg" for folder in ("5",)))
    assert expressions(RafDb(tmp_path), "train") == {"train_1": "sadness"}


@pytest.mark.parametrize("home", [".", "SFEW 2"])
def test_sfew_is_read_by_the_names_of_its_folders(tmp_path, home):
    corpus = open_corpus("sfew", sfew(tmp_path / home) and tmp_path)
    assert corpus.partitions == ("train", "dev", "test") and check(corpus).passed
    train, dev = expressions(corpus, "train"), expressions(corpus, "dev")
    assert list(train)[:2] == ["Film_0000_2", "Film_0000_10"] and list(train.values())[::2] == list(FOLDERS.values())
    assert dev == {f"Other.Film_000{place}_1": name for place, name in enumerate(FOLDERS.values())}


def test_the_test_pictures_of_sfew_have_no_labels(tmp_path):
    found = list(Sfew(sfew(tmp_path)).examples("test"))
    assert [example.id for example in found] == ["Last_0001_1", "Last_0001_2"]
    assert all(len(example) == 0 and example.pictures[0].is_file() for example in found)


def test_aligned_faces_go_before_scenes(tmp_path):
    scenes = Sfew(sfew(tmp_path, "Train", "Val", "Test"))
    assert scenes.distribution == "2.0, whole scenes" and len(expressions(scenes, "dev")) == 7
    faces = Sfew(sfew(tmp_path))
    assert faces.distribution == "2.0, aligned faces"
    assert all("Aligned" in str(example.pictures[0]) for example in faces.examples("train"))


def test_a_frame_in_two_partitions_is_a_leak(tmp_path):
    empty(sfew(tmp_path) / "Val_Aligned_Faces" / "Sad" / "Film_0000_2.png")
    assert check(Sfew(tmp_path)).leaks == {"recording Film_0000_2": ("train", "dev")}


@pytest.mark.parametrize("home", ["CAER-S", ".", "caer_s"])
def test_caer_s_is_read_with_its_class_in_the_id(tmp_path, home):
    corpus = open_corpus("caer_s", caer_s(tmp_path, home))
    assert corpus.partitions == ("train", "test") and check(corpus).passed
    told = expressions(corpus, "test")
    assert list(told)[:3] == ["test/Anger/1", "test/Anger/2", "test/Anger/10"]
    assert list(told.values()) == [name for name in FOLDERS.values() for _ in range(3)]
    assert "whole scenes" in corpus.protocol


@pytest.mark.parametrize(("make", "kind", "folder"), [
    (sfew, Sfew, "Train_Aligned_Faces/Fear"), (caer_s, CaerS, "CAER-S/train/Fear"), (mirror, RafDb, "train/2"),
])  # fmt: skip
def test_a_class_without_a_folder_is_a_fault_and_a_strange_folder_is_counted(tmp_path, make, kind, folder):
    place = make(tmp_path) / folder
    empty(place.parent / "Boredom" / "1.png")
    for path in place.iterdir():
        path.unlink()
    place.rmdir()
    report = check(kind(tmp_path))
    assert not report.passed and "classes without a folder: is the copy complete?" in report.notes.faults
    assert report.notes.counts["folders that are not named by a class: left out"] == 1


@pytest.mark.parametrize(
    ("kind", "looked_for"),
    [(RafDb, "EmoLabel/list_patition_label"), (Sfew, "Train_Aligned_Faces/Angry"), (CaerS, "CAER-S/train/Anger")],
)
def test_a_wrong_root_says_what_was_looked_for(tmp_path, kind, looked_for):
    empty(tmp_path / "train" / "videos" / "1.png")
    with pytest.raises(DatasetError, match=looked_for):
        kind(tmp_path)


def test_an_unknown_kind_of_pictures_is_told(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'aligned'"):
        RafDb(raf_db(tmp_path), pictures="align")


def test_labels_are_whole_numbers_of_one_step(tmp_path):
    told = next(RafDb(raf_db(tmp_path)).examples("train")).labels["expression"]
    assert told.values.dtype == np.int64 and told.values.shape == (1,) and told.names == NUMBERED

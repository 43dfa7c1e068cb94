import pytest

from avfer.datasets.corpus import check, open_corpus
from tests.datasets.on_disk import FOLDERS, empty, expressions, only


def afew(root, train="Train_AFEW", dev="Val_AFEW"):
    for place, start in ((train, 0), (dev, 100)):
        for number, word in enumerate(FOLDERS, start=start):
            empty(root / place / word / f"{number:09d}.avi")
    return root


@pytest.mark.parametrize(
    "names", [("Train_AFEW", "Val_AFEW"), ("Train", "Val"), ("AFEW/train_afew", "AFEW/Val-AFEW")], ids=str
)
def test_folders_are_identified_by_their_words(tmp_path, names):
    corpus = open_corpus("afew", afew(tmp_path, *names))
    assert corpus.partitions == ("train", "dev")
    assert list(expressions(corpus, "dev").values()) == list(FOLDERS.values())
    first = next(corpus.examples("train"))
    assert first.id == "000000000" and first.video == first.audio and first.video.exists() and first.pictures == ()
    assert check(corpus).passed


@pytest.mark.parametrize("below", ["Faces", "AlignedFaces_LBPTOP_Points_Val", "AlignedFaces_LBPTOP_Points_Val/Faces"])
def test_the_face_in_the_middle_is_the_picture_of_a_clip(tmp_path, below):
    faces = afew(tmp_path) / "Val_AFEW" / "AlignedFaces_LBPTOP_Points_Val" / below / "000000100"
    empty(*(faces / f"{number}.jpg" for number in (2, 9, 10, 11, 100)), faces / "Thumbs.db")
    corpus = open_corpus("afew", tmp_path)
    first, second, *_ = corpus.examples("dev")
    assert first.pictures == (faces / "10.jpg",) and second.pictures == (None,)
    assert corpus.notes.counts["clips without a folder of aligned faces"] == 6
    assert next(corpus.examples("train")).pictures == ()


def test_clips_of_test_have_no_labels(tmp_path):
    empty(afew(tmp_path) / "Test_AFEW" / "000000200.avi")
    example = only(open_corpus("afew", tmp_path), "test")
    assert example.labels == {} and example.video == tmp_path / "Test_AFEW" / "000000200.avi"


def test_a_missing_class_is_a_fault(tmp_path):
    afew(tmp_path)
    (tmp_path / "Train_AFEW" / "Sad" / "000000005.avi").unlink()
    (tmp_path / "Train_AFEW" / "Sad").rmdir()
    report = check(open_corpus("afew", tmp_path))
    assert not report.passed and report.partitions["train"].examples == 6


def test_a_clip_in_two_partitions_is_a_leak(tmp_path):
    empty(afew(tmp_path) / "Val_AFEW" / "Sad" / "000000000.avi")
    assert check(open_corpus("afew", tmp_path)).leaks == {"recording 000000000": ("train", "dev")}

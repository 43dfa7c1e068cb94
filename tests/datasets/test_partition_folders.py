"""Folders of partitions as copies nest them: an overlooked partition would look like a smaller corpus."""

import pytest

from avfer.datasets.afew import FOLDERS as CLIPS
from avfer.datasets.corpus import check, open_corpus
from avfer.datasets.example import Notes
from avfer.datasets.listing import MISSING_PARTITION, note_missing_partitions, partition_folders
from tests.datasets.on_disk import empty, text
from tests.datasets.test_affectnet import HEADER, row

WANTED = {"train": ("Train_Set", "Train"), "dev": ("Val_Set_new", "Val_Set", "Val"), "test": ("Test_Set",)}
WORDS = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")


def found(root, *there):
    for place in there:
        (root / place).mkdir(parents=True)
    return {partition: str(place.relative_to(root)) for partition, place in partition_folders(root, WANTED).items()}


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (("Train_Set/a", "Val_Set/a"), {"train": "Train_Set", "dev": "Val_Set"}),
        (("x/train set/a", "x/val-set/a"), {"train": "x/train set", "dev": "x/val-set"}),
        (("Train_Set/a", "Val/Val_Set/a"), {"train": "Train_Set", "dev": "Val/Val_Set"}),
        (("Train_Set/a", "x/Val_Set/a"), {"train": "Train_Set", "dev": "x/Val_Set"}),
        (("Train/Train_Set/a", "Val/Val_Set_new/a"), {"train": "Train/Train_Set", "dev": "Val/Val_Set_new"}),
        (("Train_Set/Train_Set/a", "Val/Val/a"), {"train": "Train_Set/Train_Set", "dev": "Val/Val"}),
        (("Train", "Train_Set", "Val_Set", "Val_Set_new"), {"train": "Train_Set", "dev": "Val_Set_new"}),
        (("x/Val", "y/Val", "y/Train"), {"train": "y/Train", "dev": "x/Val"}),
        (("Train/Test_Set", "x/y/Val", "x/y/z/Test_Set"), {"train": "Train", "dev": "x/y/Val"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_each_partition_is_the_nearest_folder_of_its_likeliest_name(tmp_path, there, expected):
    assert found(tmp_path, *there) == expected


def test_a_partition_without_a_folder_is_noted(tmp_path):
    (tmp_path / "Train").mkdir()
    notes = Notes()
    note_missing_partitions(tmp_path, WANTED, partition_folders(tmp_path, WANTED), notes)
    assert notes.counts == {MISSING_PARTITION: 2} and not notes.faults
    assert notes.places[MISSING_PARTITION][0].endswith("Val_Set_new")


def sfew(root, train, dev):
    for word in WORDS:
        empty(root / train / word / f"{word}_0001_1.png", root / dev / word / f"{word}_0002_1.png")


def afew(root, train, dev):
    for number, word in enumerate(WORDS):
        empty(root / train / word / f"{number:09d}.avi", root / dev / word / f"{number + 100:09d}.avi")


def caer_s(root, train, dev):
    empty(*(root / place / word / "1.png" for place in (train, dev) for word in ("Anger", *WORDS[1:])))


FACES = ("Train_Aligned_Faces", "Val_Aligned_Faces_new")


@pytest.mark.parametrize(
    ("make", "train", "second"),
    [
        (sfew, *FACES),
        (sfew, f"Train/{FACES[0]}", f"Val/{FACES[1]}"),
        (sfew, f"{FACES[0]}/{FACES[0]}", f"{FACES[1]}/{FACES[1]}"),
        (sfew, FACES[0], "Val/Val_Aligned_Faces"),
        (afew, "Train/Train_AFEW", "Val/Val_AFEW"),
        (afew, "Train_AFEW/Train_AFEW", "Val_AFEW/Val_AFEW"),
        (caer_s, "CAER-S/CAER-S/train", "CAER-S/CAER-S/test"),
        (caer_s, "train/train", "test/test"),
    ],
)
def test_both_labelled_partitions_are_read_wherever_archives_put_them(tmp_path, make, train, second):
    make(tmp_path, train, second)
    corpus = open_corpus(make.__name__, tmp_path)
    report = check(corpus)
    assert [counts.examples for counts in report.partitions.values()] == [7, 7] and report.passed
    assert (MISSING_PARTITION in report.notes.counts) == (make is not caer_s), "test of SFEW and AFEW is not there"


def test_sorted_faces_beside_aligned_test_faces_are_not_called_scenes(tmp_path):
    sfew(tmp_path, "Train", "Val")
    assert open_corpus("sfew", tmp_path).distribution == "2.0, whole scenes"
    empty(tmp_path / "Test" / "Test_Aligned_Faces" / "Film_0001_1.png")
    corpus = open_corpus("sfew", tmp_path)
    assert corpus.distribution == "2.0, aligned faces or whole scenes"
    assert [example.id for example in corpus.examples("test")] == ["Film_0001_1"]


@pytest.mark.parametrize("make", [sfew, afew, caer_s])
def test_half_a_copy_is_noted(tmp_path, make):
    train = {sfew: FACES[0], afew: CLIPS["train"][0], caer_s: "train"}[make]
    make(tmp_path, train, train)
    corpus = open_corpus(make.__name__, tmp_path)
    assert corpus.partitions == ("train",) and MISSING_PARTITION in corpus.notes.counts


@pytest.mark.parametrize("lists", ["Manually_Annotated_file_lists", "Manually_Annotated"])
@pytest.mark.parametrize("doubled", [True, False])
def test_archives_of_affectnet_may_lie_in_folders_of_their_own(tmp_path, lists, doubled):
    around = lists if doubled else "."
    text(tmp_path / around / "Manually_Annotated_file_lists" / "training.csv", HEADER, row("7/a.jpg", 1))
    images = "Manually_Annotated_Images"
    empty(tmp_path / (images if doubled else ".") / images / "7" / "a.jpg")
    report = check(open_corpus("affectnet", tmp_path))
    assert report.passed and report.partitions["train"].pictures == 1
    assert MISSING_PARTITION in report.notes.counts, "the list of dev is not there"


def test_aligned_faces_of_raf_db_may_lie_in_a_folder_of_their_own(tmp_path):
    text(tmp_path / "basic" / "EmoLabel" / "list_patition_label.txt", "train_00001.jpg 5", "test_0001.jpg 7")
    inner = tmp_path / "basic" / "Image" / "aligned" / "aligned"
    empty(inner / "train_00001_aligned.jpg", inner / "test_0001_aligned.jpg")
    assert check(open_corpus("raf_db", tmp_path)).passed

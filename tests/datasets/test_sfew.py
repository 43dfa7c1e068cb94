import pytest

from avfer.datasets.corpus import check, open_corpus
from avfer.datasets.sfew import Sfew
from tests.datasets.on_disk import FOLDERS, empty, expressions


def sfew(root, train="Train_Aligned_Faces", dev="Val_Aligned_Faces", test="Test_Aligned_Faces"):
    for place, folder in enumerate(FOLDERS):
        empty(root / train / folder / f"Film_000{place}_10.png", root / train / folder / f"Film_000{place}_2.png")
        empty(root / dev / folder / f"Other.Film_000{place}_1.png")
    empty(root / test / "Last_0001_1.png", root / test / "new" / "Last_0001_2.png")
    return root


@pytest.mark.parametrize("home", [".", "SFEW 2"])
def test_folders_are_identified_by_their_words(tmp_path, home):
    corpus = open_corpus("sfew", sfew(tmp_path / home) and tmp_path)
    assert corpus.partitions == ("train", "dev", "test") and check(corpus).passed
    train, dev = expressions(corpus, "train"), expressions(corpus, "dev")
    assert list(train)[:2] == ["Film_0000_2", "Film_0000_10"] and list(train.values())[::2] == list(FOLDERS.values())
    assert dev == {f"Other.Film_000{place}_1": name for place, name in enumerate(FOLDERS.values())}


def test_pictures_of_test_have_no_labels(tmp_path):
    found = list(Sfew(sfew(tmp_path)).examples("test"))
    assert [example.id for example in found] == ["Last_0001_1", "Last_0001_2"]
    assert all(len(example) == 0 and example.pictures[0].is_file() for example in found)


def test_aligned_faces_are_preferred_to_scenes(tmp_path):
    scenes = Sfew(sfew(tmp_path, "Train", "Val", "Test"))
    assert scenes.distribution == "2.0, whole scenes" and len(expressions(scenes, "dev")) == 7
    faces = Sfew(sfew(tmp_path))
    assert faces.distribution == "2.0, aligned faces"
    assert all("Aligned" in str(example.pictures[0]) for example in faces.examples("train"))


def test_a_frame_in_two_partitions_is_a_leak(tmp_path):
    empty(sfew(tmp_path) / "Val_Aligned_Faces" / "Sad" / "Film_0000_2.png")
    assert check(Sfew(tmp_path)).leaks == {"recording Film_0000_2": ("train", "dev")}

import pytest

from avfer.datasets.corpus import check, open_corpus
from tests.datasets.on_disk import FOLDERS, empty, expressions


def caer_s(root, home="CAER-S"):
    for partition in ("train", "test"):
        for folder in ("Anger", *list(FOLDERS)[1:]):
            empty(*(root / home / partition / folder / f"{n}.png" for n in (1, 2, 10)), root / home / "Thumbs.db")
    return root


@pytest.mark.parametrize("home", ["CAER-S", ".", "caer_s"])
def test_the_class_is_part_of_the_id(tmp_path, home):
    corpus = open_corpus("caer_s", caer_s(tmp_path, home))
    assert corpus.partitions == ("train", "test") and check(corpus).passed
    test = expressions(corpus, "test")
    assert list(test)[:3] == ["test/Anger/1", "test/Anger/2", "test/Anger/10"]
    assert list(test.values()) == [name for name in FOLDERS.values() for _ in range(3)]
    assert "whole scenes" in corpus.protocol

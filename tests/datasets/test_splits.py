"""Splits of RECOLA: those with a name, and those in a file."""

import pytest

from avfer.datasets.corpus import check
from avfer.datasets.recola import Recola
from avfer.datasets.splits import RECOLA_SPLITS, load_split
from avfer.errors import DatasetError
from tests.datasets.on_disk import original, text


@pytest.mark.parametrize(("name", "sizes"), [("8/8/7", [8, 8, 7]), ("46-subject", [16, 15, 15])])
def test_no_subject_is_in_two_partitions_of_a_named_split(name, sizes):
    split = RECOLA_SPLITS[name]
    assert [len(split[p]) for p in ("train", "dev", "test")] == sizes
    assert len({subject for subjects in split.values() for subject in subjects}) == sum(sizes)


@pytest.mark.parametrize(
    "lines",
    [
        ("train: P16 P17", "dev: P19"),
        ("subject,partition", "P16,train", "P17,train", "P19,dev"),
        ("training: 16-17", "validation: [19]"),
        ("train:", "  - 16", "  - 17", "devel:", "  - 19"),
        ("# subjects 21 and 23 are left out", "train: Actor_16 Actor_17  # 21", "subject 19: dev"),
    ],
)
def test_a_split_may_be_a_file(tmp_path, lines):
    path = text(tmp_path / "split.txt", *lines)
    assert load_split(path) == {"train": [16, 17], "dev": [19]}
    corpus = Recola(original(tmp_path / "recola", (16, 17, 19, 21)), split=path)
    assert [e.id for e in corpus.examples("train")] == ["P16", "P17"] and corpus.partitions == ("train", "dev")
    assert any("outside the split" in note for note in corpus.notes.counts)


@pytest.mark.parametrize(
    "lines",
    [
        ("P16 P17",),
        ("train: P16 dev: P17",),
        ("nothing",),
        ("train: 1-99999999999",),
        ("train: P16", "left out: P17"),
    ],
)
def test_a_file_of_another_syntax_raises_an_error(tmp_path, lines):
    with pytest.raises(DatasetError, match=r"split\.txt"):
        load_split(text(tmp_path / "split.txt", *lines))


def test_a_subject_in_two_partitions_is_named(tmp_path):
    split = text(tmp_path / "split.txt", "train: P16 P17", "dev: P16")
    report = check(Recola(original(tmp_path / "recola", (16, 17)), split=split))
    assert report.leaks == {"subject P16": ("train", "dev")} and not report.passed


def test_an_unknown_split_raises_an_error_with_the_known_ones(tmp_path):
    with pytest.raises(DatasetError, match="8/8/7"):
        Recola(original(tmp_path), split="9/9/9")

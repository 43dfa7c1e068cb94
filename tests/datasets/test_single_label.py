from pathlib import Path

import numpy as np
import pytest

from avfer.datasets.caer_s import CaerS
from avfer.datasets.corpus import check
from avfer.datasets.example import Example, Labels
from avfer.datasets.raf_db import RafDb
from avfer.datasets.sfew import Sfew
from avfer.datasets.single_label import spread
from tests.datasets.on_disk import empty
from tests.datasets.test_caer_s import caer_s
from tests.datasets.test_raf_db import mirror
from tests.datasets.test_sfew import sfew


@pytest.mark.parametrize(("make", "kind", "folder"), [
    (sfew, Sfew, "Train_Aligned_Faces/Fear"), (caer_s, CaerS, "CAER-S/train/Fear"), (mirror, RafDb, "train/2"),
])  # fmt: skip
def test_a_class_without_a_folder_is_a_fault_and_other_folders_are_counted(tmp_path, make, kind, folder):
    place = make(tmp_path) / folder
    empty(place.parent / "Boredom" / "1.png")
    for path in place.iterdir():
        path.unlink()
    place.rmdir()
    report = check(kind(tmp_path))
    assert not report.passed and "classes without a folder: is the copy complete?" in report.notes.faults
    assert report.notes.counts["folders that are not named by a class: left out"] == 1


def clip(middle: float, whole_clip: bool) -> Example:
    """Return a clip with one label and votes, at its middle in s."""
    labels = {
        "expression": Labels(np.array([1]), np.array([True]), ("neutral", "anger")),
        "votes": Labels(np.array([[2.0, 7.0]]), np.ones((1, 2), bool), ("neutral", "anger")),
    }
    face = (Path("face.jpg"),)
    return Example("clip", "train", labels, pictures=face, times=np.array([middle]), whole_clip=whole_clip)


def test_the_label_of_a_whole_clip_is_spread_over_times() -> None:
    times = np.array([0.1, 0.3, 0.4])
    once = spread(clip(1.0, whole_clip=True), np.arange(9.0))
    for example in (clip(1.0, whole_clip=True), once):
        found = spread(example, times)
        assert found.whole_clip and found.pictures == () and found.times is times and len(found) == 3
        assert found.labels["expression"].values.tolist() == [1, 1, 1] and found.labels["expression"].valid.all()
        assert found.labels["votes"].values.tolist() == [[2, 7]] * 3


def test_a_label_of_one_step_is_not_spread() -> None:
    example = clip(1.0, whole_clip=False)
    assert spread(example, np.arange(9.0)) is example

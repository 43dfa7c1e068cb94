import pytest

from avfer.datasets.caer_s import CaerS
from avfer.datasets.corpus import check
from avfer.datasets.raf_db import RafDb
from avfer.datasets.sfew import Sfew
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

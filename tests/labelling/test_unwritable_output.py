"""An output folder that cannot take a table ends the run, and no clip fails for it; a name too long fails its clip."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from avfer.atomic import output_errors
from avfer.errors import OutputError
from tests.labelling.corpora import failures


def test_a_full_disk_ends_the_run_and_no_clip_fails_for_it(in_process, steady, corpus, small_disk):
    from avfer.labelling.label_corpus import label

    (small_disk / "out").mkdir()
    with pytest.raises(OutputError, match="No space left"):
        label(steady, corpus, small_disk / "out", device="cpu")
    failed = [path.name for path in (small_disk / "out/failed").rglob("*.json")]
    assert failed in ([], ["bad.mp4.json"])
    assert list((small_disk / "out").rglob(".parts/**/*.parquet")) == []


def test_a_read_only_folder_ends_the_run_at_once(in_process, steady, corpus, read_only_folder):
    from avfer.labelling.label_corpus import label

    with pytest.raises(OutputError, match="cannot be written"):
        label(steady, corpus, read_only_folder / "out", device="cpu")
    assert in_process.given == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_table_that_the_folder_cannot_take_ends_the_run(label, corpus, tmp_path, monkeypatch, number):
    monkeypatch.setattr("avfer.labelling.label_clip.atomic_rename", raise_for_every_file(number))
    with pytest.raises(OutputError, match=os.strerror(number)):
        label("corpus")
    assert list((tmp_path / "out/failed").rglob("*.json")) == []


def test_a_clip_whose_name_the_folder_cannot_take_fails_alone(label, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("avfer.labelling.label_clip.atomic_rename", raise_for_every_file(errno.ENAMETOOLONG))
    assert label("corpus").failed == 4
    assert failures(tmp_path / "out")["a.mp4"]["stage"] == "write"


def raise_for_every_file(number: int) -> Callable[..., object]:
    def fail(path: Path, **_: object) -> None:
        with output_errors(path):
            raise OSError(number, os.strerror(number))

    return fail

"""Labelling a corpus a second time: which clips are kept, and which are done again."""

import os

import pytest

from avfer.errors import ConfigError
from tests.labelling.corpora import CLIPS, failures, mtimes, values, write_corpus


def test_a_second_run_gives_nothing_to_workers(label, corpus, in_process, tmp_path):
    label("corpus")
    before = mtimes(tmp_path / "out")
    assert label("corpus").done == 3
    assert in_process.given == []
    assert mtimes(tmp_path / "out") == before


def test_retry_failed_tries_only_failed_clips_again(label, corpus, in_process, tmp_path):
    label("corpus")
    write_corpus(corpus, "good.mp4")
    (corpus / "good.mp4").replace(corpus / "bad.mp4")
    os.utime(corpus / "a.mp4")
    assert label("corpus", retry_failed=True).failed == 0
    assert in_process.given == ["bad.mp4"]
    assert failures(tmp_path / "out") == {} and list((tmp_path / "out/failed").rglob("*.json")) == []


def test_a_failed_clip_is_not_tried_again_by_default(label, corpus, in_process):
    label("corpus")
    assert label("corpus").failed == 1
    assert in_process.given == []


def test_a_changed_file_is_labelled_again_and_a_touched_one_is_not(label, corpus, in_process, tmp_path):
    label("corpus")
    old = values(tmp_path / "out")
    os.utime(corpus / "b.mp4")
    write_corpus(corpus, "x.mp4", "x.mp4", "a.mp4")
    (corpus / "x.mp4").unlink()
    label("corpus")
    assert in_process.given == ["a.mp4"]
    new = values(tmp_path / "out")
    assert {name for name in new if new[name] != old[name]} == {"a.mp4"}


def test_a_failed_clip_with_new_content_is_tried_again_by_default(label, corpus, in_process):
    label("corpus")
    write_corpus(corpus, "good.mp4")
    (corpus / "good.mp4").replace(corpus / "bad.mp4")
    assert label("corpus").failed == 0
    assert in_process.given == ["bad.mp4"]


@pytest.mark.parametrize("change", [{"affect.pause": 0.001}, {"chunk": 0.1}])
def test_labels_of_another_pipeline_are_replaced_only_with_overwrite(label, corpus, in_process, tmp_path, change):
    label("corpus")
    before = mtimes(tmp_path / "out")
    ((option, value),) = change.items()
    text = rf"were made by pipeline steady \w+ \(now steady \w+\): {option} .* \(now {value}\); .*--overwrite"
    with pytest.raises(ConfigError, match=text):
        label("corpus", retry_failed=True, **change)
    assert in_process.given == [] and mtimes(tmp_path / "out") == before
    label("corpus", overwrite=True, **change)
    assert sorted(in_process.given) == sorted(CLIPS)
    label("corpus", **change)
    assert in_process.given == [], "an interrupted run continues without overwrite"


def test_a_folder_without_labels_takes_another_pipeline(label, corpus, in_process):
    for name in ("a.mp4", "b.mp4", "deep/a.mp4"):
        (corpus / name).unlink()
    assert label("corpus").failed == 1
    assert label("corpus", chunk=0.1).failed == 1 and in_process.given == ["bad.mp4"]


def test_another_version_labels_all_clips_again(label, corpus, in_process, monkeypatch):
    label("corpus")
    monkeypatch.setattr("avfer.labelling.checked_pipeline.__version__", "9")
    label("corpus")
    assert len(in_process.given) == 4


def test_overwrite_labels_all_clips_again(label, corpus, in_process):
    label("corpus")
    label("corpus", overwrite=True)
    assert len(in_process.given) == 4


def test_a_clip_that_fails_under_overwrite_is_listed_as_failed(label, corpus, in_process, tmp_path):
    label("corpus")
    in_process.crashes = {"a.mp4": 2}
    found = label("corpus", overwrite=True)
    assert (found.done, found.failed) == (2, 2) and failures(tmp_path / "out").keys() == {"a.mp4", "bad.mp4"}
    assert label("corpus", retry_failed=True).done == 3


def test_a_failure_of_another_pipeline_keeps_what_is_done(label, corpus, in_process, tmp_path):
    label("corpus")
    files = [tmp_path / "out/clips/a.mp4.parquet", tmp_path / "out/done/a.mp4.json"]
    before = [file.read_bytes() for file in files]
    in_process.crashes = {"a.mp4": 2}
    label("corpus", overwrite=True, chunk=0.1)
    assert [file.read_bytes() for file in files] == before


@pytest.mark.parametrize("damage", ["table", "marker", "other marker", "half"])
def test_a_damaged_or_missing_table_or_marker_is_made_again(label, corpus, in_process, tmp_path, damage):
    label("corpus")
    table, marker = tmp_path / "out/clips/a.mp4.parquet", tmp_path / "out/done/a.mp4.json"
    before = values(tmp_path / "out")
    if damage == "table":
        table.unlink()
    elif damage == "marker":
        marker.write_bytes(marker.read_bytes()[:20])
    elif damage == "other marker":
        marker.write_text('"done"')
    else:
        table.write_bytes(table.read_bytes()[:-100])
    label("corpus")
    assert in_process.given == ["a.mp4"]
    assert values(tmp_path / "out") == before

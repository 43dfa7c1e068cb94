"""The rules of labelling, without processes: what is done, kept, redone, set aside, and told."""

import json
import os

import pyarrow as pa
import pyarrow.parquet
import pytest

from avfer.errors import ConfigError, OutputError
from tests.labelling.corpora import failures, labels, mtimes, values, write_corpus

CLIPS = "a.mp4", "b.mp4", "deep/a.mp4", "bad.mp4"


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus", *CLIPS)


def test_every_clip_has_a_table_or_a_reason(label, corpus, tmp_path):
    told = label("corpus")
    assert set(labels(tmp_path / "out")) == {"a.mp4", "b.mp4", "deep/a.mp4"}
    assert (told.clips, told.done, told.failed, told.left) == (4, 3, 1, 0)
    fault = failures(tmp_path / "out")["bad.mp4"]
    assert "text, not a media file" in fault["reason"] and fault["stage"] == "open" and "MediaError" in fault["trace"]


def test_a_second_run_gives_nothing_to_workers(label, corpus, here, tmp_path):
    label("corpus")
    before = mtimes(tmp_path / "out")
    assert label("corpus").done == 3
    assert here.given == []
    assert mtimes(tmp_path / "out") == before


def test_only_failed_clips_are_tried_again_when_asked(label, corpus, here, tmp_path):
    label("corpus")
    write_corpus(corpus, "good.mp4")
    (corpus / "good.mp4").replace(corpus / "bad.mp4")
    os.utime(corpus / "a.mp4")
    assert label("corpus", retry_failed=True).failed == 0
    assert here.given == ["bad.mp4"]
    assert failures(tmp_path / "out") == {}


def test_a_failed_clip_stays_failed_without_being_asked(label, corpus, here):
    label("corpus")
    assert label("corpus").failed == 1
    assert here.given == []


def test_a_changed_file_is_done_anew_and_a_touched_one_is_not(label, corpus, here, tmp_path):
    label("corpus")
    old = values(tmp_path / "out")
    os.utime(corpus / "b.mp4")
    write_corpus(corpus, "x.mp4", "x.mp4", "a.mp4")
    (corpus / "x.mp4").unlink()
    label("corpus")
    assert here.given == ["a.mp4"]
    new = values(tmp_path / "out")
    assert {name for name in new if new[name] != old[name]} == {"a.mp4"}


def test_a_mended_failure_is_tried_without_being_asked(label, corpus, here):
    label("corpus")
    write_corpus(corpus, "good.mp4")
    (corpus / "good.mp4").replace(corpus / "bad.mp4")
    assert label("corpus").failed == 0
    assert here.given == ["bad.mp4"]


@pytest.mark.parametrize("change", [{"affect.pause": 0.001}, {"chunk": 0.1}])
def test_a_changed_pipeline_makes_all_stale(label, corpus, here, change):
    label("corpus")
    label("corpus", **change)
    assert sorted(here.given) == sorted(CLIPS)


def test_another_version_makes_all_stale(label, corpus, here, monkeypatch):
    label("corpus")
    monkeypatch.setattr("avfer.labelling.recipe.__version__", "9")
    label("corpus")
    assert len(here.given) == 4


def test_overwrite_does_all_again(label, corpus, here):
    label("corpus")
    label("corpus", overwrite=True)
    assert len(here.given) == 4


@pytest.mark.parametrize("spoil", ["table", "marker", "half"])
def test_what_lies_broken_or_missing_is_made_again(label, corpus, here, tmp_path, spoil):
    label("corpus")
    table, marker = tmp_path / "out/clips/a.mp4.parquet", tmp_path / "out/done/a.mp4.json"
    before = values(tmp_path / "out")
    if spoil == "table":
        table.unlink()
    elif spoil == "marker":
        marker.write_bytes(marker.read_bytes()[:20])
    else:
        table.write_bytes(table.read_bytes()[:-100])
    label("corpus")
    assert here.given == ["a.mp4"]
    assert values(tmp_path / "out") == before


def test_a_clip_that_kills_its_worker_once_is_done_after_all_others(label, corpus, here):
    here.deadly = {"b.mp4": 1}
    assert label("corpus").done == 3
    assert here.given[-1] == "b.mp4" and here.given.count("b.mp4") == 2


def test_a_clip_that_kills_its_worker_twice_is_set_aside(label, corpus, here, tmp_path):
    here.deadly = {"b.mp4": 99}
    assert label("corpus").done == 2
    assert here.given.count("b.mp4") == 2
    fault = failures(tmp_path / "out")["b.mp4"]
    assert (fault["stage"], fault["trace"]) == ("worker", "its last words")
    assert fault["reason"] == "its worker fell over, 2 times of 2"


def test_an_error_of_a_stage_names_the_stage(label, corpus, tmp_path):
    label("corpus", **{"affect.fails_after": 0.1})
    told = failures(tmp_path / "out")["b.mp4"]
    assert told["stage"] == "affect"
    assert told["reason"] == "unexpected ValueError: the stage broke"


def test_a_vanished_clip_is_a_failure_and_the_others_are_done(label, corpus, here, monkeypatch, tmp_path):
    first = here.map
    monkeypatch.setattr(here, "map", lambda task, take: ((corpus / "b.mp4").unlink(), first(task, take))[1])
    assert label("corpus").done == 2
    assert "does not exist" in failures(tmp_path / "out")["b.mp4"]["reason"]


def test_a_clip_that_has_left_the_corpus_leaves_the_books(label, corpus, tmp_path):
    label("corpus")
    (corpus / "a.mp4").unlink()
    assert label("corpus").clips == 3
    assert "a.mp4" in labels(tmp_path / "out")


def test_shards_together_do_every_clip_once_and_keep_one_book(label, here, tmp_path):
    names = [f"{number}.mp4" for number in range(9)]
    write_corpus(tmp_path / "corpus", *names)
    given = []
    for index in (1, 2, 3):
        told = label("corpus", shard=f"{index}/3")
        given += here.given
        assert told.done == len(given)
    assert sorted(given) == names
    assert told.clips == 9 and told.left == 0
    manifest = pa.parquet.read_table(tmp_path / "out/manifest.parquet")
    assert sorted(manifest["id"].to_pylist()) == names
    label("corpus")
    assert here.given == []


def test_the_manifest_tells_size_time_hash_and_length(label, corpus, tmp_path):
    label("corpus")
    rows = {row["id"]: row for row in pa.parquet.read_table(tmp_path / "out/manifest.parquet").to_pylist()}
    row = rows["b.mp4"]
    facts = (corpus / "b.mp4").stat()
    assert (row["size"], row["modified"]) == (facts.st_size, facts.st_mtime)
    assert row["hash"].startswith("sha256:") and row["duration"] == pytest.approx(7 / 25)
    assert rows["bad.mp4"]["duration"] is None


def test_done_markers_carry_the_hashes_of_pipeline_and_clip(label, corpus, tmp_path):
    label("corpus")
    marker = json.loads((tmp_path / "out/done/deep/a.mp4.json").read_text())
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert marker["pipeline"] == run["fingerprint"] and marker["clip"].startswith("sha256:")
    assert marker["rows"] == len(labels(tmp_path / "out")["deep/a.mp4"])


def test_totals_and_coverage_stand_in_corpus_json(label, corpus, tmp_path):
    label("corpus")
    told = json.loads((tmp_path / "out/corpus.json").read_text())
    assert told["rows"] == told["instants"] == sum(map(len, labels(tmp_path / "out").values()))
    assert told["coverage"] == {"done": 0.75, "with_face": 1.0}
    assert told["failures"] == {"open": 1}
    assert told["media_seconds"] == pytest.approx(told["instants"] / 25)


def test_nothing_half_written_is_left(label, corpus, tmp_path):
    label("corpus")
    assert [path for path in (tmp_path / "out").rglob("*") if "part" in path.name and path.is_file()] == []


def test_what_a_killed_run_left_is_swept_away(label, corpus, tmp_path):
    part = tmp_path / "out/.parts/1-of-1/half.parquet"
    part.parent.mkdir(parents=True)
    part.touch()
    label("corpus")
    assert not part.exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"shard": "0/3"}, "I/N"),
        ({"shard": "4/3"}, "I/N"),
        ({"shard": "one"}, "I/N"),
        ({"workers": 0}, "--workers"),
        ({"max_seconds": 0}, "--max-seconds"),
        ({"max_memory": -1}, "--max-memory"),
        ({"affect.pauze": 1}, "did you mean 'pause'"),
    ],
)
def test_wrong_usage_is_told_before_any_work(label, corpus, tmp_path, options, told):
    with pytest.raises(ConfigError, match=told):
        label("corpus", **options)
    assert not (tmp_path / "out/clips").exists()


def test_an_input_that_names_nothing_makes_no_folder(label, tmp_path):
    with pytest.raises(ConfigError, match="no file, folder or pattern"):
        label("nothing")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_the_run_and_blames_no_clip(here, steady, corpus, small_disk):
    from avfer.labelling.run import label

    (small_disk / "out").mkdir()
    with pytest.raises(OutputError, match="No space left"):
        label(steady, corpus, small_disk / "out", device="cpu")
    blamed = [path.name for path in (small_disk / "out/failed").rglob("*.json")]
    assert blamed in ([], ["bad.mp4.json"])
    assert list((small_disk / "out").rglob(".parts/**/*.parquet")) == []


def test_a_read_only_folder_ends_the_run_at_once(here, steady, corpus, read_only_folder):
    from avfer.labelling.run import label

    with pytest.raises(OutputError, match="cannot be written"):
        label(steady, corpus, read_only_folder / "out", device="cpu")
    assert here.given == []


def test_processes_give_what_this_process_gives(steady, corpus, tmp_path, request):
    import avfer

    told = avfer.label(steady, str(corpus), tmp_path / "processes", workers=2)
    request.getfixturevalue("here")
    assert avfer.label(steady, str(corpus), tmp_path / "here").rows == told.rows
    assert values(tmp_path / "processes") == values(tmp_path / "here") and told.done == 3
    assert failures(tmp_path / "processes") == failures(tmp_path / "here")


def test_a_table_with_fewer_rows_than_were_written_is_no_table(label, corpus, tmp_path, monkeypatch):
    short = type("Metadata", (), {"num_rows": 1})
    monkeypatch.setattr("avfer.labelling.one_clip.read_metadata", lambda file: short)
    assert label("corpus").done == 0
    told = failures(tmp_path / "out")["a.mp4"]
    assert told["stage"] == "write" and "holds 1 rows, not the 6 that were written" in told["reason"]
    assert labels(tmp_path / "out") == {} and not list((tmp_path / "out").glob("done/*"))

"""How far a corpus is, and its tables as one dataset."""

import json
import shutil
import time
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
from pyarrow.parquet import ParquetWriter

from avfer.errors import ConfigError, OutputError
from avfer.labelling import merge as merging
from avfer.labelling import status as statuses
from avfer.labelling.entry import Entry, Shard
from avfer.labelling.merge import merge
from avfer.labelling.status import CorpusStatus, LabelStatus, Pace, status
from avfer.labelling.store import ClipState, locked
from tests.labelling.corpora import labels, write_corpus


@pytest.fixture
def out(label, tmp_path):
    """Return the output folder of a corpus of which five clips are done, one has failed and two are left."""
    write_corpus(tmp_path / "corpus", "a.mp4", "b.mp4", "s/c.mp4", "s/d.mp4", "s/e.mp4", "bad.mp4")
    label("corpus")
    write_corpus(tmp_path / "corpus", "new1.mp4", "new2.mp4")
    label("corpus", shard="1/1")
    for name in ("new1.mp4", "new2.mp4"):
        (tmp_path / f"out/done/{name}.json").unlink()
    return tmp_path / "out"


def test_status_counts_what_is_done_failed_and_left(out):
    current = status(out)
    corpus = current.corpus
    assert (corpus.clips, corpus.done, corpus.failed, corpus.left, current.running) == (8, 5, 1, 2, 0)
    assert corpus.rows == sum(len(table) for name, table in labels(out).items() if "new" not in name)


def test_totals_add_up_what_the_markers_of_all_clips_say():
    corpus, clip = CorpusStatus(), Entry("a.mp4", "/a.mp4", 1000, None, "sha256:0")
    done = {"rows": 9, "bytes": 70, "instants": 8, "frames": 8, "with_face": 2, "duration": 0.5, "seconds": 3.0}
    done |= {"reasons": {"no_face": 6, "decode_error": 1}, "device": "cpu"}
    voice = done | {"frames": 0, "with_face": 0, "reasons": {"no_picture": 9}, "device": "cuda:0"}
    for state, marker in [(ClipState.DONE, done), (ClipState.DONE, done), (ClipState.DONE, voice)]:
        corpus.count(clip, state, marker)
    for stage in ("open", "look", "open"):
        corpus.count(clip, ClipState.FAILED, {"stage": stage})
    corpus.count(clip, ClipState.LEFT, {})
    corpus.count(clip, ClipState.COLUMNS, done)
    found = corpus.as_json()
    assert [found[name] for name in ("clips", "done", "failed", "left", "bytes_left")] == [8, 3, 3, 2, 2000]
    assert [found[name] for name in ("rows", "bytes", "instants", "frames", "with_face")] == [27, 210, 24, 16, 4]
    assert (found["media_seconds"], found["work_seconds"]) == (1.5, 9.0)
    assert found["reasons"] == {"no_face": 12, "decode_error": 2, "no_picture": 9}
    assert (found["failures"], found["devices"]) == ({"open": 2, "look": 1}, {"cpu": 2, "cuda:0": 1})
    assert found["coverage"] == {"done": 0.375, "with_face": 0.25}


def test_the_rate_is_in_clips_a_minute_and_without_a_finished_clip_no_time_remaining_is_known():
    corpus = CorpusStatus(bytes_left=600)
    found = LabelStatus(corpus, 2, Pace(clips=0.5, bytes=20.0)).as_json()
    assert (found["running"], found["clips_per_minute"], found["seconds_left"]) == (2, 30.0, 30.0)
    assert LabelStatus(corpus, 0, Pace()).seconds_left is None


def test_time_remaining_follows_from_the_bytes_left_and_the_pace_without_pauses(out, tmp_path, monkeypatch):
    now, done = time.time(), ("a.mp4", "b.mp4", "s/c.mp4", "s/d.mp4", "s/e.mp4")
    finished = (-86400.0, -86399.0, 4.0, 5.0, 8.0)  # two workers: 5 s on the day before, then 8 s without a pause
    for name, seconds in zip(done, finished, strict=True):
        marker = out / f"done/{name}.json"
        times = {"finished": now + seconds, "seconds": 4.0}
        marker.write_text(json.dumps(json.loads(marker.read_text()) | times))
    current = status(out)
    assert current.pace.clips == pytest.approx(5 / 13)
    size, left = (
        sum((tmp_path / "corpus" / name).stat().st_size for name in names) for names in (done, ("new1.mp4", "new2.mp4"))
    )
    assert current.seconds_left == pytest.approx(left / (size / 13))
    monkeypatch.setattr(statuses, "RECENT", 3)  # the clips of the day before do not count
    assert status(out).pace.clips == pytest.approx(3 / 8)


def test_status_opens_no_table(out, monkeypatch):
    for table in out.glob("clips/**/*.parquet"):
        table.write_bytes(b"\0" * table.stat().st_size)
    assert status(out).corpus.done == 5


def test_active_runs_are_counted(out):
    with locked(out / ".locks", Shard(1, 2)), locked(out / ".locks", Shard(2, 2)):
        assert status(out).running == 2
    assert status(out).running == 0


def test_the_command_prints_the_status_as_lines_and_as_json(avfer, out):
    result = avfer("label", "--status", out)
    assert result.code == 0 and "8: 5 done, 1 failed, 2 left" in result.out and "no active run" in result.out
    assert json.loads(avfer("label", "--status", out, "--json").out)["left"] == 2


def test_the_status_of_a_run_that_is_still_planning_says_so(tmp_path):
    with locked(tmp_path / ".locks", Shard()), pytest.raises(ConfigError, match="a run is listing and hashing its"):
        status(tmp_path)


@pytest.mark.parametrize("option", ["--status", "--merge"])
def test_a_folder_without_labels_is_wrong_usage(avfer, tmp_path, option):
    result = avfer("label", option, tmp_path, "--output", tmp_path / "dataset")
    assert result.code == 2 and "has no labels" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{steady}", "--output", "o"), "missing --input"),
        (("{steady}", "--input", "."), "missing --output"),
        (("--input", ".", "--output", "o"), "missing PIPELINE"),
        (("--merge", "."), "missing --output"),
        (("--merge", ".", "--status", ".", "--output", "o"), "--status and --merge: use one of them"),
        (("{steady}", "--input", ".", "--output", "{steady}"), "is a file"),
        (("{steady}", "--input", ".", "--output", "o", "--shard", "3"), "I/N"),
    ],
)
def test_a_missing_or_wrong_argument_is_wrong_usage(avfer, steady, arguments, message):
    result = avfer("label", *(argument.format(steady=steady) for argument in arguments))
    assert result.code == 2 and message in result.err


def test_duckdb_pandas_and_arrow_read_a_merged_dataset_alike(avfer, out, tmp_path, monkeypatch):
    monkeypatch.setattr(merging, "GROUP_ROWS", 10)
    monkeypatch.setattr(merging, "PART_ROWS", 15)
    result = avfer("label", "--merge", out, "--output", tmp_path / "dataset")
    assert result.code == 0 and result.paths == [tmp_path / "dataset"]
    assert "not in the dataset: 1 failed, 2 left" in result.err
    want = {name: table["valence"].to_pylist() for name, table in labels(out).items() if "new" not in name}
    parts = f"{tmp_path}/dataset/*/*.parquet"
    sql = f"select id, list(valence order by frame) from read_parquet('{parts}', hive_partitioning=true) group by id"
    assert dict(duckdb.sql(sql).fetchall()) == want
    frame = pd.read_parquet(tmp_path / "dataset")
    assert {name: rows["valence"].tolist() for name, rows in frame.groupby("id")} == want
    arrow = pa.dataset.dataset(tmp_path / "dataset", partitioning="hive").to_table().to_pandas()
    assert sorted(arrow["part"].unique()) == [0, 1]
    assert arrow["id"].is_monotonic_increasing


def test_the_dataset_has_the_present_columns_of_the_user(label, tmp_path):
    write_corpus(tmp_path / "x", "9.mp4", "10.mp4")
    (tmp_path / "m.csv").write_text("path,subject\nx/9.mp4,s1\nx/10.mp4,s2\n")
    label("m.csv")
    merge(tmp_path / "out", tmp_path / "dataset")
    table = pa.parquet.read_table(tmp_path / "dataset")
    pairs = dict(zip(table["id"].to_pylist(), table["subject"].to_pylist(), strict=True))
    assert list(pairs.items()) == [("x/10.mp4", "s2"), ("x/9.mp4", "s1")], "ordered by id, as readers skip row groups"
    assert table.schema.metadata[b"version"] and b"container" not in table.schema.metadata


def test_a_column_that_left_the_manifest_is_not_in_the_dataset(label, in_process, tmp_path):
    write_corpus(tmp_path / "x", "a.mp4", "b.mp4")
    (tmp_path / "m.csv").write_text("path,age\nx/a.mp4,20\nx/b.mp4,30\n")
    label("m.csv")
    (tmp_path / "m.csv").write_text("path,years\nx/a.mp4,20\nx/b.mp4,30\n")
    in_process.crashes = {"x/b.mp4": 2}  # its table keeps the old column
    label("m.csv")
    merge(tmp_path / "out", tmp_path / "dataset")
    table = pa.parquet.read_table(tmp_path / "dataset")
    assert "age" not in table.column_names and set(table["years"].to_pylist()) == {20, 30}


def test_a_merge_ends_if_another_pipeline_begins_meanwhile(label, tmp_path, monkeypatch):
    write_corpus(tmp_path / "corpus", "a.mp4")
    label("corpus")

    def write_part(path, *options, **more):
        (tmp_path / "out/run.json").write_text('{"fingerprint": "of another pipeline"}')
        return ParquetWriter(path, *options, **more)

    monkeypatch.setattr(merging, "ParquetWriter", write_part)
    with pytest.raises(OutputError, match="another pipeline now"):
        merge(tmp_path / "out", tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_a_damaged_manifest_is_named_and_the_next_run_replaces_it(label, corpus, avfer, in_process, tmp_path):
    label("corpus")
    (tmp_path / "out/manifest.parquet").write_bytes(b"damaged")
    for action in (("--status", tmp_path / "out"), ("--merge", tmp_path / "out", "--output", tmp_path / "dataset")):
        result = avfer("label", *action)
        assert result.code == 3 and "manifest.parquet cannot be read" in result.err
    assert label("corpus").done == 3 and in_process.given == []
    assert status(tmp_path / "out").corpus.done == 3


def test_an_existing_dataset_is_not_overwritten(out, tmp_path):
    merge(out, tmp_path / "dataset")
    before = (tmp_path / "dataset/part=0/labels.parquet").read_bytes()
    with pytest.raises(ConfigError, match=r"dataset exists; .* or use --overwrite to replace it"):
        merge(out, tmp_path / "dataset")
    assert (tmp_path / "dataset/part=0/labels.parquet").read_bytes() == before


def test_overwrite_replaces_a_dataset_with_all_its_parts(avfer, label, out, tmp_path, monkeypatch):
    monkeypatch.setattr(merging, "GROUP_ROWS", 1)
    monkeypatch.setattr(merging, "PART_ROWS", 1)
    merge(out, tmp_path / "dataset")
    label("corpus")  # two clips more
    monkeypatch.setattr(merging, "PART_ROWS", 1_000_000)
    result = avfer("label", "--merge", out, "--output", tmp_path / "dataset", "--overwrite")
    assert result.code == 0 and result.paths == [tmp_path / "dataset"]
    assert [path.name for path in (tmp_path / "dataset").iterdir()] == ["part=0"]
    assert len(set(pa.parquet.read_table(tmp_path / "dataset")["id"].to_pylist())) == 7
    assert not list(tmp_path.glob(".*")), "the old dataset is removed"


@pytest.mark.parametrize("name", ["notes.txt", "part=0/notes.txt", "part=1/labels.parquet", "part=x"])
def test_overwrite_replaces_no_folder_with_files_of_others(out, tmp_path, name):
    merge(out, tmp_path / "dataset")
    (tmp_path / "dataset" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "dataset" / name).write_text("of the user")
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match=f"is no merged dataset: '{name}' in it"):
            merge(out, tmp_path / "dataset", overwrite)
    assert (tmp_path / "dataset" / name).read_text() == "of the user"


@pytest.mark.parametrize("kind", ["labels", "table of a clip", "table of others", "file", "link", "link to a part"])
def test_overwrite_replaces_nothing_but_a_merged_dataset(out, tmp_path, kind):
    target = out if kind == "labels" else tmp_path / "target"
    if kind in ("table of a clip", "table of others"):
        (target / "part=0").mkdir(parents=True)
        shutil.copy(out / "clips/a.mp4.parquet", target / "part=0/labels.parquet")
    if kind == "table of others":
        pa.parquet.write_table(pa.table({"id": ["a"]}), target / "part=0/labels.parquet")
    elif kind == "file":
        target.write_text("of the user")
    elif kind == "link":
        merge(out, tmp_path / "dataset")
        target.symlink_to(tmp_path / "dataset")
    elif kind == "link to a part":
        merge(out, target)
        (target / "part=1").symlink_to(target / "part=0")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match="exists and is no merged dataset"):
        merge(out, target, overwrite=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("folder", "name"), [("dataset", "."), ("dataset/part=0", ".."), ("dataset", "../dataset")])
def test_the_current_folder_is_not_replaced(out, tmp_path, monkeypatch, folder, name):
    merge(out, tmp_path / "dataset")
    monkeypatch.chdir(tmp_path / folder)
    with pytest.raises(ConfigError, match="is the current folder or contains it"):
        merge(out, Path(name), overwrite=True)
    assert (tmp_path / "dataset/part=0/labels.parquet").exists()


def test_a_file_that_appears_in_the_old_dataset_during_the_merge_is_kept(out, tmp_path, monkeypatch):
    merge(out, tmp_path / "dataset")

    def write_part(path, *options, **more):
        (tmp_path / "dataset/notes.txt").write_text("of the user")
        return ParquetWriter(path, *options, **more)

    monkeypatch.setattr(merging, "ParquetWriter", write_part)
    with pytest.raises(ConfigError, match=r"notes\.txt"):
        merge(out, tmp_path / "dataset", overwrite=True)
    assert (tmp_path / "dataset/notes.txt").exists() and (tmp_path / "dataset/part=0/labels.parquet").exists()


@pytest.mark.parametrize("target", ["dataset", "earlier"])
@pytest.mark.parametrize("damage", ["table", "disk"])
def test_a_merge_that_fails_half_way_leaves_nothing_and_keeps_the_earlier_one(
    out, tmp_path, monkeypatch, damage, target
):
    merge(out, tmp_path / "earlier")
    before = (tmp_path / "earlier/part=0/labels.parquet").read_bytes()
    monkeypatch.setattr(merging, "GROUP_ROWS", 1)
    monkeypatch.setattr(merging, "PART_ROWS", 1)
    parts = list[Path]()
    last = out / "clips/s/e.mp4.parquet"

    def write_part(path, *options, **more):
        parts.append(path)
        if damage == "disk" and len(parts) == 4:
            raise OSError(28, "No space left on device")
        return ParquetWriter(path, *options, **more)

    monkeypatch.setattr(merging, "ParquetWriter", write_part)
    if damage == "table":
        last.write_bytes(b"\0" * last.stat().st_size)
    with pytest.raises(OutputError, match=rf"clips/s/.*cannot be read|{target} cannot be written: No space left"):
        merge(out, tmp_path / target, overwrite=target == "earlier")
    assert len(parts) == 4 and not any(part.parent.parent.exists() for part in parts)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "earlier", "out", "steady.yaml"]
    assert (tmp_path / "earlier/part=0/labels.parquet").read_bytes() == before

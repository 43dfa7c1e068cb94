"""`avfer run`: its tables, their names, formats and inputs, and files that exist already."""

import gc
import json
from pathlib import Path

import fsspec
import pyarrow.csv
import pyarrow.parquet
import pytest

from avfer import jobs
from avfer.pipeline import Pipeline
from tests.cli.outputs import FRAMES, leftovers, rows
from tests.media_maker import stripes, write_clip


def test_run_prints_only_the_paths_it_wrote_on_standard_output(avfer, steady, clip, tmp_path):
    result = avfer("run", steady, "--input", clip, "--output", tmp_path / "out")
    assert result.code == 0
    assert result.paths == [tmp_path / "out" / "talk.parquet"]
    assert rows(result.paths[0]) == FRAMES
    assert "talk.mp4" in result.err and "times real time" in result.err
    assert leftovers(tmp_path / "out") == []


def test_results_go_to_avfer_out_by_default(avfer, steady, clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert avfer("run", steady, "--input", clip).paths == [Path("avfer_out/talk.parquet")]


def test_every_format_holds_the_same_values(avfer, steady, clip, tmp_path):
    result = avfer("run", steady, "--input", clip, "--format", "parquet,csv,jsonl", "--output", tmp_path)
    assert [path.suffix for path in result.paths] == [".parquet", ".csv", ".jsonl"]
    parquet = pyarrow.parquet.read_table(result.paths[0])
    lines = [json.loads(line) for line in result.paths[2].read_text().splitlines()]
    assert pyarrow.csv.read_csv(result.paths[1])["valence"].to_pylist() == [line["valence"] for line in lines]
    assert parquet["valence"].to_pylist() == pytest.approx([line["valence"] for line in lines], abs=1e-7)


def test_inputs_with_the_same_output_name_keep_their_ending(avfer, steady, clip, tmp_path):
    (tmp_path / "other").mkdir()
    twin = write_clip(tmp_path / "other" / "talk.avi", stripes(4), codec="mpeg4")
    result = avfer("run", steady, "--input", clip, twin, "--output", tmp_path / "out")
    assert result.code == 0
    assert [path.name for path in result.paths] == ["talk.mp4.parquet", "talk.avi.parquet"]
    assert [rows(path) for path in result.paths] == [FRAMES, 4]


def test_clips_in_a_folder_keep_their_tree_and_the_table_names_it(avfer, steady, tmp_path):
    for name in ("S1", "S2"):
        (tmp_path / "clips" / name).mkdir(parents=True)
        write_clip(tmp_path / "clips" / name / "cam.mp4", stripes(3))
    result = avfer("run", steady, "--input", tmp_path / "clips", "--output", tmp_path / "out")
    assert result.paths == [tmp_path / "out/S1/cam.parquet", tmp_path / "out/S2/cam.parquet"]
    table = pyarrow.parquet.read_table(result.paths[1])
    assert set(table["source"].to_pylist()) == {"S2/cam.mp4"} and set(table["clip"].to_pylist()) == {"cam.mp4"}


def test_the_columns_of_a_manifest_are_in_every_table_and_changed_ones_are_an_error(avfer, steady, clip, tmp_path):
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,subject,age,day\ntalk.mp4,s1,,2024-03-01\n")
    formats = "parquet,csv,jsonl"
    run = ("run", steady, "--input", manifest, "--format", formats, "--output", tmp_path / "out")
    tables = avfer(*run).paths
    assert json.loads(tables[2].read_text().splitlines()[0])["day"] == "2024-03-01"
    for table in (pyarrow.parquet.read_table(tables[0]), pyarrow.csv.read_csv(tables[1])):
        assert table["subject"].to_pylist() == ["s1"] * FRAMES and table["age"].null_count == FRAMES
    assert "kept" in avfer(*run).err
    manifest.write_text("path,subject,age,day\ntalk.mp4,s2,,2024-03-01\n")
    changed = avfer(*run)
    assert changed.code == 2 and "was made by a manifest with subject s1 (now s2); choose another" in changed.err
    from_folder = avfer("run", steady, "--input", tmp_path, "--format", formats, "--output", tmp_path / "out")
    assert from_folder.code == 2 and "age None (now absent)" in from_folder.err


def test_a_url_is_copied_for_its_run_and_a_changed_one_is_an_error(avfer, steady, clip, tmp_path):
    store, url = fsspec.filesystem("memory"), "memory://run/talk.mp4"
    store.pipe("/run/talk.mp4", clip.read_bytes())
    result = avfer("run", steady, "--input", url, "--output", tmp_path / "out", "--report")
    assert (result.code, rows(result.paths[0])) == (0, FRAMES)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["talk.html", "talk.parquet"]
    assert avfer("run", steady, "--input", url, "--output", tmp_path / "out", "--report").code == 0
    store.pipe("/run/talk.mp4", write_clip(tmp_path / "other.mp4", stripes(4)).read_bytes())
    changed = avfer("run", steady, "--input", url, "--output", tmp_path / "out", "--report")
    assert changed.code == 2 and "was made by input of" in changed.err


def test_the_reason_of_a_failed_url_names_the_url(avfer, steady, tmp_path):
    fsspec.filesystem("memory").pipe("/run/bad.mp4", b"this is no film")
    result = avfer("run", steady, "--input", "memory://run/bad.mp4", "--output", tmp_path / "out")
    assert result.code == 3 and "bad.mp4 failed: 'memory:///run/bad.mp4' cannot be read: it is a text" in result.err


def test_the_same_file_named_twice_is_one_clip(avfer, steady, clip, tmp_path):
    assert len(avfer("run", steady, "--input", clip, tmp_path, "--output", tmp_path / "out").paths) == 1


@pytest.mark.filterwarnings("always")
def test_an_existing_table_is_kept_with_a_message(avfer, steady, clip, tmp_path):
    kept = tmp_path / "talk.parquet"
    kept.write_bytes(b"mine")
    result = avfer("run", steady, "--input", clip, "--output", tmp_path)
    assert (result.code, result.paths) == (0, [kept])
    assert kept.read_bytes() == b"mine"
    assert "kept, it existed already" in result.err and "does not record what made it" in result.err


def test_overwrite_replaces_a_table(avfer, steady, clip, tmp_path):
    (tmp_path / "talk.parquet").write_bytes(b"mine")
    avfer("run", steady, "--input", clip, "--output", tmp_path, "--overwrite")
    assert rows(tmp_path / "talk.parquet") == FRAMES


@pytest.mark.filterwarnings("always")
def test_only_the_missing_format_is_written(avfer, steady, clip, tmp_path):
    (tmp_path / "talk.csv").write_bytes(b"mine")
    result = avfer("run", steady, "--input", clip, "--output", tmp_path, "--format", "csv,parquet")
    assert result.paths == [tmp_path / "talk.csv", tmp_path / "talk.parquet"]
    assert (tmp_path / "talk.csv").read_bytes() == b"mine"


def test_json_prints_one_object_with_outputs_failures_and_rows(avfer, steady, clip, text, tmp_path):
    result = avfer("run", steady, "--input", clip, text, "--output", tmp_path, "--json")
    printed = json.loads(result.out)
    assert printed["outputs"] == [str(tmp_path / "talk.parquet")]
    assert printed["failures"][0]["input"] == str(text) and printed["failures"][0]["reason"]
    assert printed["rows"] == FRAMES and printed["seconds"] > 0


def test_quiet_prints_nothing_on_standard_error(avfer, steady, clip, tmp_path):
    assert avfer("run", steady, "--input", clip, "--output", tmp_path, "--quiet").err == ""


@pytest.mark.parametrize("named", ["folder", "glob", "list", "spread", "repeated"])
def test_inputs_may_be_named_in_many_ways(avfer, steady, tmp_path, named):
    folder = tmp_path / "zwei Wörter" / "deep"
    folder.mkdir(parents=True)
    clips = [write_clip(folder / name, stripes(3)) for name in ("eins.mp4", "zwei ü.mp4")]
    (folder / "notes.md").write_text("no clip")
    (tmp_path / "list.txt").write_text("# clips\n\nzwei Wörter/deep/eins.mp4\nzwei Wörter/deep/zwei ü.mp4\n")
    inputs = {
        "folder": ["--input", folder.parent],
        "glob": ["--input", tmp_path / "*" / "**" / "*.mp4"],
        "list": ["--input", tmp_path / "list.txt"],
        "spread": ["--input", *clips],
        "repeated": ["--input", clips[0], "--input", clips[1]],
    }
    result = avfer("run", steady, *inputs[named], "--output", tmp_path / "out")
    assert [path.name for path in result.paths] == ["eins.parquet", "zwei ü.parquet"]


def test_chunk_length_changes_no_byte(avfer, steady, clip, tmp_path):
    for chunk in ("0.08", "0.2", "5"):
        avfer(
            "run", steady, "--input", clip, "--output", tmp_path / chunk, "--format", "csv", "--set", f"chunk={chunk}"
        )
    tables = {(tmp_path / chunk / "talk.csv").read_bytes() for chunk in ("0.08", "0.2", "5")}
    assert len(tables) == 1


def test_report_and_overlay_are_written_beside_the_table(avfer, steady, clip, tmp_path):
    result = avfer("run", steady, "--input", clip, "--output", tmp_path / "out", "--report", "--overlay")
    assert result.code == 0
    assert [path.name for path in result.paths] == ["talk.parquet", "talk.html", "talk.overlay.mp4"]
    assert leftovers(tmp_path / "out") == []


def test_run_loads_without_collections_and_processes_clips_with_them(avfer, steady, clip, tmp_path, monkeypatch):
    enabled = []
    load, run_job = Pipeline.__init__, jobs.run_job
    monkeypatch.setattr(Pipeline, "__init__", lambda *a, **k: (enabled.append(gc.isenabled()), load(*a, **k))[1])
    monkeypatch.setattr(jobs, "run_job", lambda *a, **k: (enabled.append(gc.isenabled()), run_job(*a, **k))[1])
    assert avfer("run", steady, "--input", clip, "--output", tmp_path).code == 0
    assert enabled == [False, True]

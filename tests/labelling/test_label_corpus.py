"""The rules of labelling, without processes: which clips are done, failed and reported."""

import json

import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from avfer.errors import AvferWarning, ConfigError, Stopped
from avfer.labelling.checked_pipeline import CheckTask
from tests.labelling.corpora import failures, labels, values, write_corpus


def test_every_clip_has_a_table_or_a_reason(label, corpus, tmp_path):
    totals = label("corpus")
    assert set(labels(tmp_path / "out")) == {"a.mp4", "b.mp4", "deep/a.mp4"}
    assert (totals.clips, totals.done, totals.failed, totals.left) == (4, 3, 1, 0)
    fault = failures(tmp_path / "out")["bad.mp4"]
    assert "not a media file" in fault["reason"] and fault["stage"] == "open"


def test_python_shows_progress_on_request(label, corpus, in_process, capsys):
    label("corpus")
    assert capsys.readouterr().err == ""
    label("corpus", progress=True, overwrite=True)
    assert "[4/4]" in capsys.readouterr().err


def test_a_warning_of_the_pipeline_is_shown_once_with_the_number_of_clips(label, corpus, steady, avfer, tmp_path):
    with pytest.warns(AvferWarning, match=r"--fps\) is the rate .*\(3 clips; the first is .*mp4\)") as issued:
        label("corpus", sequence_fps=5)
    assert len(issued) == 1
    command = ("label", steady, "--input", corpus, "--output", tmp_path / "new", "--fps", "5", "--device", "cpu")
    assert avfer(*command).err.count("avfer: warning: ") == 1
    log = [json.loads(line) for line in avfer(*command, "--overwrite", "--json-log").err.splitlines()]
    assert ["--fps) is the rate" in line["text"] for line in log if line["event"] == "warning"] == [True]
    assert "warnings" not in (tmp_path / "new/done/a.mp4.json").read_text()


def test_large_clips_come_first(label, corpus, in_process):
    label("corpus")
    sizes = [(corpus / name).stat().st_size for name in in_process.given]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) > 2


def test_a_clip_whose_worker_crashed_once_is_done_after_all_others(label, corpus, in_process):
    in_process.crashes = {"b.mp4": 1}
    assert label("corpus").done == 3
    assert in_process.given[-1] == "b.mp4" and in_process.given.count("b.mp4") == 2


def test_a_clip_whose_worker_crashed_twice_fails(label, corpus, in_process, tmp_path):
    in_process.crashes = {"b.mp4": 99}
    assert label("corpus").done == 2
    assert in_process.given.count("b.mp4") == 2
    fault = failures(tmp_path / "out")["b.mp4"]
    assert fault["stage"] == "worker"
    assert fault["reason"] == "its worker fell over, 2 times of 2 (AVFER_DEBUG=1 shows its last lines)"


def test_an_error_of_a_stage_names_the_stage(label, corpus, tmp_path):
    label("corpus", **{"affect.fails_after": 0.1})
    failure = failures(tmp_path / "out")["b.mp4"]
    assert failure["stage"] == "affect"
    assert failure["reason"] == "unexpected ValueError: the stage broke (AVFER_DEBUG=1 shows where)"


def test_avfer_debug_alone_records_tracebacks_and_the_last_lines_of_a_worker(
    label, corpus, in_process, tmp_path, monkeypatch
):
    in_process.crashes = {"a.mp4": 2}
    label("corpus", **{"affect.fails_after": 0.1})
    assert not any("trace" in failure for failure in failures(tmp_path / "out").values())
    assert "Traceback" not in "".join(path.read_text() for path in (tmp_path / "out").rglob("*.json*"))
    monkeypatch.setenv("AVFER_DEBUG", "1")
    in_process.crashes = {"a.mp4": 2}
    label("corpus", retry_failed=True, **{"affect.fails_after": 0.1})
    found = failures(tmp_path / "out")
    assert "MediaError" in found["bad.mp4"]["trace"] and "steady_stage.py" in found["b.mp4"]["trace"]
    assert found["a.mp4"]["trace"] == "its last lines"
    assert [found[name]["reason"] for name in ("a.mp4", "b.mp4")] == [
        "its worker fell over, 2 times of 2",
        "unexpected ValueError: the stage broke",
    ]


def test_a_clip_that_was_deleted_fails_and_the_others_are_done(label, corpus, in_process, monkeypatch, tmp_path):
    first = in_process.map
    monkeypatch.setattr(in_process, "map", lambda task, take: ((corpus / "b.mp4").unlink(), first(task, take))[1])
    assert label("corpus").done == 2
    assert "does not exist" in failures(tmp_path / "out")["b.mp4"]["reason"]


def test_a_clip_that_left_the_corpus_leaves_the_totals_and_keeps_its_table(label, corpus, tmp_path):
    label("corpus")
    (corpus / "a.mp4").unlink()
    assert label("corpus").clips == 3
    assert "a.mp4" in labels(tmp_path / "out")


def test_the_manifest_has_size_time_hash_and_duration(label, corpus, tmp_path):
    label("corpus")
    rows = {row["id"]: row for row in pa.parquet.read_table(tmp_path / "out/manifest.parquet").to_pylist()}
    row = rows["b.mp4"]
    facts = (corpus / "b.mp4").stat()
    assert (row["size"], row["modified"]) == (facts.st_size, facts.st_mtime)
    assert row["hash"].startswith("sha256:") and row["duration"] == pytest.approx(7 / 25)
    assert rows["bad.mp4"]["duration"] is None


def test_done_markers_have_the_hashes_of_pipeline_and_clip(label, corpus, tmp_path):
    label("corpus")
    marker = json.loads((tmp_path / "out/done/deep/a.mp4.json").read_text())
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert marker["pipeline"] == run["fingerprint"] and marker["clip"].startswith("sha256:")
    assert marker["rows"] == len(labels(tmp_path / "out")["deep/a.mp4"])


def test_corpus_json_has_totals_and_coverage(label, corpus, tmp_path):
    label("corpus")
    totals = json.loads((tmp_path / "out/corpus.json").read_text())
    assert totals["rows"] == totals["instants"] == totals["frames"] == sum(map(len, labels(tmp_path / "out").values()))
    assert totals["coverage"] == {"done": 0.75, "with_face": 1.0}
    assert totals["failures"] == {"open": 1}
    assert totals["media_seconds"] == pytest.approx(totals["instants"] / 25)


def test_totals_and_status_count_the_seconds_that_were_labelled(label, avfer, tmp_path):
    write_corpus(tmp_path / "corpus", "a.mp4", "b.mp4")  # of 0.24 s and 0.28 s
    label("corpus", start=0.04, stop=0.2)
    merged = avfer("label", "--merge", tmp_path / "out", "--output", tmp_path / "dataset", "--json").out
    status = avfer("label", "--status", tmp_path / "out", "--json").out
    totals = (tmp_path / "out/corpus.json").read_text()
    for found in (json.loads(merged)["corpus"], json.loads(status), json.loads(totals)):
        assert found["rows"] == 2 * 4 and found["media_seconds"] == pytest.approx(2 * 0.16)


def test_rows_of_sound_alone_lower_no_coverage(label, tmp_path, monkeypatch):
    def without_pictures(table: pa.Table, _: object) -> pa.Table:
        for name in ("frame", "track") if table["clip"][0].as_py() == "b.mp4" else ():
            table = table.set_column(table.column_names.index(name), name, pa.nulls(len(table), table[name].type))
        return table

    write_corpus(tmp_path / "corpus", "a.mp4", "b.mp4")
    monkeypatch.setattr("avfer.jobs.with_columns", without_pictures)
    label("corpus")
    totals = json.loads((tmp_path / "out/corpus.json").read_text())
    assert (totals["instants"], totals["frames"], totals["with_face"]) == (13, 6, 6)
    assert totals["coverage"]["with_face"] == 1.0


def test_no_unfinished_file_is_left(label, corpus, tmp_path):
    label("corpus")
    assert [path for path in (tmp_path / "out").rglob("*") if "part" in path.name and path.is_file()] == []


@pytest.mark.parametrize("shard", ["1-of-1", "1-of-2"])
def test_unfinished_files_of_a_killed_run_are_removed(label, corpus, tmp_path, shard):
    part = tmp_path / f"out/.parts/{shard}/half.parquet"
    part.parent.mkdir(parents=True)
    part.touch()
    label("corpus")
    assert not part.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shard": "0/3"}, "I/N"),
        ({"shard": "4/3"}, "I/N"),
        ({"shard": "one"}, "I/N"),
        ({"workers": 0}, "--workers"),
        ({"max_threads": 0}, "--threads"),
        ({"max_seconds": 0}, "--max-seconds"),
        ({"max_memory": -1}, "--max-memory"),
        ({"affect.pauze": 1}, "did you mean 'pause'"),
    ],
)
def test_wrong_usage_is_an_error_before_any_work(label, corpus, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        label("corpus", **options)
    assert not (tmp_path / "out/clips").exists()


def test_an_input_that_names_nothing_creates_no_folder(label, tmp_path):
    with pytest.raises(ConfigError, match="no file, folder or pattern"):
        label("nothing")
    assert not (tmp_path / "out").exists()


def test_a_reason_of_several_lines_becomes_one(label, corpus, tmp_path, monkeypatch):
    def fail(*_: object, **options: object) -> None:
        raise ValueError("first line\n  second\tline")

    monkeypatch.setattr("avfer.labelling.label_clip.clip_to_files", fail)
    label("corpus")
    assert failures(tmp_path / "out")["a.mp4"]["reason"].startswith("unexpected ValueError: first line second line (")


def test_processes_write_the_same_values_as_this_process(steady, corpus, tmp_path, request, monkeypatch):
    import avfer

    with monkeypatch.context() as patch:  # tests/cli/test_pipeline_errors.py loads a pipeline in its own process
        patch.setattr(
            "avfer.labelling.label_corpus.check_pipeline", lambda spec, device: CheckTask(device).load()(spec)
        )
        totals = avfer.label(steady, str(corpus), tmp_path / "processes", workers=1)
    request.getfixturevalue("in_process")
    assert avfer.label(steady, str(corpus), tmp_path / "in_process").rows == totals.rows
    assert values(tmp_path / "processes") == values(tmp_path / "in_process") and totals.done == 3
    assert failures(tmp_path / "processes") == failures(tmp_path / "in_process")


def test_a_table_with_fewer_rows_than_were_written_is_a_failure(label, corpus, tmp_path, monkeypatch):
    short = type("Metadata", (), {"num_rows": 1})
    monkeypatch.setattr("avfer.labelling.label_clip.read_metadata", lambda file: short)
    assert label("corpus").done == 0
    failure = failures(tmp_path / "out")["a.mp4"]
    assert failure["stage"] == "write" and "has 1 row, expected 6" in failure["reason"]
    assert labels(tmp_path / "out") == {} and not list((tmp_path / "out").glob("done/*"))


def test_the_command_prints_paths_on_standard_output_and_the_rest_on_standard_error(
    avfer, in_process, steady, tmp_path
):
    corpus = write_corpus(tmp_path / "corpus", "a.mp4", "bad.mp4")
    result = avfer("label", steady, "--input", corpus, "--output", tmp_path / "out")
    assert result.code == 3
    assert result.paths == [tmp_path / "out/clips/a.mp4.parquet"]
    assert "1 done, 1 failed, 0 left; the reasons are in " in result.err and "--retry-failed" in result.err
    again = avfer("label", steady, "--input", corpus, "--output", tmp_path / "out", "--json", "--json-log")
    assert again.code == 3 and json.loads(again.out)["outputs"] == []
    log = [json.loads(line) for line in again.err.splitlines()]  # no other text, whatever --json says
    assert [line["event"] for line in log] == ["begin", "end"]
    assert (log[-1]["done"], log[-1]["failed"], log[-1]["left"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("options", "command"), [((), "the same command"), (("--overwrite",), "the same command without --overwrite")]
)
def test_an_interrupted_run_states_how_to_continue(
    avfer, in_process, steady, corpus, tmp_path, monkeypatch, options, command
):
    def stop(task: object, take: object) -> None:
        raise Stopped

    monkeypatch.setattr(in_process, "map", stop)
    result = avfer("label", steady, "--input", corpus, "--output", tmp_path / "out", *options)
    assert result.code == 130 and f"interrupted; finished clips are kept: {command} labels the others\n" in result.err


def test_no_clip_fails_for_a_gpu_without_memory(label, corpus, tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("avfer.labelling.label_clip.clip_to_files", full)
    with pytest.raises(torch.OutOfMemoryError):  # ends a worker, after which the clip is tried again
        label("corpus")
    assert not (tmp_path / "out/failed").exists()


@pytest.mark.filterwarnings("default")
def test_a_warning_before_the_first_clip_is_an_event_of_the_json_log(avfer, in_process, steady, tmp_path):
    write_corpus(tmp_path / "corpus", "a.mp4")
    manifest = tmp_path / "corpus/clips.csv"
    manifest.write_text("path\na.mp4\na.mp4\n")
    result = avfer("label", steady, "--input", manifest, "--output", tmp_path / "out", "--json-log")
    log = [json.loads(line) for line in result.err.splitlines()]
    assert ["names clips again" in line["text"] for line in log if line["event"] == "warning"] == [True]

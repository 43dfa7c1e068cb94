"""The command line: results, messages, exit codes, interrupts."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fsspec
import pyarrow.csv
import pyarrow.parquet
import pytest

from avfer.cli import spread
from tests.media_maker import stripes, write_clip
from tests.steady_stage import write_pipeline

ROOT = Path(__file__).parents[1]
FRAMES = 12


@pytest.fixture
def steady(tmp_path: Path) -> Path:
    return write_pipeline(tmp_path)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "talk.mp4", stripes(FRAMES))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.mp4"
    path.write_text("this is no film")
    return path


def rows(path: Path) -> int:
    return pyarrow.parquet.read_table(path).num_rows


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")] if folder.exists() else []


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "{steady}", "--input", "{clip}", "--speed", "9"], "No such option"),
        (["run", "{steady}"], "Missing option '--input'"),
        (["run", "{steady}", "--input", "nothing.mp4"], "'nothing.mp4'"),
        (["run", "{steady}", "--input", "{tmp}/*.mkv"], "*.mkv"),
        (["run", "{steady}", "--input", "{tmp}/empty"], "no media file"),
        (["run", "{steady}", "--input", "{clip}", "--format", "xlsx"], "unknown format 'xlsx'"),
        (["run", "{steady}", "--input", "{clip}", "--device", "cpuu"], "did you mean 'cpu'?"),
        (["run", "{steady}", "--input", "{clip}", "--set", "affekt.pause=1"], "did you mean 'affect'?"),
        (["run", "{steady}", "--input", "{clip}", "--set", "affect.pauze=1"], "did you mean 'pause'?"),
        (["run", "{steady}", "--input", "{clip}", "--set", "affect.pause"], "stage.option=value"),
        (["run", "avr", "--input", "{clip}"], "did you mean 'aver'?"),
        (["run", "absent.yaml", "--input", "{clip}"], "no pipeline at absent.yaml"),
        (["run", "{steady}", "--input", "{clip}", "--output", "{clip}"], "is a file"),
        (["models", "show", "averlite"], "did you mean 'aver_lite'?"),
        (["rum"], "No such command"),
    ],
)
def test_wrong_usage_prints_one_line_and_exits_with_2(avfer, steady, clip, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    places = {"steady": steady, "clip": clip, "tmp": tmp_path}
    result = avfer(*(argument.format(**places) for argument in arguments))
    assert result.code == 2
    assert message in result.err and "Traceback" not in result.err
    assert result.out == ""
    assert sorted(tmp_path.glob("**/*.parquet")) == []


def test_inputs_with_the_same_output_name_keep_their_ending(avfer, steady, clip, tmp_path):
    (tmp_path / "other").mkdir()
    twin = write_clip(tmp_path / "other" / "talk.avi", stripes(4), codec="mpeg4")
    result = avfer("run", steady, "--input", clip, twin, "--output", tmp_path / "out")
    assert result.code == 0
    assert [path.name for path in result.paths] == ["talk.mp4.parquet", "talk.avi.parquet"]
    assert [rows(path) for path in result.paths] == [FRAMES, 4]


def test_two_inputs_of_one_name_and_ending_exit_with_2_before_any_work(avfer, steady, clip, tmp_path):
    (tmp_path / "other").mkdir()
    twin = write_clip(tmp_path / "other" / "talk.mp4", stripes(4))
    result = avfer("run", steady, "--input", clip, twin, "--output", tmp_path / "out")
    assert result.code == 2
    assert str(clip) in result.err and str(twin) in result.err
    assert not (tmp_path / "out").exists()


def test_clips_in_a_folder_keep_their_tree_and_the_table_names_it(avfer, steady, tmp_path):
    for name in ("S1", "S2"):
        (tmp_path / "clips" / name).mkdir(parents=True)
        write_clip(tmp_path / "clips" / name / "cam.mp4", stripes(3))
    result = avfer("run", steady, "--input", tmp_path / "clips", "--output", tmp_path / "out")
    assert result.paths == [tmp_path / "out/S1/cam.parquet", tmp_path / "out/S2/cam.parquet"]
    table = pyarrow.parquet.read_table(result.paths[1])
    assert set(table["source"].to_pylist()) == {"S2/cam.mp4"} and set(table["clip"].to_pylist()) == {"cam.mp4"}


def test_a_run_in_which_all_inputs_fail_exits_with_3(avfer, steady, text, tmp_path):
    assert avfer("run", steady, "--input", text, "--output", tmp_path / "out").code == 3


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


def test_a_failed_clip_does_not_stop_the_others_and_exits_with_3(avfer, steady, clip, text, tmp_path):
    result = avfer("run", steady, "--input", text, clip, "--output", tmp_path / "out")
    assert result.code == 3
    assert result.paths == [tmp_path / "out" / "talk.parquet"]
    assert f"{text} failed: " in result.err and "Traceback" not in result.err
    assert leftovers(tmp_path / "out") == []


def test_a_clip_that_fails_midway_leaves_nothing_behind(avfer, steady, clip, tmp_path):
    result = avfer("run", steady, "--input", clip, "--output", tmp_path / "out", "--set", "affect.fails_after=0.3")
    assert (result.code, result.out) == (3, "")
    assert "the stage broke" in result.err and "AVFER_DEBUG=1" in result.err and "Traceback" not in result.err
    assert list((tmp_path / "out").iterdir()) == []


def test_avfer_debug_prints_the_traceback(avfer, steady, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("AVFER_DEBUG", "1")
    result = avfer("run", steady, "--input", clip, "--output", tmp_path, "--set", "affect.fails_after=0")
    assert result.code == 3
    assert "Traceback" in result.err and "steady_stage.py" in result.err


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


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("run p --input a b --quiet", "run p --input a --input b --quiet"),
        ("run p --input a --output o", "run p --input a --output o"),
        ("run --input a p", "run --input a p"),
        ("run p --input a --input b c", "run p --input a --input b --input c"),
    ],
)
def test_values_after_one_input_are_inputs(given, meant):
    assert spread(given.split()) == meant.split()


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_finished_clips_and_nothing_half_written(steady, tmp_path, number):
    clips = [write_clip(tmp_path / name, stripes(count)) for name, count in (("a.mp4", 2), ("b.mp4", 50))]
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "avfer",
        "run",
        steady,
        "--input",
        *clips,
        "--output",
        out,
        "--set",
        "affect.pause=0.5",
    ]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: any("b" in name for name in leftovers(out)))
    run.send_signal(number)
    output, messages = run.communicate(timeout=20)
    assert run.returncode == 130
    assert "interrupted" in messages and "Traceback" not in messages
    assert [path.name for path in out.iterdir()] == ["a.parquet"]
    assert output.splitlines() == [str(out / "a.parquet")]


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"the condition is still false after {seconds:g} s"
        time.sleep(0.02)


def test_a_read_only_folder_is_a_clear_failure(avfer, steady, clip, read_only_folder):
    result = avfer("run", steady, "--input", clip, "--output", read_only_folder)
    assert result.code == 3
    assert "cannot be written" in result.err and "Traceback" not in result.err


def test_a_full_disk_is_a_clear_failure_and_leaves_nothing(avfer, steady, clip, small_disk):
    (small_disk / "filler").write_bytes(bytes(64 * 1024))
    for name in ("parquet", "csv", "jsonl"):
        result = avfer("run", steady, "--input", clip, "--output", small_disk, "--format", name)
        assert result.code == 3, name
        assert "No space left" in result.err and "Traceback" not in result.err
        assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_help_needs_no_heavy_package_and_little_time():
    code = (
        "import sys, time\nfrom avfer.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'pyarrow', 'numpy', 'av', 'matplotlib'} & set(sys.modules)\n"
        "print(sorted(heavy), time.process_time(), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy, seconds = done.stderr.strip().rsplit(" ", 1)
    assert heavy == "[]"
    assert float(seconds) < 0.3
    assert all(verb in done.stdout for verb in ("run", "models", "doctor"))


def test_a_wrong_path_is_an_error_before_torch_is_imported():
    code = (
        "import sys\nfrom avfer.cli import main\n"
        "try: main(['run', 'aver', '--input', 'absent.mp4'])\nexcept SystemExit as left: print(left.code)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]


def test_version_prints_the_version(avfer):
    import avfer as package

    assert avfer("--version").out == f"avfer {package.__version__}\n"


def test_models_list_names_every_model_of_the_catalog(avfer):
    from avfer.catalog import MODEL_KINDS, NAMES

    result = avfer("models", "list")
    assert result.code == 0
    assert {name for kind in MODEL_KINDS for name in NAMES[kind]} <= {
        line.split(" ")[0] for line in result.out.splitlines()
    }


def test_doctor_lists_weights_and_their_licences(avfer):
    result = avfer("doctor")
    assert result.code == 0
    assert "aver_lite.safetensors" in result.out and "not for commercial use" in result.out


def test_a_closed_pipe_ends_without_a_traceback():
    command = f"{sys.executable} -m avfer --help | true"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr

"""`avfer run`: wrong usage, clips that fail, interrupts and full disks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.outputs import leftovers
from tests.media_maker import stripes, write_clip

ROOT = Path(__file__).parents[2]
MODULES = {"xlsx": "xlsx_workbook", "spss": "spss_data"}  # exporters that need a package of an extra


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
        (["run", "{steady}", "--input", "{clip}", "--output", "{clip}/below"], "is a file"),
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


def test_two_inputs_of_one_name_and_ending_exit_with_2_before_any_work(avfer, steady, clip, tmp_path):
    (tmp_path / "other").mkdir()
    twin = write_clip(tmp_path / "other" / "talk.mp4", stripes(4))
    result = avfer("run", steady, "--input", clip, twin, "--output", tmp_path / "out")
    assert result.code == 2
    assert str(clip) in result.err and str(twin) in result.err
    assert not (tmp_path / "out").exists()


def test_a_run_in_which_all_inputs_fail_exits_with_3(avfer, steady, text, tmp_path):
    assert avfer("run", steady, "--input", text, "--output", tmp_path / "out").code == 3


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminated_run_keeps_finished_clips_and_nothing_half_written(avfer, steady, tmp_path, number):
    clips = [write_clip(tmp_path / name, stripes(count)) for name, count in (("a.mp4", 2), ("b.mp4", 50))]
    out = tmp_path / "out"
    signal.signal(number, signal.SIG_DFL)  # the tests may run below nohup

    def terminate() -> None:
        wait_until(lambda: any(name.startswith(".b.") for name in leftovers(out)))
        os.kill(os.getpid(), number)

    with ThreadPoolExecutor(1) as executor:
        sent = executor.submit(terminate)
        result = avfer("run", steady, "--input", *clips, "--output", out, "--set", "affect.pause=0.3")
    assert sent.result() is None and result.code == 130
    assert "interrupted" in result.err and "Traceback" not in result.err
    assert result.paths == list(out.iterdir()) == [out / "a.parquet"]


def test_a_run_that_ignores_the_end_of_its_terminal_goes_on_ignoring_it(avfer):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        avfer("--version")
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interrupted_run_keeps_finished_clips_and_nothing_half_written(steady, tmp_path):
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
    wait_until(lambda: any(name.startswith(".b.") for name in leftovers(out)))
    run.send_signal(signal.SIGINT)
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


@pytest.mark.parametrize("below", [".", "new/folder"])
def test_a_read_only_folder_is_an_error_before_any_work(avfer, steady, clip, read_only_folder, below):
    result = avfer("run", steady, "--input", clip, "--output", read_only_folder / below)
    assert result.code == 2
    assert f"the folder {read_only_folder} cannot be written" in result.err and "talk.mp4" not in result.err


def test_a_package_that_an_exporter_needs_is_missed_before_any_work(avfer, steady, clip, tmp_path, monkeypatch):
    for package, name in (("xlsxwriter", "xlsx"), ("pyreadstat", "spss")):
        monkeypatch.setattr(f"avfer.export.exporters.{MODULES[name]}.find_spec", {package: None}.get)
        result = avfer("run", steady, "--input", clip, "--output", tmp_path / "out", "--export", name)
        assert result.code == 2 and f"pip install 'avfer[{name}]'" in result.err
        assert not (tmp_path / "out").exists()


def test_a_full_disk_is_a_clear_failure_and_leaves_nothing(avfer, steady, clip, small_disk):
    (small_disk / "filler").write_bytes(bytes(64 * 1024))
    for name in ("parquet", "csv", "jsonl"):
        result = avfer("run", steady, "--input", clip, "--output", small_disk, "--format", name)
        assert result.code == 3, name
        assert "No space left" in result.err and "Traceback" not in result.err
        assert [path.name for path in small_disk.iterdir()] == ["filler"]

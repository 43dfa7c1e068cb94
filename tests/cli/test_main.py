"""The command line as a whole: its arguments, its start and its end."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from avfer.cli.commands import repeat_input
from avfer.errors import Stopped
from avfer.prefetch import THREAD_NAME

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("p --input a b --quiet", "p --input a --input b --quiet"),
        ("p --input a --output o", "p --input a --output o"),
        ("--input a p", "--input a p"),
        ("p --input a --input b c", "p --input a --input b --input c"),
        ("--input a b p --quiet", "--input a --input b p --quiet"),
        ("--output o --input a b p", "--output o --input a --input b p"),
        ("--output o p --input a b", "--output o p --input a --input b"),
        ("--input a b --quiet p", "--input a --input b --quiet p"),
        ("p --input a --start -2 --quiet", "p --input a --start -2 --quiet"),
    ],
)
def test_values_after_one_input_are_inputs(given, meant):
    assert repeat_input(given.split(), {"--input", "--output", "--start"}) == meant.split()


@pytest.mark.parametrize("words", [["--output=~/out"], ["--output", "~/out"]])
def test_the_home_folder_is_written_as_a_tilde_also_where_no_shell_expands_it(avfer, steady, clip, home, words):
    result = avfer("run", steady, "--input", clip, *words)
    assert result.paths == [home / "out" / "talk.parquet"] and result.paths[0].exists()


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


WRONG = {  # command -> message
    "run aver --input absent.mp4": "no file, folder or pattern 'absent.mp4'",
    "run avr --input {clip} --output {folder}": "unknown pipeline 'avr'; did you mean 'aver'?",
    "run --input {clip} {clip} avr --output {folder}": "unknown pipeline 'avr'; did you mean 'aver'?",
    "run aver --input {clip} --output {folder} --set lok.backbone=dan": "unknown stage 'lok'; did you mean 'look'?",
    "run aver --input {clip} --output {folder} --device cdua": "unknown device 'cdua'; did you mean 'cuda'?",
    "label avr --input {clip} --output {folder}": "unknown pipeline 'avr'; did you mean 'aver'?",
    "label aver --input {clip} --output {folder} --device cdua": "unknown device 'cdua'; did you mean 'cuda'?",
    "evaluate aff_wild --root {folder}": "unknown evaluation 'aff_wild'; did you mean 'aff_wild2'?",
    "evaluate recola --root {folder} --pipeline avr": "unknown pipeline 'avr'; did you mean 'aver'?",
    "evaluate recola --root {folder} --model dn": "unknown model 'dn'; did you mean 'dan'?",
    "evaluate --corpus reola --root {folder} --partition dev --pipeline aver": "unknown corpus 'reola'; did you mean",
    "evaluate --root {folder}": "missing --corpus, --partition, or a CONFIG; see avfer evaluate --help",
    "train my_lables": "unknown recipe 'my_lables'; did you mean 'my_labels'?",
    "models show aver_lte": "unknown model 'aver_lte'; did you mean 'aver_lite'?",
    "pipelines show avr": "unknown pipeline 'avr'; did you mean 'aver'?",
}


def test_a_wrong_path_or_name_is_an_error_before_torch_is_imported(clip, tmp_path):
    commands = [text.format(clip=clip, folder=tmp_path).split() for text in WRONG]
    code = (
        f"import sys\nfrom avfer.cli import main\nfor command in {commands}:\n"
        "    try: main(command)\n    except SystemExit as left: print(left.code)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    for message, line in zip(WRONG.values(), done.stderr.splitlines(), strict=True):
        assert message in line
    assert done.stdout.split() == ["2"] * len(WRONG) + ["False"]


def test_a_required_package_that_is_missing_is_named_with_the_way_out(avfer, monkeypatch):
    monkeypatch.setitem(sys.modules, "avfer.pipeline_listing", None)
    result = avfer("pipelines", "list")
    assert result.code == 2 and "avfer doctor shows which packages are missing" in result.err


def test_version_prints_the_version(avfer):
    import avfer as package

    assert avfer("--version").out == f"avfer {package.__version__}\n"


def test_a_closed_pipe_ends_without_a_traceback():
    command = f"{sys.executable} -m avfer --help | true"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_a_second_interrupt_ends_a_process_whose_threads_still_compute(avfer, monkeypatch):
    def interrupted():
        raise Stopped

    codes, done = [], threading.Event()
    monkeypatch.setattr("avfer.doctor.examine", interrupted)
    monkeypatch.setattr(os, "_exit", lambda code: codes.append(code) or sys.exit(code))
    assert avfer("doctor").code == 130 and codes == []
    thread = threading.Thread(target=done.wait, name=THREAD_NAME, daemon=True)
    thread.start()
    result = avfer("doctor")
    assert result.code == 130 and codes == [130] and "interrupted; finished clips are kept" in result.err
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # while Python ends
    done.set()
    thread.join()

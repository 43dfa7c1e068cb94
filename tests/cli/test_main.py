"""The command line as a whole: its arguments, its start and its end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from avfer.cli import spread

ROOT = Path(__file__).parents[2]


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


def test_a_closed_pipe_ends_without_a_traceback():
    command = f"{sys.executable} -m avfer --help | true"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.fuzz.cases import KINDS, ROOT
from tools.fuzz.mutations import CANARY
from tools.fuzz.outcome import Outcome, incomplete_tables


@pytest.mark.timeout(240)
@pytest.mark.slow
def test_a_small_share_of_the_fuzzing_finds_nothing_wrong():
    command = [sys.executable, "-m", "tools.fuzz", "--share", "0.004", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == set(KINDS) and not any(numbers["wrong"] for numbers in found.values())


@pytest.mark.parametrize(
    ("outcome", "problem"),
    [
        (Outcome(3, 1, 1, "avfer: unexpected ValueError: x (AVFER_DEBUG=1 shows where)", []), "unexpected error"),
        (Outcome(1, 1, 1, "Traceback (most recent call last)", []), "traceback"),
        (Outcome(0, 31, 31, "", []), "30 s of CPU time"),
        (Outcome(0, 301, 1, "", []), "longer than 300 s"),
        (Outcome(-9, 1, 1, "", []), "exit code -9"),
        (Outcome(3, 1, 1, "", []), "without a reason"),
        (Outcome(2, 1, 1, "avfer: x", [CANARY]), "code was run"),
        (Outcome(0, 1, 1, "", ["out/.clip.7.part.parquet"]), "a temporary file is left"),
        (Outcome(0, 1, 1, "", ["out/a.parquet"], ["out/a.parquet"]), "an incomplete table: out/a.parquet"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_fuzzing_recognises_a_wrong_outcome(outcome: Outcome, problem: str):
    assert problem in outcome.problem


def test_a_usage_error_is_a_right_outcome():
    assert not Outcome(2, 31, 1, "avfer: x", ["out"]).problem


def test_a_table_that_is_cut_off_is_incomplete(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "whole.parquet").write_bytes(b"PAR1 rows PAR1")
    (tmp_path / "out" / "cut.parquet").write_bytes(b"PAR1 ro")
    assert incomplete_tables(tmp_path) == ["out/cut.parquet"]

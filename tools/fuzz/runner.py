"""Run cases, each in a forked process and an empty folder, and collect the wrong outcomes."""

import contextlib
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tools.fuzz.cases import CLIP, KINDS, Case
from tools.fuzz.outcome import CPU_LIMIT, WALL_LIMIT, Outcome, incomplete_tables

ENTRY_POINTS = [  # that the commands import when they run
    "avfer.cli",
    "avfer.pipeline",
    "avfer.labelling.label_corpus",
    "avfer.evaluation.scoring",
    "avfer.training.train_model",
    "avfer.models.checkpoint_import",
]


@dataclass
class Summary:
    """The outcomes of the cases of one kind."""

    codes: Counter[int] = field(default_factory=Counter[int])  # exit code -> number of cases
    wrong: list[str] = field(default_factory=list[str])  # a line for each wrong outcome
    slowest: float = 0.0  # seconds of the longest case
    slowest_cpu: float = 0.0  # seconds of CPU time of the most expensive case


def fuzz(kind: str, count: int, seed: int, wrong: Path | None = None) -> Summary:
    """Run cases of a kind. wrong: folder that gets the files and messages of each wrong case."""
    cases, clip = KINDS[kind][0](random.Random(f"{kind} {seed}")), make_clip()
    summary = Summary()
    for number, case in zip(range(count), cases, strict=False):
        with tempfile.TemporaryDirectory(prefix="avfer-fuzz-") as scratch:
            folder = Path(scratch) / "case"
            folder.mkdir()
            outcome = run_case(case, clip, folder)
            summary.codes[outcome.code] += 1
            summary.slowest = max(summary.slowest, outcome.seconds)
            summary.slowest_cpu = max(summary.slowest_cpu, outcome.cpu_seconds)
            if not outcome.problem:
                continue
            last = outcome.messages.strip().splitlines()[-1:] or [""]
            summary.wrong.append(f"{kind} {number}: {outcome.problem}: {last[0][:300]} <- {' '.join(case.words)[:300]}")
            print(summary.wrong[-1], file=sys.stderr, flush=True)
            if wrong is not None:
                keep_case(case, outcome, folder, wrong / f"{kind}-{number}")
    return summary


def keep_case(case: Case, outcome: Outcome, folder: Path, target: Path) -> None:
    """Copy the folder of a case, and write its command and its messages to `outcome.txt`."""
    shutil.copytree(folder, target, dirs_exist_ok=True)
    (target / "outcome.txt").write_text(f"{case.words}\n{outcome.messages}", errors="backslashreplace")


def run_case(case: Case, clip: bytes, folder: Path) -> Outcome:
    """Run a command in a forked process, in this empty folder."""
    for name, data in {CLIP: clip, **case.files}.items():
        (folder / name).write_bytes(data)
    log = folder.with_suffix(".log")
    start = time.monotonic()
    child = os.fork()
    if not child:
        run_and_exit(case.words, folder, log)
    code, cpu_seconds = wait_for(child, start)
    left = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    seconds = time.monotonic() - start
    return Outcome(code, seconds, cpu_seconds, log.read_text(errors="replace"), left, incomplete_tables(folder))


def run_and_exit(words: list[str], folder: Path, log: Path) -> None:
    """Run the command line in this (forked) process and end it."""
    os.setsid()
    os.chdir(folder)
    with log.open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    code = 99
    try:
        from avfer.cli import main

        main(words)
    except SystemExit as exited:
        code = int(exited.code or 0)
    except BaseException as error:
        print(f"Traceback: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def wait_for(child: int, start: float) -> tuple[int, float]:
    """Return the exit code of a process and its CPU time in seconds; kill it and its children past the limits."""
    while time.monotonic() - start < WALL_LIMIT + 5 and cpu_time(child) < CPU_LIMIT + 5:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime


def cpu_time(process: int) -> float:
    """Return the seconds of CPU time that a process has used so far, 0 if it has ended."""
    try:
        times = psutil.Process(process).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def make_clip() -> bytes:
    """Return a small clip of six frames with sound."""
    from tests.media_maker import stripes, tone, write_clip

    with tempfile.TemporaryDirectory() as folder:
        return write_clip(Path(folder) / CLIP, stripes(6), sound=tone(0.24)).read_bytes()


def warm_up() -> None:
    """Import what the commands import, so that a forked process starts at once; nothing is computed."""
    from avfer.catalog import NAMES, find

    for module in ENTRY_POINTS:
        importlib.import_module(module)
    for kind in NAMES:
        for name in NAMES[kind]:
            find(kind, name)

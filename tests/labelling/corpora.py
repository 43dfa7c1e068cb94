"""Small corpora, the content of output folders, an executor without processes, and `avfer label` as a process."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from avfer.executors.pool import LostItem, WorkerTask
from tests.media_maker import stripes, write_clip

ROOT = Path(__file__).parents[2]
CLIPS = "a.mp4", "b.mp4", "deep/a.mp4", "bad.mp4"
STARTED: list[subprocess.Popen[str]] = []


def write_corpus(folder: Path, *names: str) -> Path:
    """Write clips of different length with these names; a file with `bad` in its name is a text, not a clip."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if "bad" in name:
            path.write_text(f"this is no film, {number}")
        else:
            write_clip(path, stripes(6 + number % 10, 32, 48))
    return folder


def labels(output: Path) -> dict[str, pa.Table]:
    """Return the tables of an output folder by the ids of their clips."""
    clips = output / "clips"
    return {
        path.relative_to(clips).as_posix().removesuffix(".parquet"): pa.parquet.ParquetFile(path).read()
        for path in sorted(clips.rglob("*.parquet"))
    }


def values(output: Path) -> dict[str, bytes]:
    """Return the bytes of all values of each table, by clip."""
    return {name: _bytes(table) for name, table in labels(output).items()}


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    bare = table.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_stream(sink, bare.schema) as stream:
        stream.write_table(bare)
    return sink.getvalue().to_pybytes()


def failures(output: Path) -> dict[str, dict[str, Any]]:
    """Return the lines of failures.jsonl, by clip."""
    lines = (output / "failures.jsonl").read_text().splitlines()
    return {failure["id"]: failure for failure in map(json.loads, lines)}


def mtimes(output: Path) -> dict[str, int]:
    """Return when each table was written, in ns."""
    return {str(path): path.stat().st_mtime_ns for path in sorted((output / "clips").rglob("*.parquet"))}


class InProcess:
    """An executor that runs a task in this process. `crashes`: clip -> how often its imaginary worker crashes."""

    def __init__(self, crashes: dict[str, int] | None = None) -> None:
        self.crashes = crashes or {}
        self.given: list[str] = []  # ids of the clips, in the order in which they were given to workers

    def map(self, task: WorkerTask, take: Callable[[], Any]) -> Generator[tuple[Any, Any]]:
        call = task.load()
        while (order := take()) is not None:
            self.given.append(order.entry.id)
            left = self.crashes.get(order.entry.id, 0)
            self.crashes[order.entry.id] = left - 1
            yield order, LostItem("fell over", "its last lines") if left > 0 else call(order)


def command(*arguments: str | Path) -> list[str]:
    """Return the command line of `avfer label`."""
    return [sys.executable, "-m", "avfer", "label", *map(str, arguments)]


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start `avfer label` as a process, which `kill_started` ends at the latest."""
    process = subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    STARTED.append(process)
    return process


def kill_started() -> None:
    """Kill the processes that a failed test has left."""
    while STARTED:
        with STARTED.pop() as process:
            process.kill()


def run(*arguments: str | Path, timeout: float = 120.0) -> tuple[int, list[str], str]:
    """Run `avfer label`; return its exit code, the lines of standard output, and standard error."""
    process = start(*arguments)
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out.splitlines(), err


def wait_until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until a condition is true; fail after some seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"the condition is still false after {seconds:g} s"
        time.sleep(0.02)

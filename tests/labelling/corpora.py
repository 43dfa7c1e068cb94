"""Small corpora, what their labels hold, and an executor without processes."""

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

from avfer.executors.protocol import Lost, Task
from tests.media_maker import stripes, write_clip

ROOT = Path(__file__).parents[2]
STARTED: list[subprocess.Popen[str]] = []


def write_corpus(folder: Path, *names: str) -> Path:
    """Clips of different length with these names; `bad` in a name is a text, not a clip."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if "bad" in name:
            path.write_text(f"this is no film, {number}")
        else:
            write_clip(path, stripes(6 + number % 10, 32, 48))
    return folder


def labels(output: Path) -> dict[str, pa.Table]:
    """The tables of an output folder by the ids of their clips."""
    clips = output / "clips"
    return {
        path.relative_to(clips).as_posix().removesuffix(".parquet"): pa.parquet.ParquetFile(path).read()
        for path in sorted(clips.rglob("*.parquet"))
    }


def values(output: Path) -> dict[str, bytes]:
    """The bytes of all values, by clip."""
    return {name: _bytes(table) for name, table in labels(output).items()}


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    bare = table.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_stream(sink, bare.schema) as stream:
        stream.write_table(bare)
    return sink.getvalue().to_pybytes()


def failures(output: Path) -> dict[str, dict[str, Any]]:
    """What failures.jsonl holds, by clip."""
    lines = (output / "failures.jsonl").read_text().splitlines()
    return {told["id"]: told for told in map(json.loads, lines)}


def mtimes(output: Path) -> dict[str, int]:
    """When each table was written."""
    return {str(path): path.stat().st_mtime_ns for path in sorted((output / "clips").rglob("*.parquet"))}


class Here:
    """Runs a task in this process. Clips in `deadly` kill their imaginary worker so many times."""

    def __init__(self, deadly: dict[str, int] | None = None) -> None:
        self.deadly = deadly or {}
        self.given: list[str] = []

    def map(self, task: Task, take: Callable[[], Any]) -> Generator[tuple[Any, Any]]:
        call = task.load()
        while (order := take()) is not None:
            self.given.append(order.entry.id)
            left = self.deadly.get(order.entry.id, 0)
            self.deadly[order.entry.id] = left - 1
            yield order, Lost("fell over", "its last words") if left > 0 else call(order)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "avfer", "label", *map(str, arguments)]


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """`avfer label` as a process, which ends with the test at the latest."""
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


def end_started() -> None:
    """Kill what a failed test has left."""
    while STARTED:
        with STARTED.pop() as process:
            process.kill()


def run(*arguments: str | Path, timeout: float = 120.0) -> tuple[int, list[str], str]:
    """Exit code, lines of standard output, and standard error of `avfer label`."""
    process = start(*arguments)
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out.splitlines(), err


def wait_until(holds: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)

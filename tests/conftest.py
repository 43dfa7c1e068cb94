"""The command line as a call, labelling without processes, folders without room, and no thread left by a test."""

import gc
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from avfer.cli import STOP_SIGNALS, main
from avfer.labelling import label_corpus
from avfer.labelling.checked_pipeline import CheckedPipeline, CheckTask
from avfer.pipeline_config import PipelineSpec
from tests.labelling.corpora import InProcess
from tests.processes import avfer_threads
from tests.steady_stage import write_pipeline

os.environ.setdefault("MPLBACKEND", "Agg")
# How fast examples are drawn says how busy the machine is, not whether a fact holds.
settings.register_profile("avfer", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("avfer")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have slow tests, so that no core works alone on a long file at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Assert after every test that no thread of avfer is left."""
    yield
    assert avfer_threads() == []


def _mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount an empty file system on a folder for the time of a test; skip the test if that is impossible."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        pytest.skip("this system has no mount command")
    if done.returncode:
        pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 64 KiB."""
    yield from _mounted(tmp_path / "small_disk", "size=64k")


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which no file can be written: a read-only mount for root, whom permissions do not restrict."""
    if os.geteuid() == 0:
        yield from _mounted(tmp_path / "read_only", "ro")
        return
    folder = tmp_path / "read_only"
    folder.mkdir(mode=0o500)
    yield folder
    folder.chmod(0o700)


@pytest.fixture
def steady(tmp_path: Path) -> Path:
    """The YAML file of a pipeline without a network."""
    return write_pipeline(tmp_path)


@dataclass
class Result:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def paths(self) -> list[Path]:
        """The paths on standard output, one a line."""
        return [Path(line) for line in self.out.splitlines()]


@pytest.fixture
def avfer(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Result]]:
    """`avfer("models", "list")` runs the command line and returns its exit code and output."""
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def call(*arguments: str | Path) -> Result:
        with pytest.raises(SystemExit) as exited:
            main([str(argument) for argument in arguments])
        gc.unfreeze()  # a command leaves what it loaded out of collections until the process ends
        out, err = capsys.readouterr()
        return Result(int(exited.value.code or 0), out, err)

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Make `avfer label` run everything in this process; the executor records the clips it was given."""
    executor = InProcess()

    def check_pipeline(spec: PipelineSpec, device: str) -> CheckedPipeline:
        return CheckTask(device).load()(spec)

    monkeypatch.setattr(label_corpus, "check_pipeline", check_pipeline)
    monkeypatch.setattr(label_corpus, "choose_executor", lambda *_: executor)
    return executor

"""The command line as a call, folders that cannot be written to, and figures that need no screen."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from avfer.cli import main

os.environ.setdefault("MPLBACKEND", "Agg")


def _mounted(folder: Path, options: str) -> Iterator[Path]:
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
    """A file system of 64 KiB."""
    yield from _mounted(tmp_path / "small_disk", "size=64k")


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that refuses files: by a mount where permissions do not bind, by permissions elsewhere."""
    if os.geteuid() == 0:
        yield from _mounted(tmp_path / "read_only", "ro")
        return
    folder = tmp_path / "read_only"
    folder.mkdir(mode=0o500)
    yield folder
    folder.chmod(0o700)


@dataclass
class Result:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def paths(self) -> list[Path]:
        return [Path(line) for line in self.out.splitlines()]


@pytest.fixture
def avfer(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Result]]:
    """`avfer("models", "list")` runs the command line; what it printed and its code come back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def call(*arguments: str | Path) -> Result:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Result(int(left.value.code or 0), out, err)

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)

"""Who may write to an output folder: shards of one division side by side, everything else alone."""

import json
import os
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from avfer.errors import AvferWarning, ConfigError
from avfer.export.files import output_error
from avfer.labelling.shard import Shard


@contextmanager
def locked(folder: Path, shard: Shard) -> Generator[None]:
    """Hold the shard's lock; ConfigError where another run holds it, or one that divides the corpus otherwise.

    The system lets go of a lock when its process ends, however it ends.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / f"{shard}.lock").open("a+")
    except OSError as error:
        raise output_error(folder, error) from error
    with file:
        if not _take(file):
            raise _busy(file, folder)
        file.truncate(0)
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%F %T")}, file)
        file.flush()
        for other in holders(folder):
            if other.stem.partition("-of-")[2] != str(shard.count):
                with other.open() as theirs:
                    raise _busy(theirs, folder)
        yield


def holders(folder: Path) -> list[Path]:
    """The locks of a folder that runs hold now."""
    return [path for path in sorted(folder.glob("*.lock")) if _is_held(path)]


def _is_held(path: Path) -> bool:
    with path.open("a+") as file:
        return not _take(file)


def _busy(file: IO[str], folder: Path) -> ConfigError:
    file.seek(0)
    try:
        who = json.loads(file.read())
        told = f"a run (process {who['pid']} on {who['host']}, since {who['since']})"
    except (ValueError, KeyError):
        told = "another run"
    told = f"{told} is labelling into {folder.parent}; wait for it or stop it"
    return ConfigError(f"{told}. Only shards I/N of the same N may share a folder")


if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[str]) -> bool:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl
    import warnings

    def _take(file: IO[str]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # some network file systems have no locks
            warnings.warn(f"{file.name} cannot be locked ({error.strerror}): start no second run", AvferWarning, 2)
        return True

"""The output folder of a corpus: its files, what its markers say, and who may write to it.

    labels/
      manifest.parquet     the plan, with the durations of the clips that are done
      run.json             the pipeline in use and its fingerprint
      clips/ID.parquet     one table for each clip; with `--blur` also ID.overlay.mp4, its video
      landmarks/ID.parquet the landmarks of its faces, if the pipeline adds them
      done/ID.json         written after the table; has the fingerprint of the pipeline and the hash of the clip
      failed/ID.json       why a clip has no table
      failures.jsonl       all of these in one file
      corpus.json          totals and coverage
      reports/ID.html      the report of a clip, if `avfer report --each` wrote it
      .plans/ .locks/ .parts/     for each shard: its plan, its lock, and its unfinished files

The markers in done/ and failed/ decide; manifest.parquet, failures.jsonl and corpus.json can be rebuilt from them.
"""

import json
import os
import shutil
import socket
import sys
import time
import warnings
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO, Any

from avfer.atomic import atomic_write, output_errors
from avfer.errors import AvferWarning, ConfigError
from avfer.labelling.entry import Entry, Shard

Marker = dict[str, Any]  # JSON object
LOCK_TRIES, LOCK_PAUSE = 20, 0.05  # pause in s


class ClipState(Enum):
    """The state of a clip with respect to the pipeline in use."""

    LEFT = "left"  # to be labelled
    COLUMNS = "columns"  # labelled, but the user's columns have changed
    OVERLAY = "overlay"  # labelled, but without the overlay that this run asks for
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Store:
    """The output folder of one corpus, as one shard uses it."""

    folder: Path
    shard: Shard = field(default_factory=Shard)

    def table(self, name: str) -> Path:
        """Return the file of a clip's table."""
        return self.folder / "clips" / f"{name}.parquet"

    def landmarks(self, name: str) -> Path:
        """Return the path of the landmarks of a clip, written only if the pipeline adds them."""
        return self.folder / "landmarks" / f"{name}.parquet"

    def overlay(self, name: str, suffix: str) -> Path:
        """Return the path of the overlay of a clip, written only with `--blur`.   suffix: ".overlay.mp4", say"""
        return self.folder / "clips" / f"{name}{suffix}"

    def report(self, name: str) -> Path:
        """Return the path of the report of a clip, written only by `avfer report FOLDER --each`."""
        return self.folder / "reports" / f"{name}.html"

    def done(self, name: str) -> Path:
        """Return the file of the marker of a labelled clip."""
        return self.folder / "done" / f"{name}.json"

    def failed(self, name: str) -> Path:
        """Return the file of the marker of a failed clip."""
        return self.folder / "failed" / f"{name}.json"

    @property
    def manifest(self) -> Path:
        """The plans of all shards in one file."""
        return self.folder / "manifest.parquet"

    @property
    def run_marker(self) -> Path:
        """The file about the pipeline in use."""
        return self.folder / "run.json"

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the pipeline in use; empty before the first run."""
        return (read_marker(self.run_marker) or {}).get("fingerprint", "")

    @property
    def has_done(self) -> bool:
        """Whether a clip has been labelled, by whichever pipeline."""
        return next(self.folder.glob("done/**/*.json"), None) is not None

    @property
    def plan(self) -> Path:
        """The plan of this shard."""
        return self.folder / ".plans" / f"{self.shard}.parquet"

    @property
    def plans(self) -> list[Path]:
        """The existing plans of all shards of this division."""
        return sorted(self.folder.glob(f".plans/*-of-{self.shard.count}.parquet"))

    @property
    def locks(self) -> Path:
        """The folder of the locks."""
        return self.folder / ".locks"

    @property
    def parts(self) -> Path:
        """The folder of the unfinished files of this shard."""
        return self.folder / ".parts" / str(self.shard)

    def clean_up(self) -> None:
        """Remove the unfinished files of an earlier run of this shard, and those and the plans of other divisions."""
        for parts in self.folder.glob(".parts/*"):
            if parts == self.parts or not parts.name.endswith(f"-of-{self.shard.count}"):
                shutil.rmtree(parts, ignore_errors=True)
        for plan in self.folder.glob(".plans/*.parquet"):
            if plan not in self.plans:
                plan.unlink(missing_ok=True)

    def atomic_write(self, path: Path) -> AbstractContextManager[Path]:
        """Write a file of the folder through a temporary file in `parts`; see avfer.atomic.atomic_write."""
        return atomic_write(path, folder=self.parts)

    def write_json(self, path: Path, content: Marker) -> None:
        """Write a marker, or any other small JSON file."""
        with self.atomic_write(path) as part:
            part.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    def mark_done(self, entry: Entry, marker: Marker) -> None:
        """Write the marker of a clip whose table is complete, and remove that of an earlier failure."""
        self.write_json(self.done(entry.id), marker)
        self.failed(entry.id).unlink(missing_ok=True)

    def mark_failed(self, entry: Entry, marker: Marker) -> None:
        """Write the marker of a failed clip. A table that the same pipeline made earlier no longer counts as done."""
        self.write_json(self.failed(entry.id), marker)
        if self.state(entry, marker["pipeline"])[0] is ClipState.DONE:
            self.done(entry.id).unlink(missing_ok=True)

    def state(self, entry: Entry, fingerprint: str) -> tuple[ClipState, Marker]:
        """Return the state of a clip and the marker it follows from. No table is opened.

        fingerprint: of the pipeline in use; a marker of another pipeline or another content does not count.
        """
        done = read_marker(self.done(entry.id))
        if done and _matches(done, entry, fingerprint) and file_size(self.table(entry.id)) == done["bytes"]:
            return (ClipState.DONE if done["columns"] == entry.columns_hash else ClipState.COLUMNS), done
        failed = read_marker(self.failed(entry.id))
        if failed and _matches(failed, entry, fingerprint):
            return ClipState.FAILED, failed
        return ClipState.LEFT, {}


def open_store(folder: Path) -> Store:
    """Return the store that an earlier run made. Raises ConfigError if there is none, or none yet."""
    if not is_labelled(folder):
        if active_locks(Store(folder).locks):
            raise ConfigError(f"{folder} has no labels yet: a run is listing and hashing its clips; try again later")
        raise ConfigError(f"{folder} has no labels: manifest.parquet is missing; give the --output of avfer label")
    return Store(folder)


def is_labelled(folder: Path) -> bool:
    """Return whether a folder is the output of `avfer label`."""
    return Store(folder).run_marker.is_file() and Store(folder).manifest.is_file()


def read_marker(path: Path) -> Marker | None:
    """Return the content of a marker; None if it does not exist or is damaged."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _matches(marker: Marker, entry: Entry, fingerprint: str) -> bool:
    return marker.get("pipeline") == fingerprint and marker.get("clip") == entry.hash


def file_size(path: Path) -> int | None:
    """Return the size of a file in bytes, None if it does not exist."""
    try:
        return path.stat().st_size
    except OSError:
        return None


@contextmanager
def locked(folder: Path, shard: Shard, fingerprint: str = "") -> Generator[None]:
    """Lock a folder for a shard while the block runs. The system releases the lock when the process ends.

    fingerprint: of the pipeline. Shards of one division may run side by side with the same pipeline.

    Raises ConfigError if another run has locked the same shard, any shard of another division, or any shard with
    another pipeline. Raises OutputError if the lock file cannot be written.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / f"{shard}.lock").open("a+")
    with file:
        if not _lock(file):
            raise _in_use(_read_owner(file), folder)
        own = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%F %T")}
        own["pipeline"] = fingerprint
        with output_errors(folder):
            file.truncate(0)
            os.write(file.fileno(), json.dumps(own).encode())  # no buffer, which closing the file would write again
        for other in active_locks(folder):
            with other.open() as theirs:
                owner = _read_owner(theirs)
            if other.stem.partition("-of-")[2] != str(shard.count):
                raise _in_use(owner, folder)
            if owner.get("pipeline", fingerprint) != fingerprint:
                raise _in_use(owner, folder, " with another pipeline, other weights or another version of avfer")
        yield


def active_locks(folder: Path) -> list[Path]:
    """Return the lock files of a folder that running processes have locked."""
    return [path for path in sorted(folder.glob("*.lock")) if _is_locked(path)]


def _is_locked(path: Path) -> bool:
    with path.open() as file, suppress(OSError):  # may belong to another user and be read-only
        return not _try_lock(file, shared=True)
    return False  # the file system has no locks, of which `locked` has warned


def _read_owner(file: IO[str]) -> Marker:
    """Return what a run wrote into its lock file; empty if that is not complete."""
    file.seek(0)
    try:
        return json.loads(file.read())
    except ValueError:
        return {}


def _in_use(owner: Marker, folder: Path, how: str = "") -> ConfigError:
    """Return the error for a folder that another run writes to.

    owner: content of its lock file. how: what keeps both runs from sharing the folder, after a blank.
    """
    run = "another run"
    if owner:
        run = f"a run (process {owner['pid']} on {owner['host']}, since {owner['since']})"
    message = f"{run} is labelling into {folder.parent}{how}; wait for it or stop it"
    return ConfigError(f"{message}. Only shards I/N of the same N and the same pipeline may share a folder")


def _lock(file: IO[str]) -> bool:
    """Lock a file, return False if another run has locked it. Warn if its file system has no locks.

    It is tried for a second, because `active_locks` of another process may hold the lock for a moment.
    """
    try:
        for _ in range(LOCK_TRIES):
            if _try_lock(file):
                return True
            time.sleep(LOCK_PAUSE)
    except OSError as error:  # some network file systems have no locks
        problem = f"{file.name} cannot be locked ({error.strerror})"
        warnings.warn(f"{problem}: start no second run of these clips", AvferWarning, stacklevel=2)
        return True
    return False


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[str], shared: bool = False) -> bool:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: IO[str], shared: bool = False) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

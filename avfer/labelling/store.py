"""The output folder: where everything lies, and what its markers say.

    labels/
      manifest.parquet     the plan, with durations of what is done
      run.json             the pipeline that labels, and its fingerprint
      clips/ID.parquet     one table a clip
      done/ID.json         written after the table; carries the hashes of pipeline and clip
      failed/ID.json       why a clip has no table
      failures.jsonl       all of these in one file
      corpus.json          totals and coverage
      .plans/ .locks/ .parts/     of each shard: its plan, its lock, and what is not whole yet

Markers are the truth; the three files over them can be made anew from them at any time.
"""

import json
import shutil
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from avfer.errors import ConfigError
from avfer.export.files import output_error
from avfer.labelling.entry import Entry
from avfer.labelling.shard import Shard

Marker = dict[str, Any]


class State(Enum):
    """How a clip stands with the pipeline in use."""

    LEFT = "left"
    STAMP = "stamp"  # the values are there, but the user's columns have changed
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Store:
    """The folder of one corpus, as one shard sees it."""

    folder: Path
    shard: Shard = field(default_factory=Shard)

    def table(self, name: str) -> Path:
        """The table of a clip."""
        return self.folder / "clips" / f"{name}.parquet"

    def done(self, name: str) -> Path:
        return self.folder / "done" / f"{name}.json"

    def failed(self, name: str) -> Path:
        return self.folder / "failed" / f"{name}.json"

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.parquet"

    @property
    def plan(self) -> Path:
        """The plan of this shard."""
        return self.folder / ".plans" / f"{self.shard}.parquet"

    @property
    def plans(self) -> list[Path]:
        """The plans of all shards of this division that have one."""
        return sorted(self.folder.glob(f".plans/*-of-{self.shard.count}.parquet"))

    @property
    def locks(self) -> Path:
        return self.folder / ".locks"

    @property
    def parts(self) -> Path:
        """Where this shard writes what is not whole yet."""
        return self.folder / ".parts" / str(self.shard)

    def sweep(self) -> None:
        """Remove what an earlier run of this shard has left half done, and plans of other divisions."""
        shutil.rmtree(self.parts, ignore_errors=True)
        for plan in self.folder.glob(".plans/*.parquet"):
            if plan not in self.plans:
                plan.unlink(missing_ok=True)

    @contextmanager
    def whole(self, path: Path) -> Generator[Path]:
        """A place to write a file, which takes its name when it is whole. Errors inside pass as they are."""
        part = self.parts / f"{uuid.uuid4().hex}{path.suffix}"
        try:
            with writing(path):
                part.parent.mkdir(parents=True, exist_ok=True)
            yield part
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                part.replace(path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def mark(self, path: Path, marker: Marker) -> None:
        """Write a marker, or any other small JSON."""
        with self.whole(path) as part, writing(path):
            part.write_text(json.dumps(marker, ensure_ascii=False), encoding="utf-8")

    def mark_done(self, entry: Entry, marker: Marker) -> None:
        """Say that a table is whole; a failure of old is one no more."""
        self.mark(self.done(entry.id), marker)
        self.failed(entry.id).unlink(missing_ok=True)

    def state(self, entry: Entry, pipeline: str) -> tuple[State, Marker]:
        """How a clip stands, with the marker that says so. Nothing is opened but markers."""
        done = read_marker(self.done(entry.id))
        if done and _fits(done, entry, pipeline) and _size(self.table(entry.id)) == done["bytes"]:
            return (State.DONE if done["columns"] == entry.columns_hash else State.STAMP), done
        failed = read_marker(self.failed(entry.id))
        if failed and _fits(failed, entry, pipeline):
            return State.FAILED, failed
        return State.LEFT, {}


def open_store(folder: Path) -> Store:
    """The store that an earlier run has made. ConfigError where there is none."""
    if not (folder / "run.json").is_file() or not (folder / "manifest.parquet").is_file():
        raise ConfigError(f"{folder} holds no labels: it has no manifest.parquet; give the --output of avfer label")
    return Store(folder)


def read_marker(path: Path) -> Marker | None:
    """What a marker says; None where there is none, or none that can be read."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


@contextmanager
def writing(path: Path) -> Generator[None]:
    """What the system refuses in here is an OutputError about a file."""
    try:
        yield
    except OSError as error:
        raise output_error(path, error) from error


def _fits(marker: Marker, entry: Entry, pipeline: str) -> bool:
    return marker.get("pipeline") == pipeline and marker.get("clip") == entry.hash


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None

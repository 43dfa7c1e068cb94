"""Where a corpus stands, told from its plan and markers alone: no table is opened."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from avfer.labelling.entry import Entry
from avfer.labelling.lock import holders
from avfer.labelling.plan import entries
from avfer.labelling.store import Marker, State, Store, open_store, read_marker, writing

RECENT = 200  # clips that the rate is taken from


@dataclass
class Pace:
    """How fast clips have been done of late, by whichever runs."""

    clips: float = 0.0  # a second
    bytes: float = 0.0  # of media a second


@dataclass
class Corpus:
    """Totals and coverage; what `corpus.json` holds."""

    clips: int = 0
    done: int = 0
    failed: int = 0
    left: int = 0
    rows: int = 0
    instants: int = 0  # frames, or ticks of a fixed clock
    with_face: int = 0  # instants with a face
    media_seconds: float = 0.0
    work_seconds: float = 0.0  # of all workers together
    bytes: int = 0  # of tables
    bytes_left: int = 0  # of media
    reasons: Counter[str] = field(default_factory=Counter[str])  # rows without a face
    failures: Counter[str] = field(default_factory=Counter[str])  # clips by stage
    devices: Counter[str] = field(default_factory=Counter[str])  # clips
    run: Marker = field(default_factory=dict[str, Any])  # the pipeline, its fingerprint, the version

    def count(self, entry: Entry, state: State, marker: Marker) -> None:
        """Add a clip."""
        self.clips += 1
        if state is State.DONE:
            self._count_done(marker)
        elif state is State.FAILED:
            self.failed += 1
            self.failures[marker["stage"]] += 1
        else:
            self.left += 1
            self.bytes_left += entry.size

    def as_json(self) -> dict[str, Any]:
        """Plain values, with the shares that are asked for first."""
        shares = {"done": self.done / max(self.clips, 1), "with_face": self.with_face / max(self.instants, 1)}
        return dict(vars(self)) | {"coverage": {name: round(share, 6) for name, share in shares.items()}}

    def _count_done(self, marker: Marker) -> None:
        self.done += 1
        self.rows += marker["rows"]
        self.bytes += marker["bytes"]
        self.instants += marker["instants"]
        self.with_face += marker["with_face"]
        self.media_seconds += marker["duration"]
        self.work_seconds += marker["seconds"]
        self.reasons.update(marker["reasons"])
        self.devices[marker["device"]] += 1


@dataclass
class Status:
    """A corpus, and how its labelling goes on."""

    corpus: Corpus
    running: int  # runs at work now
    pace: Pace

    @property
    def seconds_left(self) -> float | None:
        """At the pace of late; None where there is none."""
        return self.corpus.bytes_left / self.pace.bytes if self.pace.bytes else None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        told = {"running": self.running, "clips_per_minute": self.pace.clips * 60, "seconds_left": self.seconds_left}
        return self.corpus.as_json() | told


def status(folder: Path) -> Status:
    """Where the labelling into a folder stands, whether it is going on or not. ConfigError where none is."""
    store = open_store(folder)
    corpus, recent = Corpus(run=_run(store)), list[tuple[float, int]]()
    for entry, state, marker in survey(store, [store.manifest]):
        corpus.count(entry, state, marker)
        if state is State.DONE:
            add = heappush if len(recent) < RECENT else heappushpop
            add(recent, (marker["finished"], entry.size))
    return Status(corpus, len(holders(store.locks)), _pace(sorted(recent)))


def survey(store: Store, plans: list[Path]) -> Iterator[tuple[Entry, State, Marker]]:
    """Every clip of some plans with its state and the marker that says so."""
    for _, _, seen in _batches(store, plans):
        yield from seen


def settle(store: Store) -> Corpus:
    """Make manifest.parquet, failures.jsonl and corpus.json anew from the plans and markers of all shards."""
    corpus = Corpus(run=_run(store))
    writer: ParquetWriter | None = None
    failures = store.folder / "failures.jsonl"
    with store.whole(store.manifest) as manifest, store.whole(failures) as listed, writing(failures):
        with listed.open("w", encoding="utf-8") as lines:
            for table, durations, seen in _batches(store, store.plans):
                writer = writer or ParquetWriter(manifest, table.schema)
                place = table.column_names.index("duration")
                writer.write_table(table.set_column(place, table.schema.field(place), durations))
                for entry, state, marker in seen:
                    corpus.count(entry, state, marker)
                    if state is State.FAILED:
                        lines.write(json.dumps(marker, ensure_ascii=False) + "\n")
        if writer:
            writer.close()
    store.mark(store.folder / "corpus.json", corpus.as_json())
    return corpus


def _batches(
    store: Store, plans: list[Path]
) -> Iterator[tuple[pa.Table, pa.ChunkedArray, list[tuple[Entry, State, Marker]]]]:
    """Rows of plans, their durations as far as they are known, and how each clip stands."""
    pipeline = _run(store).get("fingerprint", "")
    for table, rows in entries(plans):
        seen = [(entry, *store.state(entry, pipeline)) for entry in rows]
        durations = [marker["duration"] if state is State.DONE else None for _, state, marker in seen]
        yield table, pa.chunked_array([pa.array(durations, pa.float64())]), seen


def _run(store: Store) -> Marker:
    return read_marker(store.folder / "run.json") or {}


def _pace(recent: list[tuple[float, int]]) -> Pace:
    """recent: (time in s since 1970, bytes) of clips, in the order they were done."""
    span = recent[-1][0] - recent[0][0] if len(recent) > 1 else 0.0
    if span <= 0:
        return Pace()
    return Pace((len(recent) - 1) / span, sum(size for _, size in recent[1:]) / span)

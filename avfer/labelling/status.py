"""How far the labelling of a corpus is, from its plan and markers alone: no table is opened."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cached_property
from heapq import heappush, heappushpop
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.parquet import ParquetWriter, read_schema

from avfer.errors import OutputError
from avfer.labelling.entry import Entry, Shard, entries_from
from avfer.labelling.labelled_part import LabelledPart, labelled_part
from avfer.labelling.plan import read_batches
from avfer.labelling.store import ClipState, Marker, Store, active_locks, open_store, read_marker

RECENT = 200  # clips, finished last, from which the rate is taken


@dataclass(frozen=True)
class Pace:
    """How fast the last RECENT clips were labelled, by all runs together, from the times in their markers.

    Time in which no clip was being labelled does not count, such as the days between two runs.
    """

    clips: float = 0.0  # per second
    bytes: float = 0.0  # of media per second


@dataclass
class CorpusStatus:
    """Totals and coverage of a corpus: the content of `corpus.json`, with the names of the fields as keys.

    `clips` is the sum of `done`, `failed` and `left`; rows, instants and seconds count the clips that are done.
    """

    clips: int = 0
    done: int = 0
    failed: int = 0
    left: int = 0
    rows: int = 0
    instants: int = 0  # frames, or ticks of a fixed clock
    frames: int = 0  # decoded frames, without the clips of sound alone
    with_face: int = 0  # frames with a face
    media_seconds: float = 0.0  # labelled length of the clips that are done
    work_seconds: float = 0.0  # of all workers together
    bytes: int = 0  # of tables
    bytes_left: int = 0  # of media
    reasons: Counter[str] = field(default_factory=Counter[str])  # rows without a face
    failures: Counter[str] = field(default_factory=Counter[str])  # clips by stage
    devices: Counter[str] = field(default_factory=Counter[str])  # clips
    run: Marker = field(default_factory=dict[str, Any])  # the pipeline, its fingerprint, the version

    @cached_property
    def part(self) -> LabelledPart:
        """The part of every clip that was labelled, by the pipeline in `run`."""
        return labelled_part(str(self.run.get("pipeline", "")))

    def count(self, entry: Entry, state: ClipState, marker: Marker) -> None:
        """Add a clip in a state, with the marker that the state follows from."""
        self.clips += 1
        if state is ClipState.DONE:
            self._count_done(marker)
        elif state is ClipState.FAILED:
            self.failed += 1
            self.failures[marker["stage"]] += 1
        else:
            self.left += 1
            self.bytes_left += entry.size

    def as_json(self) -> dict[str, Any]:
        """Return all fields and the coverage: the shares of clips that are done and of frames with a face."""
        shares = {"done": self.done / max(self.clips, 1), "with_face": self.with_face / max(self.frames, 1)}
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        return content | {"coverage": {name: round(share, 6) for name, share in shares.items()}}

    def _count_done(self, marker: Marker) -> None:
        self.done += 1
        self.rows += marker["rows"]
        self.bytes += marker["bytes"]
        self.instants += marker["instants"]
        self.frames += marker.get("frames", marker["instants"])  # older markers lack it
        self.with_face += marker["with_face"]
        self.media_seconds += self.part.length(marker["duration"])
        self.work_seconds += marker["seconds"]
        self.reasons.update(marker["reasons"])
        self.devices[marker["device"]] += 1


@dataclass(frozen=True)
class LabelStatus:
    """The totals of a corpus, and how fast its labelling proceeds."""

    corpus: CorpusStatus
    running: int  # runs that are active now
    pace: Pace  # how fast clips are labelled

    @property
    def seconds_left(self) -> float | None:
        """Time remaining at the present pace; None if no pace is known."""
        return self.corpus.bytes_left / self.pace.bytes if self.pace.bytes else None

    def as_json(self) -> dict[str, Any]:
        """Return the fields of the corpus, the number of runs, the rate in clips a minute and the time remaining."""
        pace = {"running": self.running, "clips_per_minute": self.pace.clips * 60, "seconds_left": self.seconds_left}
        return self.corpus.as_json() | pace


def status(folder: Path) -> LabelStatus:
    """Return how far the labelling into a folder is, whether a run is active or not.

    Raises ConfigError if the folder has no labels.
    """
    store = open_store(folder)
    corpus, recent = CorpusStatus(run=_run(store)), list[tuple[float, float, int]]()
    for _, _, clips in clip_states(store):
        for entry, state, marker in clips:
            corpus.count(entry, state, marker)
            if state is ClipState.DONE:
                add = heappush if len(recent) < RECENT else heappushpop
                add(recent, (marker["finished"], marker["seconds"], entry.size))
    return LabelStatus(corpus, len(active_locks(store.locks)), _pace(recent))


def write_totals(store: Store) -> CorpusStatus:
    """Write manifest.parquet, failures.jsonl and corpus.json from the plans and markers of all shards.

    The columns of the user are those of this shard's plan. A shard that was planned with others is left to be done
    again with the present ones. After a change of the number of shards, the clips of a shard that has not been planned
    yet are taken from the earlier manifest.parquet.

    Shards that run at the same time may each do this; the last one to finish has all results, since markers are
    written before. Raises OutputError if a file cannot be written.
    """
    corpus = CorpusStatus(run=_run(store))
    writer: ParquetWriter | None = None
    failures = store.folder / "failures.jsonl"
    with store.atomic_write(store.manifest) as manifest, store.atomic_write(failures) as failures_part:
        with failures_part.open("w", encoding="utf-8") as lines:
            for table, durations, clips in clip_states(store, _planned_batches(store)):
                writer = writer or ParquetWriter(manifest, table.schema)
                column = table.column_names.index("duration")
                writer.write_table(table.set_column(column, table.schema.field(column), durations))
                for entry, state, marker in clips:
                    corpus.count(entry, state, marker)
                    if state is ClipState.FAILED:
                        lines.write(json.dumps(marker, ensure_ascii=False) + "\n")
        if writer:
            writer.close()
    store.write_json(store.folder / "corpus.json", corpus.as_json())
    return corpus


def clip_states(
    store: Store, batches: Iterable[tuple[pa.Table, list[Entry]]] | None = None
) -> Iterator[tuple[pa.Table, pa.ChunkedArray, list[tuple[Entry, ClipState, Marker]]]]:
    """Yield rows of plans, their durations in seconds (null if unknown), and the state of each clip.

    batches: rows of plans and their entries, see `read_batches`; None: those of manifest.parquet.
    """
    fingerprint = store.fingerprint
    for table, entries in read_batches([store.manifest]) if batches is None else batches:
        clips = [(entry, *store.state(entry, fingerprint)) for entry in entries]
        durations = [marker["duration"] if state is ClipState.DONE else None for _, state, marker in clips]
        yield table, pa.chunked_array([pa.array(durations, pa.float64())]), clips


def _planned_batches(store: Store) -> Iterator[tuple[pa.Table, list[Entry]]]:
    """Yield the rows of all plans, then those of the earlier manifest.parquet whose shards have no plan yet.

    A damaged manifest.parquet is left out: it is rewritten.
    """
    plans, schema = store.plans, read_schema(store.plan)
    yield from read_batches(plans, schema)
    planned = {path.stem for path in plans}
    if len(planned) == store.shard.count or not store.manifest.is_file():
        return
    with suppress(OutputError):
        for table, _ in read_batches([store.manifest], schema):
            missing = [str(Shard.of(name, store.shard.count)) not in planned for name in table["id"].to_pylist()]
            rows = table.filter(pa.array(missing, pa.bool_()))
            yield rows, entries_from(rows)


def _run(store: Store) -> Marker:
    return read_marker(store.run_marker) or {}


def _pace(recent: list[tuple[float, float, int]]) -> Pace:
    """Return the pace of clips: (when each finished, s since 1970; how long it took, s; its size, bytes)."""
    busy, until = 0.0, -math.inf
    for begin, end in sorted((finished - seconds, finished) for finished, seconds, _ in recent):
        busy += max(0.0, end - max(begin, until))
        until = max(until, end)
    return Pace(len(recent) / busy, sum(size for *_, size in recent) / busy) if busy > 0 else Pace()

"""Statistics of the tables of a corpus: of each clip, and of all clips together.

Tables are read part by part and only their sums and counts are kept, so the memory does not depend on the length of the
clips. Rows have equal weight: each is one face on one frame, or the voice on a frame without a face; `avfer summarize`
weights by time instead.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow.parquet import ParquetFile

from avfer.baseline import ACTION_UNIT
from avfer.errors import DatasetError
from avfer.export import metadata_of

REQUIRED = ("track", "valence", "arousal", "expression")
OPTIONAL = ("person", "quality", "frame", "reason")
BATCH = 65_536  # rows in memory at once
BINS = 40  # of [-1, 1]; an even number, so that 0 is the edge of two bins


@dataclass(eq=False)
class Mean:
    """The mean of numbers that are added part by part."""

    total: float = 0.0  # sum
    count: int = 0  # of the numbers

    def add(self, values: np.ndarray) -> None:
        """Add numbers.   values: (N,) float; NaN is left out"""
        known = values[np.isfinite(values)]
        self.total += float(known.sum())
        self.count += len(known)

    @property
    def value(self) -> float | None:
        """The mean; None without any number."""
        return self.total / self.count if self.count else None


@dataclass(eq=False)
class ClipStatistics:
    """The rows of one clip in a few numbers."""

    rows: int = 0
    with_value: int = 0  # rows with a valence or an expression; in a table of action units alone, rows with one
    without_frame: int = 0  # rows of a fixed clock: sound without pictures
    people: set[int] = field(default_factory=set[int])  # persons, or tracks in a table without persons
    valence: Mean = field(default_factory=Mean)  # in [-1, 1]
    arousal: Mean = field(default_factory=Mean)  # in [-1, 1]
    quality: Mean = field(default_factory=Mean)  # in [0, 1]
    expressions: Counter[str] = field(default_factory=Counter[str])  # rows where it is the most probable
    metadata: dict[str, str] = field(default_factory=dict[str, str])  # of the table

    @property
    def share_with_value(self) -> float | None:
        """The share of rows with a value (see `with_value`), in [0, 1]; None for a table without rows."""
        return self.with_value / self.rows if self.rows else None

    @property
    def frequent(self) -> tuple[str | None, float | None]:
        """The most frequent expression and its share of the rows with one; (None, None) without any."""
        if not self.expressions:
            return None, None
        name, count = max(self.expressions.items(), key=lambda item: (item[1], item[0]))
        return name, count / self.expressions.total()


@dataclass(eq=False)
class CorpusDistributions:
    """How often each value occurs in the rows of a corpus, filled by `read_clip`."""

    plane: np.ndarray = field(default_factory=lambda: np.zeros((BINS, BINS), np.int64))  # (valence, arousal), [-1, 1]
    valence: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))  # (BINS,) rows, [-1, 1]
    arousal: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))  # (BINS,) rows, [-1, 1]
    quality: np.ndarray = field(default_factory=lambda: np.zeros(BINS // 2, np.int64))  # (BINS / 2,) rows, [0, 1]
    expressions: Counter[str] = field(default_factory=Counter[str])  # rows


def read_clip(path: Path, totals: CorpusDistributions) -> ClipStatistics:
    """Return the statistics of a table, and add its rows to the distributions of the corpus.

    path: a Parquet table of `avfer label`. Raises DatasetError if it cannot be read or lacks a column; rows that were
    read before count in `totals`.
    """
    clip = ClipStatistics()
    try:
        with ParquetFile(path) as file:
            clip.metadata = metadata_of(file.schema_arrow)
            for batch in _batches(file):
                _add(batch, clip, totals)
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"the table cannot be read: {reason}; label the clip again") from error
    return clip


def _batches(file: ParquetFile) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table, only the columns that count. Raises ValueError if one is missing.

    Action units are read only if the table has neither valence nor expression, as the network that made it lacks both.
    """
    names = file.schema_arrow.names
    if missing := [name for name in REQUIRED if name not in names]:
        raise ValueError(f"it has no column {', '.join(missing)}")
    columns = [*REQUIRED, *(name for name in OPTIONAL if name in names)]
    if _is_null(file, "valence") and _is_null(file, "expression"):
        columns += [name for name in names if ACTION_UNIT.fullmatch(name)]
    yield from file.iter_batches(BATCH, columns=columns, use_threads=False)


def _is_null(file: ParquetFile, name: str) -> bool:
    """Return whether a column has no value in any row, as the statistics of the file state; False without them."""
    metadata, column = file.metadata, file.schema_arrow.names.index(name)
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    facts = [(group.num_rows, group.column(column).statistics) for group in groups]
    return all(found is not None and found.null_count == rows for rows, found in facts)


def _add(batch: pa.RecordBatch, clip: ClipStatistics, totals: CorpusDistributions) -> None:
    names = batch.schema.names
    valence, arousal = _numbers(batch, "valence"), _numbers(batch, "arousal")
    clip.rows += len(batch)
    clip.with_value += int(_rows_with_value(batch).sum())
    clip.without_frame += batch["frame"].null_count if "frame" in names else 0
    clip.valence.add(valence)
    clip.arousal.add(arousal)
    totals.valence += _histogram(valence, BINS, -1, 1)
    totals.arousal += _histogram(arousal, BINS, -1, 1)
    both = np.isfinite(valence) & np.isfinite(arousal)
    places = [_bins(values[both], BINS, -1, 1) for values in (valence, arousal)]
    np.add.at(totals.plane, tuple(places), 1)
    if "quality" in names:
        quality = _numbers(batch, "quality")
        clip.quality.add(quality)
        totals.quality += _histogram(quality, len(totals.quality), 0, 1)
    counts = _value_counts(batch["expression"])
    clip.expressions.update(counts)
    totals.expressions.update(counts)
    people = batch["person"] if "person" in names and batch["person"].null_count < len(batch) else batch["track"]
    clip.people |= set(people.drop_null().unique().to_pylist())


def _rows_with_value(batch: pa.RecordBatch) -> np.ndarray:
    """Return which rows of a batch have a valence, an expression or, where no reason is stated, an action unit.

    -> (N,) bool
    """
    known = np.isfinite(_numbers(batch, "valence")) | _is_valid(batch, "expression")
    unexplained = ~_is_valid(batch, "reason") if "reason" in batch.schema.names else np.ones(len(batch), bool)
    for name in filter(ACTION_UNIT.fullmatch, batch.schema.names):
        known |= unexplained & np.isfinite(_numbers(batch, name))
    return known


def _is_valid(batch: pa.RecordBatch, name: str) -> np.ndarray:
    """Return which rows of a column are not null: (N,) bool."""
    return batch[name].is_valid().to_numpy(zero_copy_only=False)


def _numbers(batch: pa.RecordBatch, name: str) -> np.ndarray:
    """Return a column of N rows as (N,) float64, null as NaN."""
    return batch[name].cast(pa.float64()).to_numpy(zero_copy_only=False)


def _value_counts(column: pa.Array) -> dict[str, int]:
    counts = column.drop_null().value_counts()
    return {item["values"].as_py(): item["counts"].as_py() for item in counts}


def _bins(values: np.ndarray, bins: int, low: float, high: float) -> np.ndarray:
    """Return the number of the bin of each value; those beyond the range are in the first or last: (N,) -> (N,) int."""
    return np.floor((values - low) / (high - low) * bins).astype(np.int64).clip(0, bins - 1)


def _histogram(values: np.ndarray, bins: int, low: float, high: float) -> np.ndarray:
    """Return the number of values in each bin, without NaN: (N,) float -> (bins,) int64."""
    return np.bincount(_bins(values[np.isfinite(values)], bins, low, high), minlength=bins)

"""The summary of a table: counts, means and coarse curves of each person, and their printout on a terminal.

A summary is filled part by part while a clip is processed and holds one value per BIN seconds and person, so its size
does not depend on the frame rate.
"""

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
from rich.box import SIMPLE_HEAD
from rich.table import Table

from avfer.errors import counted
from avfer.export.person_rows import person_label

BIN = 0.2  # seconds averaged to one value of a curve
LEVELS = "▁▂▃▄▅▆▇█"
MAX_LISTED = 8  # people in the printout


@dataclass
class PersonSummary:
    """Counts and sums of one person; all rows with a voice but no face form one person of their own.

    Means are sums divided by `known`; NaN never enters a sum, as missing values are null in the table.
    """

    rows: int = 0
    valence: float = 0.0  # sum over the rows where it is known
    arousal: float = 0.0  # sum over the same rows
    known: int = 0  # rows with valence and arousal
    expressions: Counter[str] = field(default_factory=Counter[str])  # expression -> rows where it is the most probable
    curves: dict[int, np.ndarray] = field(default_factory=dict[int, np.ndarray])  # bin -> sums: valence, arousal, rows

    def curve(self, column: int) -> list[float | None]:
        """Return the means of valence (column 0) or arousal (1) in consecutive bins of BIN seconds.

        The list covers the bins from the first to the last with values; bins between them without values are None.
        """
        if not self.curves:
            return []
        bins = range(min(self.curves), max(self.curves) + 1)
        return [float(self.curves[b][column] / self.curves[b][2]) if b in self.curves else None for b in bins]

    @property
    def means(self) -> tuple[float, float] | None:
        """Mean valence and arousal, each in [-1, 1]; None if no row has them."""
        return (self.valence / self.known, self.arousal / self.known) if self.known else None


@dataclass
class TableSummary:
    """Counts of a whole table. `add` takes it part by part, so the table need not fit into memory.

    Example: `summary = TableSummary(); summary.add(track.to_table())`.
    """

    rows: int = 0  # so far
    instants: int = 0  # frames, or ticks of a fixed clock
    has_frames: bool = False  # whether the instants are decoded frames
    with_face: int = 0  # instants with at least one face
    start: float = math.inf  # seconds, time of the first instant; infinity if there is none
    stop: float = 0.0  # seconds, time of the last instant
    reasons: Counter[str] = field(default_factory=Counter[str])  # of rows without a face
    people: dict[str, PersonSummary] = field(default_factory=dict[str, PersonSummary])  # name, see `person_label`

    @property
    def seconds(self) -> float:
        """The time from the first instant to the end of the last, which lasts as long as the others on average.

        0 for a single instant, as of a photograph, and without any.
        """
        return (self.stop - self.start) * self.instants / (self.instants - 1) if self.instants > 1 else 0.0

    def add(self, table: pa.Table) -> None:
        """Count the rows of a part; all rows of one instant must be in the same part."""
        if not len(table):
            return
        times = np.array(table["time_s"].to_pylist())  # `to_numpy` would import pandas
        tracks = table["track"].to_pylist()
        faces = np.array([track is not None for track in tracks])
        self.rows += len(table)
        self.has_frames |= table["frame"].null_count < len(table)
        self.instants += len(np.unique(times))
        self.with_face += len(np.unique(times[faces]))
        self.start = min(self.start, float(times.min()))
        self.stop = max(self.stop, float(times.max()))
        self.reasons.update(reason for reason in table["reason"].to_pylist() if reason)
        persons = table["person"].to_pylist() if "person" in table.column_names else [None] * len(table)
        columns = (table["valence"].to_pylist(), table["arousal"].to_pylist(), table["expression"].to_pylist())
        for person, track, time, valence, arousal, expression in zip(persons, tracks, times, *columns, strict=True):
            if track is not None or valence is not None or expression is not None:
                summary = self.people.setdefault(person_label(person, track), PersonSummary())
                self._count(summary, time, valence, arousal, expression)

    def _count(
        self, person: PersonSummary, time: float, valence: float | None, arousal: float | None, expression: str | None
    ) -> None:
        """Count one row at a time (s); None is a missing value."""
        person.rows += 1
        if expression is not None:
            person.expressions[expression] += 1
        if valence is not None and arousal is not None:
            person.valence += valence
            person.arousal += arousal
            person.known += 1
            sums = person.curves.setdefault(int(time // BIN), np.zeros(3))
            sums += (valence, arousal, 1)


def summarize(table: pa.Table) -> TableSummary:
    """Return the summary of a whole table."""
    summary = TableSummary()
    summary.add(table)
    return summary


def summary_table(summary: TableSummary, title: str, width: int = 100, plain: bool = False) -> Table:
    """Return a table for the terminal: one line for each person with mean, curve and frequent expressions.

    The people with most rows come first, MAX_LISTED of them at most.
    width: characters of the terminal; plain: leave out the curves, for terminals without Unicode.
    """
    curve = 0 if plain else max(6, min(24, (width - 66) // 2))
    table = Table(title=title, title_justify="left", title_style="bold", caption=coverage(summary), box=SIMPLE_HEAD)
    table.caption_justify = "left"
    table.show_header = bool(summary.people)  # without people only the caption has content
    kind = "person" if any(name.startswith("person ") for name in summary.people) else "track"
    table.add_column(kind, justify="right", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("valence", style="cyan", no_wrap=True)
    table.add_column("arousal", style="yellow", no_wrap=True)
    table.add_column("expression")
    people = sorted(summary.people.items(), key=lambda item: -item[1].rows)
    for name, person in people[:MAX_LISTED]:
        cells = (_mean_and_curve(person, 0, curve), _mean_and_curve(person, 1, curve), _frequent_expressions(person))
        table.add_row(name.removeprefix(f"{kind} ").removesuffix(" alone"), str(person.rows), *cells)
    if len(people) > MAX_LISTED:
        table.add_row("...", f"{len(people) - MAX_LISTED} more", "", "", "")
    return table


def coverage(summary: TableSummary) -> str:
    """Return the number of rows, their duration and the reasons of those without a face.

    Example: `130 frames in 5.2 s, a face on 98%, no_face 3`.
    """
    reasons = "".join(f", {reason} {count}" for reason, count in summary.reasons.most_common())
    if not summary.has_frames:
        return f"{instants_text(summary)} on a fixed clock in {summary.seconds:.1f} s{reasons}"
    share = summary.with_face / max(summary.instants, 1)
    return f"{instants_text(summary)} in {summary.seconds:.1f} s, a face on {share:.0%}{reasons}"


def instants_text(summary: TableSummary) -> str:
    """Return the number of frames, or of rows of a fixed clock: "1 frame", "75 rows"."""
    return counted(summary.instants, "frame" if summary.has_frames else "row")


def sparkline(values: list[float | None], width: int = 24) -> str:
    """Return a curve of values in [-1, 1] as at most `width` block characters; a space where all are missing.

    Example: `sparkline([-1.0, 0.0, 1.0])` is "▁▅█".
    """
    count = min(width, len(values))
    edges = [round(i * len(values) / count) for i in range(count + 1)] if count else []
    groups = [[v for v in values[a:b] if v is not None] for a, b in pairwise(edges)]
    return "".join(_block(sum(group) / len(group)) if group else " " for group in groups)


def _block(value: float) -> str:
    return LEVELS[min(int((value + 1) / 2 * len(LEVELS)), len(LEVELS) - 1)]


def _mean_and_curve(person: PersonSummary, which: int, width: int) -> str:
    """Return the mean and the curve of valence (0) or arousal (1)."""
    if person.means is None:
        return "-"
    mean = round(person.means[which], 2) + 0.0  # + 0.0 turns -0.0 into 0.0
    return f"{mean:+.2f} {sparkline(person.curve(which), width)}".rstrip()


def _frequent_expressions(person: PersonSummary) -> str:
    """Return the two most frequent expressions with their shares: `happiness 40%, neutral 30%`."""
    total = sum(person.expressions.values())
    return ", ".join(f"{name} {count / total:.0%}" for name, count in person.expressions.most_common(2)) or "-"

"""The numbers of a table in brief, gathered part by part."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

BIN = 0.2  # seconds that one value of a curve stands for


@dataclass
class Person:
    """What was read of one track; the rows that only the voice fills are a person of their own."""

    rows: int = 0
    valence: float = 0.0  # sum over the rows where it is known
    arousal: float = 0.0
    known: int = 0
    expressions: Counter[str] = field(default_factory=Counter[str])
    curves: dict[int, np.ndarray] = field(default_factory=dict[int, np.ndarray])  # bin -> sums: valence, arousal, rows

    def curve(self, column: int) -> list[float | None]:
        """Means of valence (0) or arousal (1) for every bin from the first to the last; None between."""
        if not self.curves:
            return []
        bins = range(min(self.curves), max(self.curves) + 1)
        return [float(self.curves[b][column] / self.curves[b][2]) if b in self.curves else None for b in bins]

    @property
    def means(self) -> tuple[float, float] | None:
        """Mean valence and arousal; None where neither is known."""
        return (self.valence / self.known, self.arousal / self.known) if self.known else None


@dataclass
class Summary:
    """A whole table in brief."""

    rows: int = 0
    instants: int = 0  # frames, or ticks of a fixed clock
    pictures: bool = False  # the instants are frames
    with_face: int = 0  # instants
    stop: float = 0.0  # seconds, the last instant
    reasons: Counter[str] = field(default_factory=Counter[str])
    people: dict[int | None, Person] = field(default_factory=dict[int | None, Person])

    def add(self, table: pa.Table) -> None:
        """Count the rows of a part; parts hold whole instants."""
        if not len(table):
            return
        times = table["time_s"].to_numpy()
        tracks = table["track"].to_pylist()
        faces = np.array([track is not None for track in tracks])
        self.rows += len(table)
        self.pictures |= table["frame"].null_count < len(table)
        self.instants += len(np.unique(times))
        self.with_face += len(np.unique(times[faces]))
        self.stop = max(self.stop, float(times.max()))
        self.reasons.update(reason for reason in table["reason"].to_pylist() if reason)
        columns = (table["valence"].to_pylist(), table["arousal"].to_pylist(), table["expression"].to_pylist())
        for track, time, valence, arousal, expression in zip(tracks, times, *columns, strict=True):
            if track is not None or valence is not None or expression is not None:
                self._count(self.people.setdefault(track, Person()), time, valence, arousal, expression)

    def _count(
        self, person: Person, time: float, valence: float | None, arousal: float | None, expression: str | None
    ) -> None:
        person.rows += 1
        if expression is not None:
            person.expressions[expression] += 1
        if valence is not None and arousal is not None:
            person.valence += valence
            person.arousal += arousal
            person.known += 1
            sums = person.curves.setdefault(int(time // BIN), np.zeros(3))
            sums += (valence, arousal, 1)


def summarise(table: pa.Table) -> Summary:
    """The numbers of a whole table."""
    summary = Summary()
    summary.add(table)
    return summary

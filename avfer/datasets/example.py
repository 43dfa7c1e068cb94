"""What every corpus is read into: examples with times, subjects, partitions, and labels with a mask.

A sentinel of a corpus (-5, -2, -1) never leaves its reader: it becomes NaN (or -1 for a class) with `valid` False.
Classes go by name; an index is a position in the label's own `names`. T steps, K names.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

Partition = Literal["train", "dev", "test"]
Side = Literal["left", "right"]
PARTITIONS: tuple[Partition, ...] = ("train", "dev", "test")


@dataclass(frozen=True, eq=False)
class Labels:
    """One kind of label of an example, one row a step.

    Kinds: "valence", "arousal" (T,) float64 in [-1, 1]; "expression" (T,) int64, index into `names`; "votes" (T, K)
    float64; "action_units" (T, K) float64, 0 or 1 (or an intensity); "raters_valence", "raters_arousal" (T, K).
    """

    values: np.ndarray
    valid: np.ndarray  # bool, of the shape of values
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.values.shape != self.valid.shape or self.valid.dtype != bool:
            raise ValueError(f"Labels: values {self.values.shape} and valid {self.valid.shape} {self.valid.dtype}")


@dataclass(frozen=True, eq=False)
class Example:
    """A recording, one person of a recording, or a picture."""

    id: str  # unique in the corpus
    partition: Partition
    labels: dict[str, Labels]
    subject: str | None = None  # a person known to the corpus; None where it does not tell
    video: Path | None = None
    audio: Path | None = None
    pictures: tuple[Path | None, ...] = ()  # one a step, None where there is none; a picture corpus has one step
    times: np.ndarray | None = None  # (T,) float64 s; None for pictures, and where labels go by frame alone
    frames: np.ndarray | None = None  # (T,) int64, 0-based index of the decoded frame; None where labels go by time
    side: Side | None = None  # where the person sits, of two in one video; None where nothing tells

    def __len__(self) -> int:
        """Steps."""
        return len(next(iter(self.labels.values())).values) if self.labels else 0


@dataclass
class Notes:
    """What a reader met and decided: counted by sentence, with the first place; faults make a check fail."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    places: dict[str, str] = field(default_factory=dict[str, str])
    faults: set[str] = field(default_factory=set[str])

    def add(self, sentence: str, place: Path | str, count: int = 1, *, fault: bool = False) -> None:
        """Count a decision ("label lines beyond the last frame: ignored"), or a fault of the corpus."""
        if count <= 0:
            return
        self.counts[sentence] = self.counts.get(sentence, 0) + count
        self.places.setdefault(sentence, str(place))
        if fault:
            self.faults.add(sentence)


class Corpus(Protocol):
    """A corpus on disk. Made with its root and options; the layout is found, a wrong root is a DatasetError."""

    name: str  # in the catalog: "recola"
    root: Path
    distribution: str  # the layout that was found: "AVEC 2016"
    protocol: str  # what a report must say of splits and gold standard: "gold standard as distributed"
    notes: Notes

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those that are there, with or without labels."""
        ...

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Examples in natural order of their ids, one at a time; notes grow on the way."""
        ...

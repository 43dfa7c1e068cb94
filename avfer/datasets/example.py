"""The types that every corpus reader returns: examples with labels and media, and notes about what was read.

Sentinel values of a corpus (-5, -2, -1) never leave its reader: they become NaN (class index -1) with `valid` False.
Classes are strings; a class index is a position in the `names` of its own `Labels`. Shapes: T steps, K names.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np

Dimension = Literal["valence", "arousal"]
Partition = Literal["train", "dev", "test"]
Side = Literal["left", "right"]
MAX_PLACES = 20  # occurrences of a note that are named
DIMENSIONS: tuple[Dimension, ...] = ("valence", "arousal")
PARTITIONS: tuple[Partition, ...] = ("train", "dev", "test")


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of one kind for an example, one row for each step.

    The kind is the key in `Example.labels`:
    "valence", "arousal"                (T,) float64 in [-1, 1]
    "expression"                        (T,) int64, index into `names`, -1 where not valid
    "votes"                             (T, K) float64, number of raters who chose each class
    "action_units"                      (T, K) float64, 0 or 1 (occurrence), or an intensity in [0, 5]
    "raters_valence", "raters_arousal"  (T, K) float64, one column for each rater

    Raises ValueError if `valid` is not a bool array of the shape of `values`.
    """

    values: np.ndarray  # (T,) or (T, K)
    valid: np.ndarray  # bool, same shape as values; True where the value may be used
    names: tuple[str, ...] = ()  # classes, action units or raters

    def __post_init__(self) -> None:
        if self.values.shape != self.valid.shape or self.valid.dtype != bool:
            raise ValueError(
                f"Labels: valid must be bool of shape {self.values.shape}, "
                f"got {self.valid.dtype} of shape {self.valid.shape}"
            )


@dataclass(frozen=True, eq=False)
class Example:
    """One unit of a corpus: a recording, one person in a recording, a clip, or a picture.

    `len(example)` is the number of steps T: annotated frames or time points; 1 for a picture or a clip with one label.
    """

    id: str  # unique in the corpus
    partition: Partition  # "train", "dev" or "test"
    labels: dict[str, Labels]  # kind of label -> labels of the T steps
    subject: str | None = None  # the person; None if the corpus does not identify people
    video: Path | None = None  # file with the pictures; None for sound or pictures alone
    audio: Path | None = None  # the video itself where its sound track is used
    pictures: tuple[Path | None, ...] = ()  # one for each step, None where missing; empty if there are no pictures
    times: np.ndarray | None = None  # (T,) float64 s; None for pictures, and where labels are indexed by frame
    frames: np.ndarray | None = None  # (T,) int64, decoded frame from 0; None where labels are indexed by time
    side: Side | None = None  # where the person sits in a video of two people; None if unknown
    whole_clip: bool = False  # whether the labels of the one step are of the whole clip; its time is then the middle

    def __len__(self) -> int:
        """Return the number of steps T, 0 for an example without labels."""
        return len(next(iter(self.labels.values())).values) if self.labels else 0


@dataclass
class Notes:
    """Counts of what a reader skipped, repaired or found faulty, one entry for each distinct note.

    Faults are notes that make `avfer corpora check` fail, for example a missing picture.
    """

    counts: dict[str, int] = field(default_factory=dict[str, int])  # note -> number of occurrences
    # note -> files, lines or ids of its occurrences, at most MAX_PLACES of them
    places: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    faults: set[str] = field(default_factory=set[str])  # notes that are faults

    def add(self, note: str, place: Path | str, count: int = 1, *, fault: bool = False) -> None:
        """Count `note`, such as "rows that repeat a picture: the first is kept"; do nothing if `count` <= 0.

        place: where it occurred (a file, a line, an example id). fault: whether the note makes a check fail.
        """
        if count <= 0:
            return
        self.counts[note] = self.counts.get(note, 0) + count
        places = self.places.setdefault(note, [])
        if len(places) < MAX_PLACES and str(place) not in places:
            places.append(str(place))
        if fault:
            self.faults.add(note)


@contextmanager
def preserve_notes(notes: Notes) -> Generator[None]:
    """Restore notes afterwards: for reading examples whose notes do not belong in a report, or are made again later."""
    before = deepcopy((notes.counts, notes.places, notes.faults))
    yield
    for saved, current in zip(before, (notes.counts, notes.places, notes.faults), strict=True):
        current.clear()
        current.update(saved)  # pyright: ignore[reportArgumentType, reportCallIssue]


class Corpus(ABC):
    """Base class of corpus readers, for example `class MyCorpus(Corpus)`.

    The constructor takes the root folder and the options of the corpus. It detects the layout on disk and raises
    DatasetError if the root has no known layout, ConfigError for an invalid option. A new corpus is one file and one
    line in `avfer.catalog`; `package.module:MyCorpus` names a corpus outside avfer.
    """

    name: str  # name in the catalog: "recola"
    root: Path
    distribution: str  # the layout that was detected: "AVEC 2015 and 2016"
    protocol: str  # gold standard and split, as reports state them: "gold standard as distributed; ..."
    notes: Notes  # grows while examples are read
    task: str = ""  # the task that is read; empty for a corpus without tasks
    tasks: tuple[str, ...] = ()  # tasks that the copy on disk has labels for; empty for a corpus without tasks

    @property
    @abstractmethod
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions on disk, with or without labels, in the order of `PARTITIONS`."""

    @abstractmethod
    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield the examples of a partition in natural order of their ids.

        Files are read lazily; DatasetError, which names file and line, for a file that cannot be read.
        """


@runtime_checkable
class HasPictures(Protocol):
    """A corpus that stores its pictures inside other files, such as FER+ in arrays."""

    def picture(self, example: Example) -> np.ndarray:
        """Return the picture of an example, (H, W) or (H, W, 3) uint8 RGB. Raises DatasetError if it is missing."""
        ...


@runtime_checkable
class CropsFaces(Protocol):
    """A corpus that crops faces from its pictures, because a picture may show several, such as FEC."""

    def face(self, example: Example, step: int) -> np.ndarray:
        """Return the face of a step, (H, W) or (H, W, 3) uint8 RGB. Raises DatasetError if its picture is missing."""
        ...

"""Corpora by name, and what a check of one finds: counts of each partition, decisions, and proof against leaks."""

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from avfer.catalog import NAMES, find
from avfer.datasets import extent
from avfer.datasets.example import Corpus, Example, Notes, Partition
from avfer.errors import ConfigError, DatasetError, unknown

UNREAD = "is read no further"
Places = dict[str, list[Partition]]  # a subject or recording -> where it was met


def open_corpus(name: str, root: Path | str, **options: Any) -> Corpus:
    """A corpus of the catalog (or `package.module:Name`) on disk.

    DatasetError for a wrong root, ConfigError for an unknown name or option.
    """
    if ":" not in name and name not in NAMES["corpus"]:
        raise ConfigError(unknown("corpus", name, NAMES["corpus"]))
    kind = find("corpus", name)
    known = options_of(kind)
    for option in options:
        if option not in known:
            raise ConfigError(f"corpus '{name}': {unknown('option', option, known)}")
    return cast(Corpus, kind(Path(root), **options))


def open_tasks(name: str, root: Path | str, **options: Any) -> list[Corpus]:
    """The corpus; or, where it has several tasks and the options name none, one for each task that is there."""
    corpus = open_corpus(name, root, **options)
    tasks: tuple[str, ...] = getattr(corpus, "tasks", ())
    if "task" in options or len(tasks) < 2:
        return [corpus]
    return [open_corpus(name, root, **options, task=task) for task in tasks]


def options_of(kind: type) -> tuple[str, ...]:
    """The options that a corpus takes beside its root."""
    return tuple(name for name in inspect.signature(kind).parameters if name not in {"root", "notes"})


@dataclass
class Counts:
    """What one partition holds."""

    examples: int = 0
    subjects: int = 0  # 0 where the corpus does not tell
    steps: int = 0  # annotated time steps, or pictures
    valid: dict[str, int] = field(default_factory=dict[str, int])  # kind of label -> steps where all of it is valid
    pictures: int = 0  # steps whose picture is there
    pictures_missing: int = 0  # steps without a picture, in examples that have pictures
    videos: int = 0  # examples with a video
    sounds: int = 0  # examples with a sound file of its own
    media_missing: int = 0  # examples with no video, no sound and no picture at all


@dataclass
class Report:
    """What a check found."""

    corpus: str
    distribution: str
    protocol: str
    partitions: dict[Partition, Counts]
    notes: Notes
    leaks: dict[str, tuple[Partition, ...]]  # a subject or recording in several partitions -> those

    @property
    def sound(self) -> bool:
        """Whether there is no fault."""
        return not self.leaks and not self.notes.faults

    @property
    def complete(self) -> bool:
        """Whether all files could be read."""
        return not any(UNREAD in told for told in self.notes.faults)


def check(corpus: Corpus) -> Report:
    """Read all of a corpus, one example at a time, and count; a file that cannot be read is a fault of a partition."""
    places: Places = {}
    counted: dict[Partition, Counts] = {p: _count(corpus, p, places) for p in corpus.partitions}
    if not any(counts.examples for counts in counted.values()):
        corpus.notes.add("no examples at all: is the copy complete?", corpus.root, fault=True)
    leaks = {who: tuple(where) for who, where in places.items() if len(where) > 1}
    return Report(corpus.name, corpus.distribution, corpus.protocol, counted, corpus.notes, leaks)


def _count(corpus: Corpus, partition: Partition, places: Places) -> Counts:
    counts = Counts()
    ids, subjects = set[str](), set[str | None]()
    try:
        for example in corpus.examples(partition):
            _add(counts, example)
            _judge(corpus, example, ids)
            subjects.add(example.subject)
            where = places.setdefault(_known_as(example), [])
            if partition not in where:
                where.append(partition)
    except DatasetError as error:
        corpus.notes.add(f"{partition} {UNREAD}: {error}", corpus.root, fault=True)
    counts.subjects = len(subjects - {None})
    return counts


def _judge(corpus: Corpus, example: Example, ids: set[str]) -> None:
    """Note what is wrong with an example; `ids` are those met before in its partition."""
    if example.id in ids:
        corpus.notes.add("examples of one name", example.id, fault=True)
    ids.add(example.id)
    gone = [path for path in (example.video, example.audio) if path and not path.exists()]
    for path in gone:
        corpus.notes.add("media named by the labels that are not there", path, fault=True)
    if not gone:
        extent.compare(example, corpus.notes)


def _add(counts: Counts, example: Example) -> None:
    counts.examples += 1
    counts.steps += len(example)
    for kind, labels in example.labels.items():
        valid = labels.valid.reshape(len(labels.valid), -1).all(axis=1)
        counts.valid[kind] = counts.valid.get(kind, 0) + int(valid.sum())
    there = sum(picture is not None for picture in example.pictures)
    counts.pictures += there
    counts.pictures_missing += len(example.pictures) - there
    counts.videos += example.video is not None
    counts.sounds += example.audio is not None and example.audio != example.video
    counts.media_missing += not (there or example.video or example.audio)


def _known_as(example: Example) -> str:
    """By what an example would be known again in another partition."""
    return f"recording {example.id}" if example.subject is None else f"subject {example.subject}"

"""Open a corpus by name, and check one: counts of each partition, notes, faults, and leaks between partitions.

    corpus = open_corpus("recola", "/data/RECOLA", split="46-subject")
    for example in corpus.examples("train"): ...
    print(check(corpus).leaks)

A leak is a subject, or a recording of a corpus without subjects, that is in two partitions.
"""

import inspect
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import numpy as np

from avfer.catalog import check_call, find
from avfer.datasets.example import Corpus, Example, Notes, Partition
from avfer.errors import ConfigError, DatasetError, MediaError, unknown
from avfer.option_types import validate

NO_EXAMPLES = "no examples at all: is the copy complete?"
REPEATED_ID = "examples with the same id"
NO_SOUND = "recordings without sound, in a corpus that has others with sound"
MISSING_MEDIA = "media files named by the labels that are missing"
BEYOND = "label steps after the end of the video, by its header: kept, but there is no frame to predict from"
SHORT = "videos that go on after their last label, by their headers"
UNREADABLE = "videos that cannot be opened"
TOLERANCE = 1.5  # label steps by which the header of a video may be wrong


@dataclass
class Counts:
    """Contents of one partition. The names of the fields are keys of `avfer corpora check --json`."""

    examples: int = 0  # recordings, clips or pictures, with labels or without
    subjects: int = 0  # 0 if the corpus does not identify people
    steps: int = 0  # annotated time steps, or pictures
    valid: dict[str, int] = field(default_factory=dict[str, int])  # kind of label -> steps where all of it is valid
    pictures: int = 0  # steps with a picture
    pictures_missing: int = 0  # steps without a picture, in examples that have pictures
    videos: int = 0  # examples with a video
    sounds: int = 0  # examples with an audio file of their own
    media_missing: int = 0  # examples without video, audio and pictures


@dataclass
class CorpusCheck:
    """The result of a check of a corpus."""

    corpus: str
    distribution: str  # the layout that was detected
    protocol: str  # gold standard and split
    partitions: dict[Partition, Counts]  # contents of each partition on disk
    notes: Notes  # what was skipped, repaired or faulty
    leaks: dict[str, tuple[Partition, ...]]  # a subject or recording in several partitions -> these partitions
    unread: tuple[Partition, ...] = ()  # partitions whose reading stopped at an error

    @property
    def passed(self) -> bool:
        """Return whether there is neither a leak nor a fault."""
        return not self.leaks and not self.notes.faults

    @property
    def complete(self) -> bool:
        """Return whether all partitions were read to their end."""
        return not self.unread


class VideoLength(NamedTuple):
    """Length of a video by its header; None where the header does not state it."""

    frames: int | None
    seconds: float | None


def open_corpus(name: str, root: Path | str, **options: Any) -> Corpus:
    """Open a corpus on disk, by a name of the catalog or as `package.module:Name`.

    options: as listed by `avfer corpora list`, for example `task="va"`.
    Raises ConfigError as `find_corpus` and for an option of another type than the constructor declares, DatasetError if
    the root does not contain the corpus.
    """
    kind = find_corpus(name, options)
    return kind(Path(root), **_convert_options(name, kind, options))


def find_corpus(name: str, options: Collection[str] = ()) -> Callable[..., Corpus]:
    """Return the class of a corpus that can be created with a root and these options. It is not called.

    name: of the catalog, or `package.module:Name`; options: their names. Raises ConfigError for an unknown name or
    option, and for a class that is no corpus or whose constructor does not accept these arguments.
    """
    kind = find("corpus", name)
    known = options_of(kind)
    for option in options:
        if option not in known:
            raise ConfigError(f"corpus '{name}': {unknown('option', option, known)}")
    check_call("corpus", name, kind, options)
    return kind


def open_tasks(name: str, root: Path | str, **options: Any) -> list[Corpus]:
    """Open a corpus once for each task that it has labels for; once if it has no tasks or `options` name the task.

    Raises ConfigError and DatasetError as `open_corpus` does.
    """
    corpus = open_corpus(name, root, **options)
    if "task" in options or len(corpus.tasks) < 2:
        return [corpus]
    return [open_corpus(name, root, **options, task=task) for task in corpus.tasks]


def _convert_options(name: str, kind: Callable[..., Corpus], options: dict[str, Any]) -> dict[str, Any]:
    """Return options as instances of the types that the constructor of a corpus declares: "0.5" as 0.5.

    Raises ConfigError for a value that is of another type.
    """
    types: dict[str, Any] = {}
    with suppress(NameError):  # a corpus of the user may name types that only type checkers import
        types = get_type_hints(kind.__init__, include_extras=True)
    converted = dict(options)
    for option in options.keys() & types.keys():
        try:
            converted[option] = validate(types[option], options[option])
        except ValueError as error:
            raise ConfigError(f"corpus '{name}': {option}: {error}") from None
    return converted


def options_of(kind: type) -> tuple[str, ...]:
    """Return the names of the options of a corpus: the parameters of its constructor beside the root."""
    return tuple(name for name in inspect.signature(kind).parameters if name not in {"root", "notes"})


def check(corpus: Corpus) -> CorpusCheck:
    """Read a whole corpus, one example at a time, and count its contents and faults.

    Faults are: no examples, equal ids, missing media files, and the faults that the reader of the corpus notes. The
    length of the labels is compared with the length in the header of the video; differences are noted.
    An error while a partition is read is a fault and ends the reading of that partition; the others are still read.
    """
    contents = _Contents(corpus)
    for partition in corpus.partitions:
        contents.read(partition)
    for name in contents.silent_recordings:
        corpus.notes.add(NO_SOUND, name)
    if not any(counts.examples for counts in contents.counts.values()):
        corpus.notes.add(NO_EXAMPLES, corpus.root, fault=True)
    return CorpusCheck(
        corpus.name,
        corpus.distribution,
        corpus.protocol,
        contents.counts,
        corpus.notes,
        contents.leaks,
        tuple(contents.unread),
    )


def video_length(path: Path) -> VideoLength:
    """Return frames and seconds of the video stream by its header. Raises MediaError if it cannot be opened.

    MKV, WebM and FLV state no length of a stream: the seconds are those of the whole file.
    """
    import av

    from avfer.container import open_container, video_stream

    with open_container(path) as container:
        stream = video_stream(container)
        if stream is None:
            return VideoLength(None, None)
        seconds = None if container.duration is None else container.duration / av.time_base
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        return VideoLength(stream.frames or None, seconds)


@dataclass
class _Contents:
    """What has been read of a corpus, partition by partition."""

    corpus: Corpus
    counts: dict[Partition, Counts] = field(default_factory=dict[Partition, Counts])
    unread: list[Partition] = field(default_factory=list[Partition])  # partitions whose reading stopped at an error
    places: dict[str, list[Partition]] = field(default_factory=dict[str, list[Partition]])  # leak key -> partitions
    has_sound: dict[str, bool] = field(default_factory=dict[str, bool])  # id of a recording -> whether it has audio

    @property
    def leaks(self) -> dict[str, tuple[Partition, ...]]:
        """Return each subject or recording in several partitions, with these partitions."""
        return {key: tuple(partitions) for key, partitions in self.places.items() if len(partitions) > 1}

    @property
    def silent_recordings(self) -> list[str]:
        """Return the ids of the recordings without audio, if others have audio."""
        silent = [name for name, has_sound in self.has_sound.items() if not has_sound]
        return silent if len(silent) < len(self.has_sound) else []

    def read(self, partition: Partition) -> None:
        """Read all examples of a partition: count them and note their faults; an error ends the partition."""
        counts = self.counts[partition] = Counts()
        ids, subjects = set[str](), set[str | None]()
        try:
            for example in self.corpus.examples(partition):
                _add(counts, example)
                _note_faults(self.corpus, example, ids)
                if example.video or example.audio:
                    self.has_sound[example.id] = _has_sound(example)
                subjects.add(example.subject)
                found = self.places.setdefault(_leak_key(example), [])
                if partition not in found:
                    found.append(partition)
        except DatasetError as error:
            self.corpus.notes.add(f"{partition}: reading stopped at an error: {error}", self.corpus.root, fault=True)
            self.unread.append(partition)
        counts.subjects = len(subjects - {None})


def _has_sound(example: Example) -> bool:
    """Return whether a recording has an audio stream; True for a missing or damaged file, which is noted elsewhere."""
    from avfer.container import audio_stream, open_container

    if example.audio is None:
        return False
    try:
        with open_container(example.audio) as container:
            return audio_stream(container) is not None
    except MediaError:
        return True


def _note_faults(corpus: Corpus, example: Example, ids: set[str]) -> None:
    """Note the faults of an example; `ids` are those of its partition so far and gain its id."""
    if example.id in ids:
        corpus.notes.add(REPEATED_ID, example.id, fault=True)
    ids.add(example.id)
    missing = [path for path in (example.video, example.audio) if path and not path.exists()]
    for path in missing:
        corpus.notes.add(MISSING_MEDIA, path, fault=True)
    if not missing:
        _compare_lengths(example, corpus.notes)


def _compare_lengths(example: Example, notes: Notes) -> None:
    """Note labels that end before or after their video, by the header of the video: nothing is decoded."""
    stamps = example.times if example.frames is None else example.frames
    if example.video is None or stamps is None or not len(example):
        return
    try:
        length = video_length(example.video)
    except MediaError as error:
        notes.add(UNREADABLE, str(error))
        return
    end = length.seconds if example.frames is None else length.frames
    if end is None:
        return
    step = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 1.0
    slack = TOLERANCE * step if example.frames is None else 0
    notes.add(BEYOND, f"{example.id}, {example.video}", int((stamps >= end + slack).sum()))
    if len(stamps) > 1:  # a single label is that of the whole clip
        notes.add(SHORT, f"{example.id}, {example.video}", int(stamps[-1] + TOLERANCE * step < end))


def _add(counts: Counts, example: Example) -> None:
    """Add an example to the counts of its partition; its subject is counted by the caller."""
    counts.examples += 1
    counts.steps += len(example)
    for kind, labels in example.labels.items():
        valid = labels.valid.reshape(len(labels.valid), -1).all(axis=1)
        counts.valid[kind] = counts.valid.get(kind, 0) + int(valid.sum())
    pictures = sum(picture is not None for picture in example.pictures)
    counts.pictures += pictures
    counts.pictures_missing += len(example.pictures) - pictures
    counts.videos += example.video is not None
    counts.sounds += example.audio is not None and example.audio != example.video
    counts.media_missing += not (pictures or example.video or example.audio)


def _leak_key(example: Example) -> str:
    """Return what identifies an example across partitions: its subject, else its recording."""
    return f"recording {example.id}" if example.subject is None else f"subject {example.subject}"

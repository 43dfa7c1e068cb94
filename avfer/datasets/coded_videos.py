"""Your own videos with human codings of ELAN or BORIS beside them, as corpora to train on and to score.

    corpus/anna/talk.mp4, corpus/anna/talk.eaf      a document of ELAN beside each video, or
    corpus/project.boris, corpus/anna/talk.mp4      a project or exports of BORIS; the videos anywhere below the root

The first folder below the root is the subject, unless all of these folders are called train, dev or test; then they
are the partitions, and the folders in them the subjects. Tiers are read as `avfer agree` reads them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import ClassVar, NamedTuple

import numpy as np

from avfer.catalog import find
from avfer.codings import check_size
from avfer.codings.coding import Coding
from avfer.codings.columns import (
    EXPRESSION,
    check_mapping,
    column_of,
    parse_tier_mapping,
    tiers_by_column,
)
from avfer.codings.sampling import sample_coding
from avfer.datasets.corpus import video_length
from avfer.datasets.example import DIMENSIONS, PARTITIONS, Corpus, Example, Labels, Notes, Partition
from avfer.datasets.listing import SOUNDS, VIDEOS, check_root, is_junk, natural, not_found
from avfer.datasets.splits import PARTITION_WORDS, read_percentages, split_by_percentages
from avfer.datasets.table_rows import EXPRESSIONS, class_name
from avfer.errors import ConfigError, DatasetError, MediaError
from avfer.option_types import Number

ALL_TRAIN = "no folders train, dev and test: all of it is train; set split=70/15/15"
NO_MEDIA = "codings without their video or audio: left out"
NO_MARKS = "codings without a single mark: left out"
UNREADABLE = "files that cannot be read and may be codings: left out"
UNCODED = "videos and sounds without a coding: left out"
SEVERAL_MEDIA = "codings whose clip could be several files: left out; rename the files"
REPEATED = "further codings of one clip: the first is read"
OTHER_TIERS = "tiers without a column: not read; set tiers={NAME: COLUMN} to read one"
NO_LENGTH = "clips without a video of known length: their steps end at the last mark"
DAMAGED = "clips whose video cannot be opened: their steps end at the last mark"


class CodedClip(NamedTuple):
    """One clip, its coding, and whose it is."""

    name: str  # path below the root
    media: Path
    coding: Coding
    folder: str | None  # the first folder below the root
    inner: str | None  # the second one


class CodedVideos(Corpus):
    """Videos with codings beside them; the base of the corpora `elan` and `boris`.

    root: the folder.
    split: "70/15/15", percentages of train, dev and test by subject, by clip without subjects.
    tiers: columns of tiers or behaviours that are not named after one: {smile: AU12, calm: neutral, v: valence}.
    subject: the person in the codings, if they code several.
    offset: seconds to add to the times of the codings.
    rest: expression of the moments without a mark, such as neutral; without it they have no label.
    rate: label steps per second.
    """

    coding: ClassVar[str]  # name of the format in the catalog

    def __init__(
        self,
        root: Path | str,
        split: str | None = None,
        tiers: Mapping[str, str] | None = None,
        subject: str | None = None,
        offset: Number = 0.0,
        rest: str | None = None,
        rate: Number = 25.0,
    ) -> None:
        if not 0 < rate <= 1000:
            raise ConfigError(f"rate: must be > 0 and <= 1000 Hz, got {rate:g}")
        self.root = check_root(root)
        self.notes = Notes()
        self.distribution = f"codings of {self.coding}"
        self._mapping = parse_tier_mapping([f"{tier}={column}" for tier, column in (tiers or {}).items()])
        self._subject, self._offset, self._rest, self._rate = subject, offset, rest, rate
        self._clips = self._find_clips()
        check_mapping([clip.coding for clip in self._clips], self._mapping)
        self._columns, self._classes = self._survey()
        by_folder = bool(self._clips) and all(
            clip.folder and clip.folder.lower() in PARTITION_WORDS for clip in self._clips
        )
        if by_folder and split is not None:
            raise ConfigError(f"the folders in {self.root} are partitions; leave out split '{split}'")
        if not by_folder and split is None:
            self.notes.add(ALL_TRAIN, self.root)
        self._partition_of = self._by_folder() if by_folder else self._by_split(split or "train")
        self.protocol = "partitions as folders" if by_folder else f"split {split}" if split else "all in train"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with clips."""
        found = {partition for partition, _ in self._partition_of.values()}
        return tuple(partition for partition in PARTITIONS if partition in found)

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield the clips of a partition in natural order of their paths. Raises DatasetError as `sample_coding`."""
        for clip in self._clips:
            own, subject = self._partition_of[clip.name]
            if own == partition:
                yield self._example(clip, partition, subject)

    def _find_clips(self) -> list[CodedClip]:
        """Return the clips with codings, in natural order. Raises DatasetError if there are no files of codings."""
        paths = sorted((path for path in self.root.rglob("*") if path.is_file()), key=natural)
        paths = [path for path in paths if not any(is_junk(part) for part in path.relative_to(self.root).parts)]
        media = [path for path in paths if path.suffix.lower() in (*VIDEOS, *SOUNDS)]
        clips: dict[str, CodedClip] = {}
        for coding in self._read_codings(paths):
            if not coding.tiers:
                self.notes.add(NO_MARKS, coding.path)
                continue
            found = _media_of(coding, media)
            if len(found) != 1:
                note = SEVERAL_MEDIA if found else NO_MEDIA
                self.notes.add(note, f"{coding.path}, {coding.clip or coding.path.stem}", fault=True)
                continue
            parts = found[0].relative_to(self.root).parts
            clip = CodedClip("/".join(parts), found[0], coding, *(*parts[:-1], None, None)[:2])
            self.notes.add(REPEATED, coding.path, int(clip.name in clips))
            clips.setdefault(clip.name, clip)
        coded = {clip.media.with_suffix("") for clip in clips.values()}  # a sound beside its video needs no coding
        for path in (path for path in media if path.with_suffix("") not in coded):
            self.notes.add(UNCODED, path)
        return [clips[name] for name in sorted(clips, key=natural)]

    def _read_codings(self, paths: list[Path]) -> list[Coding]:
        """Return the codings in those of the files that have the format; note those that cannot be read as faults.

        Raises DatasetError for a damaged coding, and if there is no coding at all.
        """
        kind, codings = find("coding", self.coding), list[Coding]()
        for path in (path for path in paths if path.suffix.lower() in kind.suffixes):
            try:
                check_size(path)
                fits = kind.fits(path)
            except DatasetError as error:  # it need not be a coding: any table has the ending .csv
                self.notes.add(UNREADABLE, str(error), fault=True)
                continue
            codings += kind.read(path) if fits else []
        if not codings and UNREADABLE in self.notes.counts:
            raise DatasetError(self.notes.places[UNREADABLE][0])
        if not codings:
            raise not_found(f"coding of {self.coding}", self.root, [f"*{suffix}" for suffix in kind.suffixes])
        return codings

    def _survey(self) -> tuple[list[str], tuple[str, ...]]:
        """Return the coded columns and the classes of all clips. Raises as `tiers_by_column`."""
        columns, classes = set[str](), {class_name(self._rest)} if self._rest else set[str]()
        for clip in self._clips:
            found = tiers_by_column(clip.coding, self._mapping, self._subject)
            columns |= found.keys()
            classes |= {own or class_name(value) for tier, own in found.get(EXPRESSION, []) for value in tier.values}
            for tier in clip.coding.tiers:
                unread = tier.name not in self._mapping and column_of(tier.name) is None
                self.notes.add(OTHER_TIERS, f"{clip.coding.path}, '{tier.name}'", int(unread))
        classes.discard("")
        own_names = sorted(classes - set(EXPRESSIONS))
        return sorted(columns), (*(name for name in EXPRESSIONS if name in classes), *own_names)

    def _by_folder(self) -> dict[str, tuple[Partition, str | None]]:
        """Return partition and subject of each clip, by the first and the second folder below the root."""
        return {clip.name: (PARTITION_WORDS[(clip.folder or "").lower()], clip.inner) for clip in self._clips}

    def _by_split(self, split: str) -> dict[str, tuple[Partition, str | None]]:
        """Return partition and subject of each clip, by percentages of the subjects, or of clips without one."""
        percentages = read_percentages(split)
        names = {clip.folder or clip.name for clip in self._clips}
        partitions = split_by_percentages(names, percentages)
        return {clip.name: (partitions[clip.folder or clip.name], clip.folder) for clip in self._clips}

    def _example(self, clip: CodedClip, partition: Partition, subject: str | None) -> Example:
        """Return the labels of a clip, one step each 1 / rate seconds."""
        is_video = clip.media.suffix.lower() in VIDEOS
        seconds = self._length(clip.media) if is_video else None
        if seconds is None:
            self.notes.add(NO_LENGTH, clip.media)
            seconds = max(float(tier.stops.max()) for tier in clip.coding.tiers) + self._offset
        times = np.arange(max(round(seconds * self._rate), 1)) / self._rate
        coded = sample_coding(clip.coding, times, self._mapping, self._subject, self._offset, self._rest)
        video = clip.media if is_video else None
        return Example(clip.name, partition, self._labels(coded, len(times)), subject, video, clip.media, times=times)

    def _length(self, video: Path) -> float | None:
        """Return the length of a video in s; None if its header does not state it, or the file is damaged."""
        try:
            return video_length(video).seconds
        except MediaError as error:
            self.notes.add(DAMAGED, str(error), fault=True)
            return None

    def _labels(self, coded: dict[str, np.ndarray], steps: int) -> dict[str, Labels]:
        """Return the labels of a clip for all columns of the corpus, not valid where the clip is not coded."""
        nothing = np.full(steps, np.nan)
        labels: dict[str, Labels] = {}
        for column in (column for column in DIMENSIONS if column in self._columns):
            values = coded.get(column, nothing)
            labels[column] = Labels(values, ~np.isnan(values))
        if EXPRESSION in self._columns:
            names = coded.get(EXPRESSION, np.full(steps, None, object))
            index = np.array([-1 if name is None else self._classes.index(name) for name in names], np.int64)
            labels[EXPRESSION] = Labels(index, index >= 0, self._classes)
        if units := [column for column in self._columns if column not in (*DIMENSIONS, EXPRESSION)]:
            values = np.stack([coded.get(unit, nothing) for unit in units], axis=1)
            labels["action_units"] = Labels(values, ~np.isnan(values), tuple(unit.upper() for unit in units))
        return labels


class ElanVideos(CodedVideos):
    """Your videos with documents of ELAN (.eaf) beside them; tiers are named after columns, or mapped.

    The arguments are those of `CodedVideos`.
    """

    name = "elan"
    coding = "elan"


class BorisVideos(CodedVideos):
    """Your videos with a project or exports of BORIS; behaviours are named after columns, or mapped.

    The arguments are those of `CodedVideos`.
    """

    name = "boris"
    coding = "boris"


def _media_of(coding: Coding, media: list[Path]) -> list[Path]:
    """Return the files that may be the clip of a coding: by its full name, else by its stem, beside it first.

    Of a video and a sound of one stem, it is the video: ELAN draws the waveform of a .wav beside it.
    """
    named = [path for path in media if path.name == coding.clip]
    stems = {PurePath(coding.clip).stem, coding.path.stem}
    candidates = named or [path for path in media if path.stem in stems]
    beside = [path for path in candidates if path.parent == coding.path.parent] or candidates
    return [path for path in beside if path.suffix.lower() in VIDEOS] or beside

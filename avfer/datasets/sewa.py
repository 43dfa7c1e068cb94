"""SEWA as in AVEC 2017 to 2019: video chats of several cultures, valence, arousal and liking ten times a second."""

import re
from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.delimited import Row, rows, same_width
from avfer.datasets.example import PARTITIONS, Example, Notes, Partition
from avfer.datasets.listing import SOUNDS, VIDEOS, check_root, files, folders, natural, not_found, plain
from avfer.datasets.series import Series, bounded, make_series
from avfer.datasets.text import number
from avfer.errors import ConfigError, DatasetError, unknown

COLUMNS = ("name", "time", "arousal", "valence", "liking")
NAME = re.compile(r"(train|devel|dev|test)_(?:([a-z]{2})_)?0*([0-9]+)", re.IGNORECASE)
WORDS: dict[str, Partition] = {"train": "train", "devel": "dev", "dev": "dev", "test": "test"}
OTHER = "rows that name another recording than their file"
UNLABELLED = "recordings of train and devel without labels: is the copy complete?"


class Sewa:
    """SEWA on disk: `labels/Train_DE_01.csv` and alike, with folders of sound and video beside.

    culture: "DE", "HU" or "CN" to read one alone; without it all of them.
    """

    name = "sewa"

    def __init__(self, root: Path | str, culture: str | None = None) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        self._labels = _named(_folders_with(self.root, "label"), (".csv", ".txt"), self.notes)
        if not self._labels:
            self._labels = _named([self.root], (".csv",), self.notes)
        if not self._labels:
            raise not_found("SEWA", self.root, ("labels/Train_DE_01.csv", "labels/Devel_DE_01.csv"))
        self._videos = _named(_folders_with(self.root, "video"), VIDEOS, Notes())
        self._sounds = _named(_folders_with(self.root, "audio"), SOUNDS, Notes())
        self._names = self._of_culture(culture)
        told = sorted({_culture(name) for name in self._names} - {""})
        self.distribution = f"AVEC 2017 to 2019, {' '.join(told) or 'German'}"
        self.protocol = f"gold standard and partitions as distributed{f'; {culture} alone' if culture else ''}"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those with a recording, with labels or without."""
        there = {_partition(name) for name in self._names}
        return tuple(partition for partition in PARTITIONS if partition in there)

    def examples(self, partition: Partition) -> Iterator[Example]:
        """The recordings of a partition, one person each; those of test may have no labels."""
        for name in (name for name in self._names if _partition(name) == partition):
            video, audio = self._videos.get(name), self._sounds.get(name)
            if name not in self._labels:
                if partition != "test":
                    self.notes.add(UNLABELLED, name, fault=True)
                yield Example(name, partition, {}, name, video, audio)
                continue
            path = self._labels[name]
            series = _read(path, self.notes)
            labels = {
                kind: bounded(series.values[:, column], path, self.notes) for column, kind in enumerate(series.names)
            }
            yield Example(name, partition, labels, name, video, audio, times=series.times)

    def _of_culture(self, culture: str | None) -> list[str]:
        names = sorted({*self._labels, *self._videos, *self._sounds}, key=natural)
        known = {_culture(name) for name in names}
        if culture is None:
            return names
        if culture.upper() not in known:
            raise ConfigError(f"SEWA in '{self.root}': {unknown('culture', culture, known)}")
        return [name for name in names if _culture(name) == culture.upper()]


def _read(path: Path, notes: Notes) -> Series:
    """(T, 2 or 3) of a file without a header: name; time; arousal; valence, and liking where it is told."""
    table = list(rows(path, ";", quote="'"))
    if table and _names_columns(table[0]):
        _check_header(table.pop(0), path)
    if not table:
        raise DatasetError(f"{path} holds no values; copy it again")
    first = table[0].cells
    width = max(len(first) - (len(first) > len(COLUMNS) and not first[-1]), len(COLUMNS) - 1)
    if width > len(COLUMNS):
        raise DatasetError(
            f"{path}, line {table[0].line}: {width} cells where {len(COLUMNS)} are expected; copy it again"
        )
    times: list[float] = []
    values: list[list[float]] = []
    for row in table:
        name, *cells = same_width(row, width, path)
        time, *affect = (number(cell, f"{path}, line {row.line}") for cell in cells)
        if (told := _identify(name)) and told != _identify(path.stem):
            notes.add(OTHER, f"{path}, line {row.line}: {name}", fault=True)
        times.append(time)
        values.append(affect)
    return make_series(times, values, COLUMNS[2:width], path, notes)


def _names_columns(row: Row) -> bool:
    """Whether a first row is a header, which the corpus itself has not."""
    return bool({plain(cell) for cell in row.cells} & set(COLUMNS[1:]))


def _check_header(row: Row, path: Path) -> None:
    told = tuple(plain(cell.strip('"')) for cell in row.cells if cell)
    if told[1:] != COLUMNS[1 : len(told)]:
        raise DatasetError(f"{path}, line {row.line}: columns {told}, not {COLUMNS}; give the files of AVEC")


def _named(places: list[Path], suffixes: tuple[str, ...], notes: Notes) -> dict[str, Path]:
    """The files of some folders by the recording that they name."""
    found: dict[str, Path] = {}
    for path in (path for folder in places for path in files(folder, *suffixes)):
        name = _identify(path.stem)
        if name is None:
            notes.add("files without the name of a recording: ignored", path)
        elif name in found:
            notes.add("further files of one recording: the first is read", path)
        else:
            found[name] = path
    return found


def _folders_with(root: Path, word: str) -> list[Path]:
    """Folders at most two levels down that a word stands in, features of it aside."""
    near = folders(root)
    inside = [*near, *(folder for place in near for folder in folders(place))]
    return [folder for folder in inside if word in plain(folder.name) and "feature" not in plain(folder.name)]


def _identify(name: str) -> str | None:
    """`Train_DE_01` of a name in any case and with any number of zeros; None where it names no recording."""
    match = NAME.fullmatch(name.strip().strip("'\""))
    if match is None:
        return None
    part = {"train": "Train", "dev": "Devel", "test": "Test"}[WORDS[match[1].lower()]]
    return "_".join([part, *([match[2].upper()] if match[2] else []), f"{int(match[3]):02d}"])


def _partition(name: str) -> Partition:
    return WORDS[name.split("_")[0].lower()]


def _culture(name: str) -> str:
    middle = name.split("_")[1:-1]
    return middle[0] if middle else ""

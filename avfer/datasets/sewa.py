"""SEWA as in AVEC 2017 to 2019: video chats in several cultures; valence, arousal and liking ten times a second."""

import re
from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.example import PARTITIONS, Corpus, Example, Notes, Partition
from avfer.datasets.listing import (
    MISSING_PARTITION,
    NO_RECORDING,
    REPEATED_RECORDING,
    SOUNDS,
    VIDEOS,
    check_root,
    identified,
    list_files,
    list_folders,
    natural,
    not_found,
    plain,
)
from avfer.datasets.ratings import TIME_COLUMNS, Ratings, bounded, make_ratings
from avfer.datasets.splits import PARTITION_WORDS
from avfer.datasets.text_files import TableRow, parse_number, read_rows, same_width, without_empty_end, wrong_width
from avfer.errors import ConfigError, DatasetError, unknown

COLUMNS = ("name", "time", "arousal", "valence", "liking")
NAME = re.compile(r"(train|devel|dev|test)_(?:([a-z]{2})_)?0*([0-9]+)", re.IGNORECASE)
OTHER_RECORDING = "rows that name another recording than their file"
UNLABELLED = "recordings of train and devel without labels: is the copy complete?"


class Sewa(Corpus):
    """SEWA on disk: `labels/Train_DE_01.csv` and alike, beside folders of audio and video.

    The recordings of AVEC 2017 are German; later editions add Hungarian and Chinese ones.
    A label file has a row every 0.1 s: `Train_DE_01;0.0;0.12;-0.30;NaN` (name; time; arousal; valence; liking); those
    of AVEC 2019 begin with a header.
    Labels: "valence", "arousal", "liking" (T,), NaN in a file is not valid. One recording is one person.
    culture: read "DE", "HU" or "CN" alone; default: all of them.
    root: folder of the corpus.
    """

    name = "sewa"

    def __init__(self, root: Path | str, culture: str | None = None) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        self._labels = _by_recording(_folders_with(self.root, "label"), (".csv", ".txt"), self.notes)
        if not self._labels:
            self._labels = _by_recording([self.root], (".csv",), self.notes)
        if not self._labels:
            raise not_found("SEWA", self.root, ("labels/Train_DE_01.csv", "labels/Devel_DE_01.csv"))
        self._videos = _by_recording(_folders_with(self.root, "video"), VIDEOS, Notes())
        self._sounds = _by_recording(_folders_with(self.root, "audio"), SOUNDS, Notes())
        self._names = self._names_of(culture)
        for partition in ("train", "dev") if culture is None else ():
            if partition not in self.partitions:
                self.notes.add(MISSING_PARTITION, f"{self.root}, {partition}")
        cultures = sorted({_culture(name) for name in self._names} - {""})
        self.distribution = f"AVEC 2017 to 2019, {' '.join(cultures) or 'German'}"
        self.protocol = f"gold standard and partitions as distributed{f'; {culture} alone' if culture else ''}"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with a recording, with or without labels."""
        found = {_partition(name) for name in self._names}
        return tuple(partition for partition in PARTITIONS if partition in found)

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield the recordings of a partition, one person each; those of test may have no labels."""
        for name in (name for name in self._names if _partition(name) == partition):
            video, audio = self._videos.get(name), self._sounds.get(name)
            if name not in self._labels:
                if partition != "test":
                    self.notes.add(UNLABELLED, name, fault=True)
                yield Example(name, partition, {}, name, video, audio)
                continue
            path = self._labels[name]
            ratings = _read_labels(path, self.notes)
            labels = {
                kind: bounded(ratings.values[:, column], path, self.notes) for column, kind in enumerate(ratings.names)
            }
            yield Example(name, partition, labels, name, video, audio, times=ratings.times)

    def _names_of(self, culture: str | None) -> list[str]:
        """Return the ids of all recordings of a culture. Raises ConfigError if there are none."""
        names = sorted({*self._labels, *self._videos, *self._sounds}, key=natural)
        known = {_culture(name) for name in names}
        if culture is None:
            return names
        if culture.upper() not in known:
            raise ConfigError(f"SEWA in '{self.root}': {unknown('culture', culture, known)}")
        return [name for name in names if _culture(name) == culture.upper()]


def _read_labels(path: Path, notes: Notes) -> Ratings:
    """Read the labels of a recording, C = 2 (arousal, valence) or 3 (liking, in most files).

    With a header, as in AVEC 2019, columns go by their names. Raises DatasetError, which names the line, for a damaged
    file.
    """
    table = list(read_rows(path, ";", quote="'"))
    names = _header_names(table.pop(0), path) if table and _is_header(table[0]) else None
    if not table:
        raise DatasetError(f"{path} has no values; copy it again")
    names = names or COLUMNS[: _width(table[0], path)]
    order = [names.index(name) for name in COLUMNS[1:] if name in names]  # time, then the labels
    times: list[float] = []
    values: list[list[float]] = []
    for row in table:
        cells = same_width(row, len(names), path)
        time, *affect = (parse_number(cells[column], f"{path}, line {row.line}") for column in order)
        if (named := _identify(cells[0])) and named != _identify(path.stem):
            notes.add(OTHER_RECORDING, f"{path}, line {row.line}: {cells[0]}", fault=True)
        times.append(time)
        values.append(affect)
    return make_ratings(times, values, tuple(names[column] for column in order[1:]), path, notes)


def _width(first: TableRow, path: Path) -> int:
    """Return the number of columns, 4 or 5, of a file without a header. Raises DatasetError for another first row."""
    cells = first.cells
    width = max(len(cells) - (len(cells) > len(COLUMNS) and not cells[-1]), len(COLUMNS) - 1)
    if width > len(COLUMNS):
        raise DatasetError(f"{path}, line {first.line}: {wrong_width(width, len(COLUMNS))}")
    return width


def _is_header(row: TableRow) -> bool:
    """Return whether a first row is a header, as in AVEC 2019; the files of 2017 and 2018 have none."""
    return bool({plain(cell.strip('"')) for cell in row.cells} & {*COLUMNS[2:], *TIME_COLUMNS})


def _header_names(row: TableRow, path: Path) -> tuple[str, ...]:
    """Return the columns by the names of `COLUMNS`: `timestamp` is "time".

    Raises DatasetError without time, arousal or valence.
    """
    found = without_empty_end([plain(cell.strip('"')) for cell in row.cells])
    names = tuple("time" if name in TIME_COLUMNS else name for name in found)
    if missing := [name for name in COLUMNS[1:4] if name not in names]:
        problem = f"no column {', '.join(missing)}, found: {', '.join(found)}"
        raise DatasetError(f"{path}, line {row.line}: {problem}; give the files of AVEC")
    return names


def _by_recording(places: list[Path], suffixes: tuple[str, ...], notes: Notes) -> dict[str, Path]:
    """Return the files in some folders by recording; note other files and repeated recordings."""
    paths = (path for folder in places for path in list_files(folder, *suffixes))
    return identified(paths, lambda path: _identify(path.stem), notes, other=NO_RECORDING, repeated=REPEATED_RECORDING)


def _folders_with(root: Path, word: str) -> list[Path]:
    """Return the folders up to two levels down with a word in their name, except folders of features."""
    near = list_folders(root)
    inside = [*near, *(folder for place in near for folder in list_folders(place))]
    return [folder for folder in inside if word in plain(folder.name) and "feature" not in plain(folder.name)]


def _identify(name: str) -> str | None:
    """Return the id `Train_DE_01` for a name in any case and with any number of zeros; None for other names."""
    match = NAME.fullmatch(name.strip().strip("'\""))
    if match is None:
        return None
    part = {"train": "Train", "dev": "Devel", "test": "Test"}[PARTITION_WORDS[match[1].lower()]]
    return "_".join([part, *([match[2].upper()] if match[2] else []), f"{int(match[3]):02d}"])


def _partition(name: str) -> Partition:
    """Return the partition of an id, "dev" of `Devel_DE_01`."""
    return PARTITION_WORDS[name.split("_")[0].lower()]


def _culture(name: str) -> str:
    """Return the culture of an id, "DE" of `Train_DE_01`; empty if it has none."""
    middle = name.split("_")[1:-1]
    return middle[0] if middle else ""

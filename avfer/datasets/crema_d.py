"""CREMA-D (Cao et al., 2014): 91 actors say twelve sentences with six expressions, rated by a crowd."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avfer.datasets.example import PARTITIONS, Corpus, Example, Labels, Notes, Partition
from avfer.datasets.listing import SOUNDS, VIDEOS, check_root, list_files, natural, not_found, walk
from avfer.datasets.single_label import middle_time, one_class
from avfer.datasets.splits import AVFER_SPLIT, Split, choose_split
from avfer.datasets.text_files import parse_integer, read_rows, same_width
from avfer.errors import ConfigError, DatasetError, unknown

NAME = re.compile(
    r"(10[0-9]{2})_(IEO|TIE|IOM|IWW|TAI|MTI|IWL|ITH|DFA|ITS|TSI|WSI)_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|X|XX)"
)
CODES = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness"}
CLASSES = ("neutral", "anger", "disgust", "fear", "happiness", "sadness")
LETTERS = ("N", "A", "D", "F", "H", "S")  # columns of the votes, in the order of the classes
ACTORS = range(1001, 1092)
SPLIT: Split = {
    "train": list(range(1001, 1064)),
    "dev": list(range(1064, 1078)),
    "test": list(range(1078, 1092)),
}
RATINGS = {"voice": 1, "face": 2, "both": 3}  # what raters were shown or played -> first digit of the row number
RATERS = {"voice": "listened to the voice", "face": "watched the face", "both": "had both"}  # for the protocol
ROW_NUMBER = 100_000  # a row number is this times the number in RATINGS, plus the number of the clip
AUDIO = (".wav", *(suffix for suffix in SOUNDS if suffix != ".wav"))  # the best first
NOT_NAMED = "media that are not named as in CREMA-D: ignored"
REPEATED_CLIP = "further files of one clip: one is read, .wav before .mp3"
POINTER = "files that Git LFS left as pointers to their content: ignored"
NO_VOTES = "clips without a row of votes"
TIE = "clips whose votes have no single winner: not valid"
REPEATED_VOTES = "rows of votes that repeat a clip: the first is kept"


class CremaD(Corpus):
    """CREMA-D on disk: `AudioWAV`, `AudioMP3`, `VideoFlash`; one example a clip, with a label for its whole length.

    AudioWAV/1001_DFA_ANG_XX.wav            actor, sentence, expression, intensity (LO, MD, HI, XX for unspecified)
    VideoFlash/1001_DFA_ANG_XX.flv          video with audio
    processedResults/tabulatedVotes.csv     votes of the raters, a row for each clip and kind of presentation

    Labels of each clip: "expression" (1,) of 6 classes, and "votes" (1, 6), which are counts. The subject is the actor.
    labels: "acted", the expression that the actor was given, or "voted", the one that most raters chose (not valid
    if two tie). Votes are a label of their own if processedResults/tabulatedVotes.csv is on disk.
    ratings: "voice", "face" or "both"; the votes of raters who were presented with these are read.
    split: "avfer" (train 1001-1063, dev 1064-1077, test 1078-1091), "all" in train, or a file of lines
    `train: 1001 1002`.

    root: folder of the corpus.
    """

    name = "crema_d"

    def __init__(
        self, root: Path | str, split: str | Path = AVFER_SPLIT, labels: str = "acted", ratings: str = "both"
    ) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        if labels not in ("acted", "voted"):
            raise ConfigError(f"crema_d: {unknown('labels', labels, ('acted', 'voted'))}")
        if ratings not in RATINGS:
            raise ConfigError(f"crema_d: {unknown('ratings', ratings, RATINGS)}")
        chosen = choose_split("crema_d", split, SPLIT)
        self._voted, self._ratings = labels == "voted", RATINGS[ratings]
        self._videos, self._sounds = _find(self.root, VIDEOS, Notes()), _find(self.root, AUDIO, self.notes)
        clips = sorted({*self._videos, *self._sounds}, key=natural)
        if not clips:
            raise not_found("CREMA-D", self.root, ("AudioWAV/1001_DFA_ANG_XX.wav", "VideoFlash/1001_DFA_ANG_XX.flv"))
        self._table = next((p for f in walk(self.root, 3) for p in list_files(f, "tabulatedvotes.csv")), None)
        if self._voted and self._table is None:
            raise DatasetError(f"no processedResults/tabulatedVotes.csv in '{self.root}'; copy it, or use labels=acted")
        self._members = chosen.divide({name: int(name[:4]) for name in clips}, self.notes)
        self.distribution = " and ".join([*["videos"] * bool(self._videos), *["sounds"] * bool(self._sounds)])
        source = f"voted by those who {RATERS[ratings]}" if self._voted else "given to the actor"
        self.protocol = f"split {chosen.description}; one label a clip, the expression {source}"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with a clip."""
        return tuple(partition for partition in PARTITIONS if self._members[partition])

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield the clips of a partition in natural order.

        The audio is that of the audio file, else that of the video. Raises DatasetError, which names the line, for
        damaged votes.
        """
        votes = read_votes(self._table, self._ratings, self.notes) if self._table else {}
        for name in self._members[partition]:
            video, sound = self._videos.get(name), self._sounds.get(name)
            labels = self._labels(name, votes)
            times = middle_time(video or self._sounds[name], self.notes)
            yield Example(name, partition, labels, name[:4], video, sound or video, times=times, whole_clip=True)

    def _labels(self, name: str, votes: dict[str, np.ndarray]) -> dict[str, Labels]:
        """Return "expression" (1,) and, if there is a table, "votes" (1, 6) of a clip.   votes: clip -> (6,)"""
        acted = one_class(CODES[name.split("_")[2]], CLASSES)
        if self._table is None:
            return {"expression": acted}
        if name not in votes:
            self.notes.add(NO_VOTES, name)
        counts = votes.get(name, np.full(len(CLASSES), np.nan))
        winners = np.flatnonzero(counts == counts.max()) if counts.sum() > 0 else np.zeros(0, np.int64)
        if self._voted and len(winners) != 1 and name in votes:
            self.notes.add(TIE, name)
        winner = CLASSES[winners[0]] if len(winners) == 1 else None
        valid = np.full((1, len(CLASSES)), name in votes)
        expression = one_class(winner, CLASSES) if self._voted else acted
        return {"expression": expression, "votes": Labels(counts[None], valid, CLASSES)}


def read_votes(path: Path, ratings: int, notes: Notes) -> dict[str, np.ndarray]:
    """Return the number of votes for each class by clip, (6,) float64 each, from tabulatedVotes.csv.

    ratings: a number of `RATINGS`; rows of other raters are left out.
    Raises DatasetError, which names the line, for a damaged file.
    """
    table = read_rows(path)
    header = next(table, None)
    names = header.cells if header else []
    missing = [name for name in (*LETTERS, "fileName") if name not in names]
    if missing or names[0] not in {"", "X"}:
        problem = f"no column {', '.join(missing)}"
        if not missing:
            problem = f"the first column must have no name, got '{names[0]}'"
        raise DatasetError(f"{path}, line 1: {problem}; copy processedResults/tabulatedVotes.csv again")
    columns, clip = [names.index(letter) for letter in LETTERS], names.index("fileName")
    votes: dict[str, np.ndarray] = {}
    for row in table:
        cells, where = same_width(row, len(names), path), f"{path}, line {row.line}"
        if parse_integer(cells[0], where) // ROW_NUMBER != ratings:
            continue
        name = cells[clip].removesuffix(".flv")
        if name in votes:
            notes.add(REPEATED_VOTES, where)
            continue
        counts = [parse_integer(cells[column], where) for column in columns]
        if min(counts) < 0:
            raise DatasetError(f"{where}: votes must be >= 0, got {min(counts)}; copy the file again")
        votes[name] = np.array(counts, np.float64)
    return votes


def _find(root: Path, suffixes: tuple[str, ...], notes: Notes) -> dict[str, Path]:
    """Return the files with one of the suffixes by clip; note other files, pointers and repeated clips."""
    found: dict[str, Path] = {}
    for path in (path for folder in walk(root, 2) for path in list_files(folder, *suffixes)):
        match = NAME.fullmatch(path.stem)
        if match is None or int(match[1]) not in ACTORS:
            notes.add(NOT_NAMED, path)
        elif _is_pointer(path):
            notes.add(POINTER, path, fault=True)
        elif path.stem not in found:
            found[path.stem] = path
        else:
            notes.add(REPEATED_CLIP, path)
            found[path.stem] = min(found[path.stem], path, key=lambda one: suffixes.index(one.suffix.lower()))
    return found


def _is_pointer(path: Path) -> bool:
    """Return whether the file is a pointer of Git LFS, a small text in place of the content."""
    if path.stat().st_size > 1024:
        return False
    return path.read_bytes().startswith(b"version https://git-lfs")

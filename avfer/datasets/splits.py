"""Splits for corpora that come without partitions: by lists of subjects or speakers, or by percentages.

A split never divides a person: all examples of a subject go to one partition.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from avfer.datasets.example import PARTITIONS, Notes, Partition
from avfer.datasets.text_files import lines
from avfer.errors import ConfigError, DatasetError, unknown

Split = dict[Partition, list[int]]  # numbers of subjects, in the order given
RECOLA_SPLITS: dict[str, Split] = {  # of the original release, as public code uses them
    "8/8/7": {
        "train": [45, 46, 48, 56, 58, 62, 64, 65],
        "dev": [28, 30, 34, 37, 39, 41, 42, 43],
        "test": [16, 17, 19, 21, 23, 25, 26],
    },
    "46-subject": {
        "train": [15, 16, 17, 18, 21, 23, 25, 37, 39, 41, 46, 50, 51, 55, 56, 60],
        "dev": [14, 19, 24, 26, 28, 30, 34, 40, 42, 43, 44, 45, 52, 64, 65],
        "test": [13, 20, 22, 32, 38, 47, 48, 49, 53, 54, 57, 58, 59, 62, 63],
    },
}
RECOLA_DEFAULT = "8/8/7"  # all of its subjects are in the public release
AVFER_SPLIT = "avfer"  # name of the speaker split that avfer's own results use
PARTITION_WORDS: dict[str, Partition] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "val", "valid", "validation"), "dev"),
    "test": "test",
}
SUBJECTS = re.compile(  # P16, Actor_01, or 15-18
    r"\b(?:P|Actor_)?([0-9]+)(?:\s*-\s*(?:P|Actor_)?([0-9]+))?\b", re.IGNORECASE
)
SUBJECT_WORDS = frozenset({"p", "actor", "actors", "speaker", "speakers", "subject", "subjects"})
MAX_DIGITS = 6  # of the number of a subject
PERCENTAGES = re.compile(r"([0-9]+)/([0-9]+)(?:/([0-9]+))?")
SYNTAX = "write lines 'train: P16 P17' or 'P16,train', and remarks after #"


def load_split(split: str | Path) -> Split:
    """Return a split of RECOLA by name, or the split in a file of lines `train: P16 P17` or `P16,train`.

    Also accepted: ranges `15-18` (both ends included), one subject a line below a line `train:`, the names `Actor_01`
    of RAVDESS, and remarks after `#`.
    A subject in two partitions stays in both, so that a check reports the leak.
    Raises DatasetError for an unknown name or a file that has another syntax.
    """
    if str(split) in RECOLA_SPLITS:
        return RECOLA_SPLITS[str(split)]
    path = Path(split)
    if not path.is_file():
        raise DatasetError(f"{unknown('split', str(split), RECOLA_SPLITS)}; or name a file, and {SYNTAX}")
    found: Split = {}
    for partition, subject in _read_pairs(path):
        if subject not in found.setdefault(partition, []):
            found[partition].append(subject)
    if not found:
        raise DatasetError(f"{path} lists no subject; {SYNTAX}")
    return found


@dataclass(frozen=True)
class SpeakerSplit:
    """A split of an acted corpus by speaker. Speakers without a partition are left out."""

    description: str  # for the protocol: "avfer (by speaker; no official one exists)"
    partition_of: dict[int, Partition]  # number of a speaker -> partition

    def divide(self, speakers: Mapping[str, int], notes: Notes) -> dict[Partition, list[str]]:
        """Return the clips of each partition in the order given; count clips of other speakers.

        speakers: id of a clip -> number of its speaker.
        """
        found: dict[Partition, list[str]] = {partition: [] for partition in PARTITIONS}
        for clip, speaker in speakers.items():
            if speaker in self.partition_of:
                found[self.partition_of[speaker]].append(clip)
            else:
                notes.add(f"clips of speakers outside the split {self.description}: left out", clip)
        return found


def choose_split(corpus: str, split: str | Path, own: Split) -> SpeakerSplit:
    """Return the speaker split "avfer" (`own`), "all" (every speaker in train), or one of a file (see `load_split`).

    Raises ConfigError for an unknown name that is not a file, or for a speaker in two partitions.
    """
    if split == AVFER_SPLIT:
        partition_of: dict[int, Partition] = {number: part for part, numbers in own.items() for number in numbers}
        return SpeakerSplit("avfer (by speaker; no official one exists)", partition_of)
    if split == "all":
        return SpeakerSplit("all in train", dict.fromkeys(range(10000), "train"))
    if not Path(split).is_file():
        message = unknown("split", str(split), (AVFER_SPLIT, "all"))
        raise ConfigError(f"{corpus}: {message}; or name a file of lines 'train: 1 2 3'")
    listed: dict[int, Partition] = {}
    for partition, numbers in load_split(split).items():
        for number in numbers:
            if listed.setdefault(number, partition) != partition:
                raise ConfigError(
                    f"{split}: speaker {number} is in {listed[number]} and in {partition}; keep it in one of them"
                )
    return SpeakerSplit(f"of the file {split}", listed)


def read_percentages(text: str) -> tuple[int, int, int]:
    """Return the percentages of train, dev and test: "70/15/15", "80/20", or "test" for 0/0/100.

    Raises ConfigError if the text has another form, or the numbers do not sum to 100.

    >>> read_percentages("80/20")
    (80, 20, 0)
    """
    if text in PARTITIONS:
        return 100 * (text == "train"), 100 * (text == "dev"), 100 * (text == "test")
    match = PERCENTAGES.fullmatch(text.replace(" ", ""))
    percentages = (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)
    if sum(percentages) != 100:
        raise ConfigError(f"split: percentages of train, dev and test must sum to 100 as in 70/15/15, got '{text}'")
    return percentages


def split_by_percentages(names: Iterable[str], percentages: tuple[int, int, int]) -> dict[str, Partition]:
    """Return the partition of each name: in order of their SHA-256, the first ones are train, then dev, then test.

    The result depends on the set of names alone, not on their order or a random seed.
    """
    ordered = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).digest())
    ends = [round(len(ordered) * sum(percentages[: part + 1]) / 100) for part in range(len(PARTITIONS))]
    parts = zip(PARTITIONS, [0, *ends], ends, strict=False)
    return {name: partition for partition, start, stop in parts for name in ordered[start:stop]}


def _read_pairs(path: Path) -> Iterator[tuple[Partition, int]]:
    """Yield (partition, subject) of a split file; a partition applies until another one is named."""
    current: Partition | None = None
    for line, whole in enumerate(lines(path), start=1):
        text = whole.partition("#")[0]
        words = re.findall(r"[a-z]+", text.lower())
        named: set[Partition] = {PARTITION_WORDS[word] for word in words if word in PARTITION_WORDS}
        if len(named) > 1:
            raise DatasetError(f"{path}, line {line}: two partitions in '{text.strip()}'; {SYNTAX}")
        if not named and set(words) - SUBJECT_WORDS and SUBJECTS.search(text):
            raise DatasetError(f"{path}, line {line}: no partition train, dev or test in '{text.strip()}'; {SYNTAX}")
        current = named.pop() if named else current
        for first, last in SUBJECTS.findall(text):
            if current is None:
                raise DatasetError(f"{path}, line {line}: subject {first} without a partition; {SYNTAX}")
            if len(last or first) > MAX_DIGITS:
                raise DatasetError(f"{path}, line {line}: no subject has the number {last or first}; {SYNTAX}")
            for subject in range(int(first), int(last or first) + 1):
                yield current, subject

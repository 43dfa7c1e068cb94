"""Which subjects of RECOLA's original release go to which partition: it comes without a split of its own."""

import re
from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.example import Partition
from avfer.datasets.text import lines
from avfer.errors import DatasetError, unknown

Split = dict[Partition, list[int]]  # numbers of subjects, in the order given
SPLITS: dict[str, Split] = {  # as seen in public code
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
DEFAULT = "8/8/7"  # all of its subjects are in the public release
WORDS: dict[str, Partition] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "val", "valid", "validation"), "dev"),
    "test": "test",
}
SUBJECTS = re.compile(r"\bP?([0-9]+)(?:\s*-\s*P?([0-9]+))?\b", re.IGNORECASE)  # P16, or 15-18
FORMS = "write lines 'train: P16 P17' or 'P16,train'"


def load_split(split: str | Path) -> Split:
    """A split by name, or from a file of lines `train: P16 P17` or `P16,train`.

    A subject in two partitions is kept in both, for the check to find. DatasetError where the file cannot be read so.
    """
    if str(split) in SPLITS:
        return SPLITS[str(split)]
    path = Path(split)
    if not path.is_file():
        raise DatasetError(f"{unknown('split', str(split), SPLITS)}; or name a file, and {FORMS}")
    found: Split = {}
    for partition, subject in _pairs(path):
        if subject not in found.setdefault(partition, []):
            found[partition].append(subject)
    if not found:
        raise DatasetError(f"{path} names no subject; {FORMS}")
    return found


def _pairs(path: Path) -> Iterator[tuple[Partition, int]]:
    current: Partition | None = None
    for number, line in enumerate(lines(path), start=1):
        words: set[Partition] = {WORDS[word] for word in re.findall(r"[a-z]+", line.lower()) if word in WORDS}
        if len(words) > 1:
            raise DatasetError(f"{path}, line {number}: two partitions in one line; {FORMS}")
        current = words.pop() if words else current
        for first, last in SUBJECTS.findall(line):
            if current is None:
                raise DatasetError(f"{path}, line {number}: subjects without a partition; {FORMS}")
            for subject in range(int(first), int(last or first) + 1):
                yield current, subject

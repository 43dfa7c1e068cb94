"""EMO-DB (Burkhardt et al., 2005): ten German actors say ten sentences with seven expressions."""

import re
from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.example import PARTITIONS, Corpus, Example, Notes, Partition
from avfer.datasets.listing import SOUNDS, check_root, identified, list_files, natural, not_found, walk
from avfer.datasets.single_label import REPEATED_CLIP, middle_time, one_class
from avfer.datasets.splits import AVFER_SPLIT, Split, choose_split

NAME = re.compile(r"(03|08|09|1[0-6])([ab][0-9]{2})([WLEAFTN])([a-z])")  # speaker, sentence, expression, version
CODES = {  # the first letters of the German words
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
CLASSES = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "boredom")
SPLIT: Split = {"train": [3, 8, 9, 10, 11, 13], "dev": [12, 14], "test": [15, 16]}  # half of each are women
NOT_NAMED = "sounds that are not named as in EMO-DB: ignored"


class EmoDb(Corpus):
    """EMO-DB on disk: `wav/03a01Fa.wav`, audio alone; one example a clip, with a label for its whole length.

    The name of a file has the speaker (03), the sentence (a01), the expression (F) and a version (a).
    Label of each clip: "expression" (1,) of 7 classes. The subject is the speaker.
    split: "avfer" (train 03 08 09 10 11 13, dev 12 14, test 15 16), "all" in train, or a file of lines `train: 3 8`.
    The label is the expression that the actor was given; boredom is a class of its own.

    root: folder of the corpus.
    """

    name = "emo_db"

    def __init__(self, root: Path | str, split: str | Path = AVFER_SPLIT) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        chosen = choose_split("emo_db", split, SPLIT)
        paths = (path for folder in walk(self.root, 2) for path in list_files(folder, *SOUNDS))
        self._sounds = identified(paths, _identify, self.notes, other=NOT_NAMED, repeated=REPEATED_CLIP)
        if not self._sounds:
            raise not_found("EMO-DB", self.root, ("wav/03a01Fa.wav", "03a01Fa.wav"))
        speakers = {name: int(name[:2]) for name in sorted(self._sounds, key=natural)}
        self._members = chosen.divide(speakers, self.notes)
        self.distribution = "sounds"
        self.protocol = f"split {chosen.description}; one label a clip, the expression given to the actor"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with a clip."""
        return tuple(partition for partition in PARTITIONS if self._members[partition])

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield the clips of a partition; the subject is the speaker, "03"."""
        for name in self._members[partition]:
            path = self._sounds[name]
            labels = {"expression": one_class(CODES[name[5]], CLASSES)}
            times = middle_time(path, self.notes)
            yield Example(name, partition, labels, name[:2], audio=path, times=times, whole_clip=True)


def _identify(path: Path) -> str | None:
    """Return the id of a clip, `03a01Fa`; None for a file of another name."""
    return path.stem if NAME.fullmatch(path.stem) else None

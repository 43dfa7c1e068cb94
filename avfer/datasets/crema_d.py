"""CREMA-D (Cao et al., 2014): 91 actors say twelve sentences with six expressions, rated by a crowd."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from avfer.datasets.clips import middle
from avfer.datasets.crema_d_votes import CLASSES, read_votes
from avfer.datasets.example import PARTITIONS, Example, Labels, Notes, Partition
from avfer.datasets.listing import SOUNDS, VIDEOS, check_root, files, natural, not_found, walk
from avfer.datasets.speakers import OUR_OWN, choose_split
from avfer.datasets.splits import Split
from avfer.datasets.stills import one_class
from avfer.errors import ConfigError, DatasetError, unknown

NAME = re.compile(
    r"(10[0-9]{2})_(IEO|TIE|IOM|IWW|TAI|MTI|IWL|ITH|DFA|ITS|TSI|WSI)_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|X|XX)"
)
CODES = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness"}
ACTORS = range(1001, 1092)
SPLIT: Split = {
    "train": list(range(1001, 1064)),
    "dev": list(range(1064, 1078)),
    "test": list(range(1078, 1092)),
}
RATINGS = {"voice": 1, "face": 2, "both": 3}  # what the raters were given; the number stands in the votes
SOUND_KINDS = (".wav", *(ending for ending in SOUNDS if ending != ".wav"))  # the first is the best
NOT_NAMED = "media that are not named as in CREMA-D: ignored"
FURTHER = "further files of one clip: one is read, .wav before .mp3"
POINTER = "files that hold only the address of their content (Git LFS): not there"
NO_VOTES = "clips without a row of votes"
TIE = "clips whose votes have no single winner: not valid"


class CremaD:
    """CREMA-D on disk: `AudioWAV`, `AudioMP3`, `VideoFlash`; one example a clip, one step, its label at the middle.

    labels: "acted", the expression that was asked of the actor, or "voted", the one that most raters saw (not valid
    where two win). ratings: whose votes, of those who got "voice", "face" or "both". Votes stand beside in any
    case, where processedResults/tabulatedVotes.csv is there. split: "avfer" (train 1001-1063, dev 1064-1077, test
    1078-1091), "all" in train, or a file of lines `train: 1001 1002`.
    """

    name = "crema_d"

    def __init__(
        self, root: Path | str, split: str | Path = OUR_OWN, labels: str = "acted", ratings: str = "both"
    ) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        if labels not in ("acted", "voted"):
            raise ConfigError(f"crema_d: {unknown('labels', labels, ('acted', 'voted'))}")
        if ratings not in RATINGS:
            raise ConfigError(f"crema_d: {unknown('ratings', ratings, RATINGS)}")
        chosen = choose_split("crema_d", split, SPLIT)
        self._voted, self._ratings = labels == "voted", RATINGS[ratings]
        self._videos, self._sounds = _find(self.root, VIDEOS, Notes()), _find(self.root, SOUND_KINDS, self.notes)
        clips = sorted({*self._videos, *self._sounds}, key=natural)
        if not clips:
            raise not_found("CREMA-D", self.root, ("AudioWAV/1001_DFA_ANG_XX.wav", "VideoFlash/1001_DFA_ANG_XX.flv"))
        self._table = next((p for f in walk(self.root, 3) for p in files(f, "tabulatedvotes.csv")), None)
        if self._voted and self._table is None:
            raise DatasetError(f"no processedResults/tabulatedVotes.csv in '{self.root}'; copy it, or use labels=acted")
        self._members = chosen.share({name: int(name[:4]) for name in clips}, self.notes)
        self.distribution = " and ".join([*["videos"] * bool(self._videos), *["sounds"] * bool(self._sounds)])
        given = {"voice": "heard the voice", "face": "saw the face", "both": "got both"}[ratings]
        told = f"voted by those who {given}" if self._voted else "asked of the actor"
        self.protocol = f"split {chosen.told}; one label a clip, the expression {told}"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those with a clip."""
        return tuple(partition for partition in PARTITIONS if self._members[partition])

    def examples(self, partition: Partition) -> Iterator[Example]:
        """The clips of a partition. DatasetError where the votes cannot be read."""
        votes = read_votes(self._table, self._ratings, self.notes) if self._table else {}
        for name in self._members[partition]:
            video, sound = self._videos.get(name), self._sounds.get(name)
            labels = self._labels(name, votes)
            times = middle(video or self._sounds[name], self.notes)
            yield Example(name, partition, labels, name[:4], video, sound or video, times=times)

    def _labels(self, name: str, votes: dict[str, np.ndarray]) -> dict[str, Labels]:
        acted = one_class(CODES[name.split("_")[2]], CLASSES)
        if self._table is None:
            return {"expression": acted}
        if name not in votes:
            self.notes.add(NO_VOTES, name)
        told = votes.get(name, np.full(len(CLASSES), np.nan))
        winners = np.flatnonzero(told == told.max()) if told.sum() > 0 else np.zeros(0, np.int64)
        if self._voted and len(winners) != 1 and name in votes:
            self.notes.add(TIE, name)
        winner = CLASSES[winners[0]] if len(winners) == 1 else None
        valid = np.full((1, len(CLASSES)), name in votes)
        expression = one_class(winner, CLASSES) if self._voted else acted
        return {"expression": expression, "votes": Labels(told[None], valid, CLASSES)}


def _find(root: Path, suffixes: tuple[str, ...], notes: Notes) -> dict[str, Path]:
    """The files of a kind by the clip that they name."""
    found: dict[str, Path] = {}
    for path in (path for folder in walk(root, 2) for path in files(folder, *suffixes)):
        match = NAME.fullmatch(path.stem)
        if match is None or int(match[1]) not in ACTORS:
            notes.add(NOT_NAMED, path)
        elif _is_pointer(path):
            notes.add(POINTER, path, fault=True)
        elif path.stem not in found:
            found[path.stem] = path
        else:
            notes.add(FURTHER, path)
            found[path.stem] = min(found[path.stem], path, key=lambda one: suffixes.index(one.suffix.lower()))
    return found


def _is_pointer(path: Path) -> bool:
    """Whether Git left the address of a file in place of its content."""
    if path.stat().st_size > 1024:
        return False
    return path.read_bytes().startswith(b"version https://git-lfs")

"""RAVDESS (Livingstone and Russo, 2018): 24 actors speak and sing two sentences with eight expressions."""

import re
from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.clips import middle
from avfer.datasets.example import PARTITIONS, Example, Notes, Partition
from avfer.datasets.listing import SOUNDS, VIDEOS, check_root, files, natural, not_found, walk
from avfer.datasets.speakers import OUR_OWN, choose_split
from avfer.datasets.splits import Split
from avfer.datasets.stills import one_class
from avfer.errors import ConfigError, unknown

NAME = re.compile(r"(0[123])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-([0-9]{2})")
CLASSES = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")  # 01 to 08
CHANNELS = {"speech": "01", "song": "02"}
ENDINGS = {"01": VIDEOS, "02": VIDEOS, "03": SOUNDS}  # with sound, pictures alone, sound alone
SPLIT: Split = {
    "train": list(range(1, 15)),
    "dev": [15, 16, 17, 18],
    "test": [19, 20, 21, 22],
}  # half of each are women; 23 and 24 are held out
TWIN = {"03-01-03-01-02-02-07": "03-01-03-01-02-01-07"}  # the same bytes under two names, by the release itself
NOT_NAMED = "files that are not named as in RAVDESS: ignored"
SAME_SOUND = "the one file that repeats another byte by byte: left out"
FURTHER = "further files of one clip: the first is read"
SILENT = "videos without sound of clips that are there with it: left out"
SOUND_OF = "sounds of clips that are there as videos: left out"


class Ravdess:
    """RAVDESS on disk, in folders `Actor_01` or none; one example a clip, one step, its label at the middle.

    channel: "speech", "song", or without it both. split: "avfer" (train 01-14, dev 15-18, test 19-22, without 23 and
    24), "all" in train, or a file of lines `train: 1 2 3`. Where the same clip is there as video and as sound,
    the video is read. The label is the expression that was asked of the actor.
    """

    name = "ravdess"

    def __init__(self, root: Path | str, split: str | Path = OUR_OWN, channel: str | None = None) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        if channel is not None and channel not in CHANNELS:
            raise ConfigError(f"ravdess: {unknown('channel', channel, CHANNELS)}")
        chosen = choose_split("ravdess", split, SPLIT)
        found = _find(self.root, self.notes)
        if not found:
            raise not_found("RAVDESS", self.root, ("Actor_01/01-01-01-01-01-01-01.mp4", "03-01-01-01-01-01-01.wav"))
        wanted = CHANNELS.get(channel or "")
        self._clips = {name: path for name, path in found.items() if wanted in (None, name[3:5])}
        self._members = chosen.share({name: int(name[-2:]) for name in self._clips}, self.notes)
        kinds = {"videos" if path.suffix.lower() in VIDEOS else "sounds" for path in self._clips.values()}
        self.distribution = f"{' and '.join(sorted(kinds, reverse=True))} of {channel or 'speech and song'}"
        self.protocol = f"split {chosen.told}; one label a clip, the expression asked of the actor"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those with a clip."""
        return tuple(partition for partition in PARTITIONS if self._members[partition])

    def examples(self, partition: Partition) -> Iterator[Example]:
        """The clips of a partition."""
        for name in self._members[partition]:
            path = self._clips[name]
            video = path if name[:2] != "03" else None
            audio = path if name[:2] != "02" else None
            labels = {"expression": one_class(CLASSES[int(name[6:8]) - 1], CLASSES)}
            times = middle(path, self.notes)
            yield Example(name, partition, labels, f"Actor_{name[-2:]}", video, audio, times=times)


def _find(root: Path, notes: Notes) -> dict[str, Path]:
    """The clips to read by name, in natural order."""
    found: dict[str, Path] = {}
    for path in (path for folder in walk(root, 4) for path in files(folder, *VIDEOS, *SOUNDS)):
        match = NAME.fullmatch(path.stem)
        if match is None or path.suffix.lower() not in ENDINGS[match[1]] or not 1 <= int(match[7]) <= 24:
            notes.add(NOT_NAMED, path)
        elif path.stem in found:
            notes.add(FURTHER, path)
        else:
            found[path.stem] = path
    return {name: found[name] for name in sorted(found, key=natural) if not _left_out(name, found, notes)}


def _left_out(name: str, found: dict[str, Path], notes: Notes) -> bool:
    """Whether another file stands for this one: a clip comes as video, as video without sound, and as sound."""
    clip = name[2:]
    reasons = {
        SAME_SOUND: TWIN.get(name) in found,
        SILENT: name.startswith("02") and f"01{clip}" in found,
        SOUND_OF: name.startswith("03") and (f"01{clip}" in found or f"02{clip}" in found),
    }
    for sentence, holds in reasons.items():
        if holds:
            notes.add(sentence, found[name])
            return True
    return False

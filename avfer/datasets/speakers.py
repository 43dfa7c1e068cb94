"""Acted corpora that come without a split: clips whose names tell who speaks, brought to partitions by speaker."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from avfer.datasets.example import PARTITIONS, Notes, Partition
from avfer.datasets.splits import Split, load_split
from avfer.errors import ConfigError, unknown

OUR_OWN = "avfer"  # the name of the split that avfer's own numbers go by


@dataclass(frozen=True)
class SpeakerSplit:
    """Which speakers are train, dev and test; of no partition: left out."""

    told: str
    where: dict[int, Partition]

    def share(self, speakers: Mapping[str, int], notes: Notes) -> dict[Partition, list[str]]:
        """The clips of each partition, in the order given.   speakers: clip -> number of its speaker"""
        found: dict[Partition, list[str]] = {partition: [] for partition in PARTITIONS}
        for clip, speaker in speakers.items():
            if speaker in self.where:
                found[self.where[speaker]].append(clip)
            else:
                notes.add(f"clips of speakers outside the split {self.told}: left out", clip)
        return found


def choose_split(corpus: str, split: str | Path, own: Split) -> SpeakerSplit:
    """The split "avfer", "all" (all of it is train), or a file of lines `train: 1 2 3` or `01,train`.

    ConfigError for a name that is none of these and no file, or a speaker in two partitions.
    """
    everyone: dict[int, Partition] = {number: partition for partition, numbers in own.items() for number in numbers}
    if split == OUR_OWN:
        return SpeakerSplit("avfer (by speaker; no official one exists)", everyone)
    if split == "all":
        return SpeakerSplit("all in train", dict.fromkeys(range(10000), "train"))
    if not Path(split).is_file():
        told = unknown("split", str(split), (OUR_OWN, "all"))
        raise ConfigError(f"{corpus}: {told}; or name a file of lines 'train: 1 2 3'")
    where: dict[int, Partition] = {}
    for partition, numbers in load_split(split).items():
        for number in numbers:
            if where.setdefault(number, partition) != partition:
                raise ConfigError(f"{split}: speaker {number} is in {where[number]} and in {partition}; keep one")
    return SpeakerSplit(f"of the file {split}", where)

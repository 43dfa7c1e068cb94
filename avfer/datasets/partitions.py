"""Folders named by a partition, as copies of a corpus have them: side by side, on several levels, or one in another."""

from pathlib import Path

from avfer.datasets.example import Notes, Partition
from avfer.datasets.listing import find_folder, folders, plain

LACKING = "partitions of the distribution that are not there"
Wanted = dict[Partition, tuple[str, ...]]  # partition -> what its folder may be called, the likeliest name first


def partition_folders(root: Path, wanted: Wanted, depth: int = 2) -> dict[Partition, Path]:
    """For each partition the nearest folder below the root that one of its names means; nothing below found ones.

    Archives unpack into folders of their own, so in `train/train` the inner folder is meant.
    """
    found: dict[Partition, Path] = {}
    level = [root]
    for _ in range(depth + 1):
        level = [child for folder in level for child in folders(folder)]
        here = {plain(place.name): place for place in reversed(level)}  # of two on one level the first
        for partition, words in wanted.items():
            place = next((here[plain(word)] for word in words if plain(word) in here), None)
            if place is not None and partition not in found:
                found[partition] = find_folder(place, *words) or place
        if len(found) == len(wanted):
            break
        known = {plain(word) for words in wanted.values() for word in words}
        level = [place for place in level if plain(place.name) not in known]
    return {partition: found[partition] for partition in wanted if partition in found}


def tell_lacking(root: Path, wanted: Wanted, found: dict[Partition, Path], notes: Notes) -> None:
    """Note the partitions without a folder: a half-copied corpus looks like a smaller one."""
    for partition, words in wanted.items():
        if partition not in found:
            notes.add(LACKING, root / words[0])

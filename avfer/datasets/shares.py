"""A split by shares, for data that comes without one: whole people, drawn by their names and never by chance."""

import hashlib
import re
from collections.abc import Iterable

from avfer.datasets.example import PARTITIONS, Partition
from avfer.errors import ConfigError

SHARES = re.compile(r"([0-9]+)/([0-9]+)(?:/([0-9]+))?")


def read_shares(text: str) -> tuple[int, int, int]:
    """Parts in a hundred of train, dev and test: "70/15/15", "80/20", or "test" for all of it. ConfigError else."""
    if text in PARTITIONS:
        return 100 * (text == "train"), 100 * (text == "dev"), 100 * (text == "test")
    match = SHARES.fullmatch(text.replace(" ", ""))
    shares = (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)
    if sum(shares) != 100:
        raise ConfigError(f"split '{text}': write shares of train, dev and test that sum to 100, as in 70/15/15")
    return shares


def shared_out(names: Iterable[str], shares: tuple[int, int, int]) -> dict[str, Partition]:
    """The partition of each name: in the order of their SHA-256, the first ones train, then dev, then test."""
    ordered = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).digest())
    ends = [round(len(ordered) * sum(shares[: part + 1]) / 100) for part in range(len(PARTITIONS))]
    parts = zip(PARTITIONS, [0, *ends], ends, strict=False)
    return {name: partition for partition, start, stop in parts for name in ordered[start:stop]}

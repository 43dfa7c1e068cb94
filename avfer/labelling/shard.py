"""A share of a corpus: `2/3` is the second of three."""

import hashlib
from dataclasses import dataclass
from typing import Self

from avfer.errors import ConfigError


@dataclass(frozen=True)
class Shard:
    """The clips whose names fall to it; which ones depends on nothing but the names."""

    index: int = 1  # from 1
    count: int = 1

    def __str__(self) -> str:
        return f"{self.index}-of-{self.count}"

    def holds(self, name: str) -> bool:
        """Whether a clip is its own."""
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        return number % self.count == self.index - 1

    @classmethod
    def read(cls, text: str | None) -> Self:
        """`2/3`; without a text, all. ConfigError where it is no share."""
        if text is None:
            return cls()
        index, slash, count = text.partition("/")
        if not slash or not (index.isdecimal() and count.isdecimal()) or not 1 <= int(index) <= int(count):
            raise ConfigError(f"--shard {text}: write it as I/N, with I from 1 to N")
        return cls(int(index), int(count))

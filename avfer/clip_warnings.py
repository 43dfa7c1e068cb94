"""Warnings while clips are processed: collected for each clip, and shown once with the number of clips."""

import warnings
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

from avfer.errors import AvferWarning


@contextmanager
def collected_warnings(found: list[str]) -> Generator[None]:
    """Append the text of each AvferWarning of the block to `found`, each text once; none is shown.

    Other warnings are shown as before. Warnings of threads count as well, if these end before the block does.
    """
    with warnings.catch_warnings():
        show = warnings.showwarning
        warnings.simplefilter("always", AvferWarning)

        def collect(message: Warning | str, category: type[Warning], filename: str, line: int, *rest: object) -> None:
            if not issubclass(category, AvferWarning):
                show(message, category, filename, line)
            elif str(message) not in found:
                found.append(str(message))

        warnings.showwarning = collect
        yield


@dataclass
class ClipWarnings:
    """The distinct warnings of many clips."""

    counts: dict[str, int] = field(default_factory=dict[str, int])  # text -> number of clips
    first: dict[str, str] = field(default_factory=dict[str, str])  # text -> name of the first clip

    def add(self, clip: str, texts: Iterable[str]) -> None:
        """Count the warnings of one clip, each text once."""
        for text in dict.fromkeys(texts):
            self.counts[text] = self.counts.get(text, 0) + 1
            self.first.setdefault(text, clip)

    def lines(self) -> list[str]:
        """Return each warning with its clips: "TEXT (talk.mp4)" or "TEXT (3 clips; the first is talk.mp4)"."""
        return [
            f"{text} ({self.first[text] if count == 1 else f'{count} clips; the first is {self.first[text]}'})"
            for text, count in self.counts.items()
        ]

    def issue(self) -> None:
        """Issue an AvferWarning for each line."""
        for line in self.lines():
            warnings.warn(line, AvferWarning, stacklevel=3)

"""The one type that every reader of human codings returns: tiers of intervals and points, in seconds of the clip."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from avfer.errors import DatasetError

OWN_TIER = re.compile(r"((?:person|track) [0-9]+) (.+)")  # as `avfer export` names tiers: "person 1 expression"


class Mark(NamedTuple):
    """One annotation: a part of the clip, or an instant, with a value."""

    start: float  # s, time in the media file
    stop: float  # s, exclusive; equal to `start` for a point
    value: str  # "happiness", "0.4"; empty if the mark states only that the tier's name applies


@dataclass(frozen=True, eq=False)
class Tier:
    """The M marks of one tier (ELAN, Praat), behaviour (BORIS) or column (CSV), sorted by start.

    Moments without a mark are coded too, as moments at which nothing was marked, if they are inside `span`.
    """

    name: str  # "AU12"
    starts: np.ndarray  # (M,) float64 s
    stops: np.ndarray  # (M,) float64 s, exclusive; equal to the start for a point
    values: tuple[str, ...]  # M
    subject: str = ""  # the person who is coded; empty if the coding does not say
    span: tuple[float, float] | None = None  # s, the part of the clip that was coded; None: all of it

    @classmethod
    def from_marks(
        cls, name: str, marks: Iterable[Mark], where: str, subject: str = "", span: tuple[float, float] | None = None
    ) -> Self:
        """Return a tier of marks in any order.

        where: file and tier, for the message. subject: if empty, it is taken from the name of a tier that
        `avfer export` wrote. Raises DatasetError for a time that is not finite, or if a mark stops before it starts.
        """
        ordered = sorted(marks, key=lambda mark: (mark.start, mark.stop))
        times = np.array([(mark.start, mark.stop) for mark in ordered], np.float64).reshape(-1, 2)
        wrong = ~np.isfinite(times).all(axis=1) | (times[:, 1] < times[:, 0])
        if wrong.any():
            start, stop = times[wrong.argmax()]
            raise DatasetError(f"{where}: a mark must stop after its start, got {start:g} s to {stop:g} s; repair it")
        own = OWN_TIER.fullmatch(name)
        subject = subject or (own[1] if own else "")
        return cls(name, times[:, 0], times[:, 1], tuple(mark.value.strip() for mark in ordered), subject, span)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Coding:
    """What a human coded in one clip."""

    path: Path  # of the file that was read
    clip: str  # file name of the media, or name of the observation; empty if the file does not say
    tiers: tuple[Tier, ...]  # one for each name and subject

    @property
    def subjects(self) -> tuple[str, ...]:
        """Return the names of the people who are coded, sorted; none if the coding does not say."""
        return tuple(sorted({tier.subject for tier in self.tiers if tier.subject}))


def base_name(address: str) -> str:
    r"""Return the file name at the end of a path or URL of any system.

    >>> base_name("file:///C:/videos/talk.mp4"), base_name("..\\talk.mp4")
    ('talk.mp4', 'talk.mp4')
    """
    return address.replace("\\", "/").rstrip("/").rpartition("/")[2]

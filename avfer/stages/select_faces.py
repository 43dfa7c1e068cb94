"""Choose faces of each frame: the largest one, the leftmost one, or those of one person."""

import warnings
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from avfer.errors import AvferWarning
from avfer.option_types import Count
from avfer.rows import select
from avfer.types import NO_PERSON, FaceTracks

PersonChoice = Literal["all", "largest", "leftmost"] | Annotated[Count, Field(ge=0, lt=2**31)]  # or a person's number


def select_faces(tracks: FaceTracks, person: PersonChoice) -> FaceTracks:
    """Return the rows of the chosen faces; every other row is dropped, whichever frame it is on.

    person: "largest" or "leftmost" keeps one face of each frame; a number keeps the faces with that number in the
    column `person` (where persons are not identified, in the column `track`).
    """
    if person == "all" or not len(tracks):
        return tracks
    if isinstance(person, int):
        return select(tracks, _numbers(tracks) == person, tracks.clock)
    left, top, right, bottom = tracks.boxes.T
    rank = -(right - left) * (bottom - top) if person == "largest" else left + right
    order = np.lexsort((rank, tracks.frames))
    first = np.ones(len(order), bool)
    first[1:] = np.diff(tracks.frames[order]) > 0
    return select(tracks, np.sort(order[first]), tracks.clock)


def persons_found(tracks: FaceTracks) -> frozenset[int]:
    """Return the numbers by which `select_faces` chooses one person."""
    return frozenset(_numbers(tracks).tolist()) - {NO_PERSON}


def warn_if_absent(person: PersonChoice, found: frozenset[int]) -> None:
    """Warn if a clip does not have the person with a number.   found: the numbers in the whole clip"""
    if isinstance(person, int) and person not in found:
        numbers = ", ".join(map(str, sorted(found))) or "none, because no face was detected"
        warnings.warn(f"person (--person): no face has the number {person}; the clip has: {numbers}", AvferWarning, 2)


def _numbers(tracks: FaceTracks) -> np.ndarray:
    """Return the number of each face, (N,) int: of its person or, where persons are not identified, of its track."""
    identified = (tracks.person_ids != NO_PERSON).any()
    return tracks.person_ids if identified else tracks.track_ids

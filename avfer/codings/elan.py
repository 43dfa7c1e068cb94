"""ELAN annotation documents (.eaf), XML of the schemas 2.x and 3.0.

An annotation has two time slots in milliseconds, or refers to an annotation of its parent tier. Slots without a value
are spread evenly between the known slots of their tier, and annotations that divide one parent share its time evenly,
as ELAN shows them. The media's TIME_ORIGIN is added, so that times are those of the media file: the first video that
is linked, because many documents link a .wav of its sound as well, else the first sound.
https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf
"""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avfer.codings.coding import Coding, Mark, Tier, base_name
from avfer.errors import DatasetError

MILLISECONDS = 1e-3  # s; the only TIME_UNITS that ELAN writes in a document of annotations


class Times(NamedTuple):
    """The time of one annotation."""

    start: float  # s
    stop: float  # s


class ElanFormat:
    """Reads one document of ELAN. The participant of a tier is its subject."""

    suffixes = (".eaf",)

    @staticmethod
    def fits(path: Path) -> bool:
        """Return True: the ending decides."""
        return True

    @staticmethod
    def read(path: Path) -> list[Coding]:
        """Return the coding of the clip. Raises DatasetError if the document is not one of ELAN, or contradictory."""
        root = _parse(path)
        linked = root.findall("HEADER/MEDIA_DESCRIPTOR")
        media = next((one for one in linked if not one.get("MIME_TYPE", "").startswith("audio")), None)
        media = next(iter(linked), None) if media is None else media
        origin, clip = 0.0, ""
        if media is not None:
            origin = _milliseconds(media.get("TIME_ORIGIN", "0"), path) * MILLISECONDS
            clip = base_name(media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL", ""))
        slots = _time_slots(root, path)
        times = _annotation_times(root, slots, path)
        tiers = tuple(_tier(tier, times, origin, path) for tier in root.iterfind("TIER"))
        return [Coding(path, clip, tuple(tier for tier in tiers if len(tier)))]


class _NoDoctype(ET.TreeBuilder):
    """Refuses a document type, because its entities can expand to any size; documents of ELAN have none."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Raise DatasetError."""
        raise DatasetError("a document type (<!DOCTYPE ...>) is not allowed; save the document again with ELAN")


def _parse(path: Path) -> ET.Element:
    """Return the root of a document. Raises DatasetError for XML that is damaged, unsafe, or not of ELAN."""
    try:
        root = ET.parse(path, ET.XMLParser(target=_NoDoctype())).getroot()
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from None
    except (ET.ParseError, LookupError, ValueError) as error:  # damaged; an unknown encoding
        raise DatasetError(f"{path} is not valid XML: {error}; save it again with ELAN") from error
    if root.tag != "ANNOTATION_DOCUMENT":
        problem = f"must be an <ANNOTATION_DOCUMENT> of ELAN, got <{root.tag}>"
        raise DatasetError(f"{path}: {problem}; choose the .eaf file")
    return root


def _time_slots(root: ET.Element, path: Path) -> dict[str, tuple[int, float]]:
    """Return position and time (s, NaN if it has none) of each slot by its id."""
    slots: dict[str, tuple[int, float]] = {}
    for position, slot in enumerate(root.iterfind("TIME_ORDER/TIME_SLOT")):
        text = slot.get("TIME_VALUE")
        time = np.nan if text is None else _milliseconds(text, path) * MILLISECONDS
        slots[slot.get("TIME_SLOT_ID", "")] = (position, time)
    return slots


def _annotation_times(root: ET.Element, slots: dict[str, tuple[int, float]], path: Path) -> dict[str, Times]:
    """Return the time of each annotation by its id. Raises DatasetError for a missing slot or parent."""
    times: dict[str, Times] = {}
    for tier in root.iterfind("TIER"):
        times |= _aligned_times(tier, slots, path)
    waiting: dict[tuple[str, str], list[str]] = {}  # tier and parent -> ids of the annotations that divide the parent
    for tier in root.iterfind("TIER"):
        for one in tier.iterfind("ANNOTATION/REF_ANNOTATION"):
            key = tier.get("TIER_ID", ""), one.get("ANNOTATION_REF", "")
            waiting.setdefault(key, []).append(one.get("ANNOTATION_ID", ""))
    while waiting:
        ready = [key for key in waiting if key[1] in times]
        if not ready:
            tier, parent = next(iter(waiting))
            raise DatasetError(f"{path}, tier '{tier}': the annotation '{parent}' it refers to is missing or circular")
        for key in ready:
            children, whole = waiting.pop(key), times[key[1]]
            edges = np.linspace(whole.start, whole.stop, len(children) + 1).tolist()
            times |= {child: Times(edges[i], edges[i + 1]) for i, child in enumerate(children)}
    return times


def _aligned_times(tier: ET.Element, slots: dict[str, tuple[int, float]], path: Path) -> dict[str, Times]:
    """Return the times of a tier's annotations with slots of their own, by id."""
    found: dict[str, tuple[str, str]] = {}
    for one in tier.iterfind("ANNOTATION/ALIGNABLE_ANNOTATION"):
        found[one.get("ANNOTATION_ID", "")] = one.get("TIME_SLOT_REF1", ""), one.get("TIME_SLOT_REF2", "")
    used = {slot for pair in found.values() for slot in pair}
    where = f"{path}, tier '{tier.get('TIER_ID', '')}'"
    if missing := sorted(used - slots.keys()):
        raise DatasetError(f"{where}: the time slot '{missing[0]}' is missing; save the document again with ELAN")
    order = sorted(used, key=lambda slot: slots[slot][0])
    times = np.array([slots[slot][1] for slot in order])
    known = ~np.isnan(times)
    if len(times) and not known.any():
        raise DatasetError(f"{where}: none of its time slots has a time; align the annotations in ELAN")
    places = np.arange(len(times))
    spread = np.interp(places, places[known], times[known]) if len(times) else times
    seconds = dict(zip(order, spread.tolist(), strict=True))
    return {name: Times(seconds[first], seconds[last]) for name, (first, last) in found.items()}


def _tier(tier: ET.Element, times: dict[str, Times], origin: float, path: Path) -> Tier:
    """Return the marks of a tier, `origin` seconds later than its annotations."""
    name = tier.get("TIER_ID", "")
    marks: list[Mark] = []
    for one in (*tier.iterfind("ANNOTATION/ALIGNABLE_ANNOTATION"), *tier.iterfind("ANNOTATION/REF_ANNOTATION")):
        start, stop = times[one.get("ANNOTATION_ID", "")]
        marks.append(Mark(start + origin, stop + origin, one.findtext("ANNOTATION_VALUE", "")))
    return Tier.from_marks(name, marks, f"{path}, tier '{name}'", tier.get("PARTICIPANT", "").strip())


def _milliseconds(text: str, path: Path) -> float:
    """Return a time as a number. Raises DatasetError if it is not an integer."""
    try:
        return float(int(text))
    except ValueError:
        raise DatasetError(f"{path}: a time must be whole milliseconds, got '{text[:40]}'; save it again") from None

"""An annotation document of ELAN (.eaf) with the segments of each person, and their series as linked time series.

Formats: EAF 3.0 (https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf) and ELAN's configuration of time
series (`_tsconf.xml`, class TSConfigurationParser of ELAN). ELAN reads the series as text with tabs; it skips the line
that starts with "#", and a missing value is "NaN".
"""

import mimetypes
import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from avfer import __version__
from avfer.atomic import atomic_write
from avfer.export import beside, metadata_of
from avfer.export.colours import line_colour
from avfer.export.column_facts import action_unit_scale, describe_column, series_columns
from avfer.export.person_rows import ClipRows
from avfer.export.player_clock import player_offset
from avfer.export.privacy import is_numbers_only
from avfer.export.single_clip import single_clip
from avfer.export.table_segments import EVENTS, EventKind, describe_rules, find_segments
from avfer.export.text_cells import number_cells, write_cells
from avfer.segments import Segments

SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
TIER_TYPE = "segments"  # the linguistic type of all tiers
PROVIDER = "mpi.eudico.client.annotator.timeseries.csv.CSVServiceProvider"  # ELAN's reader of text


@dataclass
class ElanDocument:
    """Exporter "elan": a tier for each person and kind of segment, and a track for each person and column.

    Beside the document lie `STEM_series.csv` and `STEM_tsconf.xml`, which ELAN opens with it. Times are rounded to
    1 ms, as ELAN keeps them; segments start at 0 or later, and those that end before 0 are left out. Where the audio of
    the clip begins before its video, its TIME_ORIGIN moves it to the times of the table.
    events: the kinds of segments, `--set smile.on=0.6`; their rules are a property of the document.
    """

    events: Mapping[str, EventKind] = field(default_factory=lambda: EVENTS)
    suffix: ClassVar[str] = ".eaf"
    needs_frames: ClassVar[bool] = False
    links_clip: ClassVar[bool] = True

    def side_files(self, table: pa.Table, path: Path) -> list[Path]:
        """Return the paths of the series and of its configuration."""
        return [beside(path, "_series.csv"), beside(path, "_tsconf.xml")]

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write all files; the clip is linked and not read, and with `numbers_only` not linked, as ELAN would show it.

        Raises ConfigError for several clips, OutputError if a file cannot be written.
        """
        rows = single_clip(table)
        series, configuration = self.side_files(table, path)
        tracks = _tracks(rows, series_columns(table))
        with atomic_write(series) as part:
            times = [f"{time:.3f}" for time in rows.starts]
            write_cells(
                part, ("# time_s", *tracks), [times, *(number_cells(one, "NaN") for one in tracks.values())], "\t"
            )
        with atomic_write(configuration) as part:
            _write_xml(part, _time_series(tracks, series, action_unit_scale(table)))
        with atomic_write(path) as part:
            rules = describe_rules(self.events, table)
            metadata = metadata_of(table.schema)
            media = None if is_numbers_only(metadata) else clip
            origin = player_offset(metadata)
            _write_xml(part, _document(_tiers(rows, self.events), media, origin, [series, configuration], rules))


def _tracks(clip: ClipRows, columns: list[str]) -> dict[str, np.ndarray]:
    """Return "person 1 valence" -> (T,) values on the instants of the clip, NaN where missing; only with values."""
    tracks: dict[str, np.ndarray] = {}
    for person in clip.people:
        at = np.searchsorted(clip.starts, person.starts)
        for name in columns:
            values = np.full(len(clip.starts), np.nan)
            values[at] = person.numbers(name)
            if not np.isnan(values).all():
                tracks[f"{person.label} {name}"] = values
    return tracks


def _tiers(clip: ClipRows, events: Mapping[str, EventKind]) -> dict[tuple[str, str], Segments]:
    """Return (label of the person, name of the kind) -> segments, for the kinds whose columns the table has."""
    return {
        (person.label, name): found
        for person in clip.people
        for name, kind in events.items()
        if (found := find_segments(person, name, kind)) is not None
    }


def _document(
    tiers: Mapping[tuple[str, str], Segments], clip: Path | None, origin: float, linked: list[Path], rules: str
) -> ET.Element:
    """Return the document.

    clip: linked, unless None; origin: s, what its player calls the time 0 of the table; linked: files of the time
    series; rules: of the segments.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    root = ET.Element("ANNOTATION_DOCUMENT", AUTHOR=f"avfer {__version__}", DATE=now, FORMAT="3.0", VERSION="3.0")
    root.set(XSI, SCHEMA)
    header = ET.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if clip is not None:
        urls = {"MEDIA_URL": _url(clip), "RELATIVE_MEDIA_URL": _relative_url(clip, linked[0].parent)}
        media = ET.SubElement(header, "MEDIA_DESCRIPTOR", urls, MIME_TYPE=_mime_type(clip))
        if milliseconds := round(origin * 1000):
            media.set("TIME_ORIGIN", str(milliseconds))
    for file, kind in zip(linked, ("unknown", "text/xml"), strict=True):
        urls = {"LINK_URL": _url(file), "RELATIVE_LINK_URL": f"./{_xml_text(file.name)}"}
        ET.SubElement(header, "LINKED_FILE_DESCRIPTOR", urls, MIME_TYPE=kind)
    ET.SubElement(header, "PROPERTY", NAME="avfer segments").text = _xml_text(rules)
    order = ET.SubElement(root, "TIME_ORDER")
    slots: list[tuple[int, str]] = []  # time in ms, id
    for (person, name), segments in tiers.items():
        tier = ET.SubElement(root, "TIER", TIER_ID=f"{person} {name}", PARTICIPANT=person, ANNOTATOR="avfer")
        tier.set("LINGUISTIC_TYPE_REF", TIER_TYPE)
        for segment in segments:
            start, stop = max(round(segment.start * 1000), 0), round(segment.stop * 1000)
            if stop > 0:
                first, last = f"ts{len(slots) + 1}", f"ts{len(slots) + 2}"
                _add_annotation(tier, f"a{len(slots) // 2 + 1}", first, last, segment.label)
                slots += [(start, first), (max(stop, start + 1), last)]
    for time, slot in sorted(slots, key=lambda one: one[0]):
        ET.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(time))
    ET.SubElement(
        root, "LINGUISTIC_TYPE", LINGUISTIC_TYPE_ID=TIER_TYPE, TIME_ALIGNABLE="true", GRAPHIC_REFERENCES="false"
    )
    return root


def _add_annotation(tier: ET.Element, name: str, first: str, last: str, value: str) -> None:
    """Add an annotation to a tier.   name: its id; first, last: ids of its time slots"""
    outer = ET.SubElement(tier, "ANNOTATION")
    place = {"TIME_SLOT_REF1": first, "TIME_SLOT_REF2": last}
    inner = ET.SubElement(outer, "ALIGNABLE_ANNOTATION", place, ANNOTATION_ID=name)
    ET.SubElement(inner, "ANNOTATION_VALUE").text = _xml_text(value)


def _time_series(tracks: Mapping[str, np.ndarray], series: Path, scale: str) -> ET.Element:
    """Return ELAN's configuration of the series.   scale: of the action units"""
    root = ET.Element("timeseries", date=datetime.now(UTC).isoformat(timespec="seconds"), version="1.0")
    attributes = {"sample-type": "Discontinuous Rate", "source-url": _url(series), "time-column": "0"}
    source = ET.SubElement(root, "tracksource", attributes)
    ET.SubElement(source, "property", key="provider", value=PROVIDER)
    for index, (name, values) in enumerate(tracks.items()):
        facts = describe_column(name.rpartition(" ")[2], scale)
        low = float(np.nanmin(values)) if facts.low is None else facts.low
        high = float(np.nanmax(values)) if facts.high is None else facts.high
        track = ET.SubElement(source, "track", name=name, derivative="0")
        ET.SubElement(track, "property", key="detect-range", value="false")
        ET.SubElement(ET.SubElement(track, "sample-position"), "pos", row="0", col=str(index + 1))
        ET.SubElement(track, "description").text = facts.label
        ET.SubElement(track, "units").text = facts.unit
        ET.SubElement(track, "range", min=f"{low:g}", max=f"{max(high, low + 1e-3):g}")
        red, green, blue = bytes.fromhex(line_colour(index).removeprefix("#"))
        ET.SubElement(track, "color").text = f"{red},{green},{blue}"
    return root


def _mime_type(clip: Path) -> str:
    """Return the MIME type of a clip as ELAN names it, "unknown" if it is none of a medium (as for .ts)."""
    if clip.suffix.lower() == ".wav":
        return "audio/x-wav"  # ELAN shows the waveform for this one only, and newer versions of Python name another
    found = mimetypes.guess_type(clip.name)[0] or ""
    return found if found.startswith(("audio/", "image/", "video/")) else "unknown"


def _url(path: Path) -> str:
    """Return a file URL as ELAN writes it, without percent signs for spaces."""
    return f"file:///{_xml_text(path.absolute().as_posix().removeprefix('/'))}"


def _relative_url(path: Path, folder: Path) -> str:
    """Return the path of a file relative to a folder as ELAN writes it; its name alone if it is on another drive."""
    try:
        relative = Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        relative = path.name
    return _xml_text(relative if relative.startswith("../") else f"./{relative}")


def _xml_text(text: str) -> str:
    """Return a text with a replacement for the control characters that XML 1.0 does not allow."""
    allowed = {"\t", "\n", "\r"}
    return "".join(one if (one >= " " and one not in "\ufffe\uffff") or one in allowed else "\ufffd" for one in text)


def _write_xml(path: Path, root: ET.Element) -> None:
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="UTF-8", xml_declaration=True)

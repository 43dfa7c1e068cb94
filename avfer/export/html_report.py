"""The report of a clip: its table as one self-contained HTML page.

The page shows charts of valence, arousal and expressions, the coverage of the clip, and the metadata of the table:
weights with licences, pipeline, device and facts of the streams. Styles and charts are part of the page, which loads no
other file. `report.html` beside this module is the template.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from html import escape, unescape
from pathlib import Path
from string import Template

import pyarrow as pa

from avfer.atomic import atomic_write
from avfer.export import metadata_of
from avfer.export.colours import VIRIDIS, expression_colour, line_colour
from avfer.export.html_page import page_style, wide
from avfer.export.measure_charts import action_unit_chart, action_unit_title, angle_chart, has_values, present_columns
from avfer.export.summary import TableSummary, summarize
from avfer.export.svg import affect_chart, expression_chart, share_chart
from avfer.export.track_series import (
    GAZE_COLUMNS,
    POSE_COLUMNS,
    TrackSeries,
    action_unit_columns,
    class_names,
    track_series,
)
from avfer.export.weight_facts import mapped_note, weight_files

METADATA = re.compile(r'<meta name="avfer-metadata" content="([^"]*)">')
ANGLES = "Degrees relative to the camera, with directions as they are seen in the picture."
PAGE = Path(__file__).with_name("report.html")
REASONS = {
    "no_face": "no face was found on the frame",
    "no_picture": "the audio continues without video frames",
    "no_audio": "the clip has no audio at this time",
    "decode_error": "the frame is damaged, or the first one after lost frames",
}


class HtmlReport:
    """Exporter "report": writes the page of a clip, `avfer run --report`."""

    suffix = ".html"
    needs_frames = False

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write the page; the clip itself is not read. Raises OutputError if the file cannot be written."""
        with atomic_write(path) as part:
            part.write_text(render_report(table), encoding="utf-8")

    @staticmethod
    def read_metadata(path: Path) -> dict[str, str]:
        """Return the metadata of the table behind a page, empty if the page holds none."""
        with suppress(OSError, ValueError):
            if found := METADATA.search(path.read_text(encoding="utf-8")):
                return json.loads(unescape(found[1]))
        return {}


def render_report(table: pa.Table) -> str:
    """Return the page of a table as HTML.

    table: the columns of `AffectTrack.to_table`, whole; without metadata the sections that need it stay empty. A table
    without predictions gives a page without charts. All text from the metadata is escaped.
    """
    metadata = metadata_of(table.schema)
    summary, people, names = summarize(table), track_series(table), class_names(table)
    times = table["time_s"].to_numpy()
    start, stop = (float(times.min()), float(times.max())) if len(times) else (0.0, 1.0)
    occurring = {str(name) for person in people for name in person.expressions if name}
    counts = sum((person.expressions for person in summary.people.values()), Counter[str]())
    shares = [(name, counts[name] / max(counts.total(), 1)) for name in names]
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        metadata=escape(json.dumps(metadata, ensure_ascii=False)),
        title=escape(metadata.get("clip", "clip")),
        style=page_style(),
        lead=_lead(summary, metadata),
        tiles=_tiles(summary, counts),
        mapped=_mapped(metadata),
        curves=affect_chart(people, start, stop) if people else _no_values(),
        people=_legend((person.label, line_colour(i)) for i, person in enumerate(people)),
        strips=expression_chart(people, names, start, stop) if people else _no_values(),
        expressions=_legend((name, expression_colour(name, names)) for name in names if name in occurring),
        measures=_measures(people, action_unit_columns(table), metadata, start, stop),
        bars=share_chart(sorted(shares, key=lambda share: -share[1]), names) if shares else _no_values(),
        coverage=_coverage(summary, people),
        provenance=_provenance(metadata),
    )


def _no_values() -> str:
    return "<p>No values were predicted; the section Coverage lists the reasons.</p>"


def _mapped(metadata: dict[str, str]) -> str:
    """Return the note that values are mapped and not measured, if embedded weights made them."""
    note = mapped_note(metadata)
    return f'<p class="note">{escape(note)}</p>' if note else ""


def _lead(summary: TableSummary, metadata: dict[str, str]) -> str:
    """Return the line below the title: `130 frames in 5.2 s, 480×480 px, read by avfer 0.1.0`."""
    size = f", {metadata['video_width']}×{metadata['video_height']} px" if "video_width" in metadata else ""
    unit = "frames" if summary.has_frames else "rows"
    version = metadata.get("version", "")
    return escape(f"{summary.instants} {unit} in {summary.seconds:.1f} s{size}, read by avfer {version}")


def _tiles(summary: TableSummary, counts: Counter[str]) -> str:
    """Return the key figures of all people: faces, tracks, mean valence and arousal, most frequent expression."""
    known = sum(person.known for person in summary.people.values())
    valence = sum(person.valence for person in summary.people.values())
    arousal = sum(person.arousal for person in summary.people.values())
    tiles = {
        "Frames with a face": f"{summary.with_face / max(summary.instants, 1):.0%}",
        "Tracks": str(sum(track is not None for track in summary.people)),
        "Mean valence": _signed(valence / known) if known else "–",
        "Mean arousal": _signed(arousal / known) if known else "–",
        "Most frequent": counts.most_common(1)[0][0] if counts else "–",
    }
    return "\n".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in tiles.items())


def _signed(value: float) -> str:
    """Return a value with its sign and two digits: "+0.25"."""
    return f"{round(value, 2) + 0.0:+.2f}"  # + 0.0 turns -0.0 into 0.0


def _legend(entries: Iterable[tuple[str, str]]) -> str:
    """Return the legend of a chart.   entries: (name, colour)"""
    items = "".join(f'<li><span style="background:{colour}"></span>{escape(name)}</li>' for name, colour in entries)
    return f'<ul class="key">{items}</ul>'


def _measures(
    people: list[TrackSeries], action_units: list[str], metadata: dict[str, str], start: float, stop: float
) -> str:
    """Return the sections of action units, head pose and gaze; each only if the table has values for it."""
    sections: list[str] = []
    if people and action_units:
        gradient = f'<span style="background:linear-gradient(to right,{",".join(VIRIDIS)})"></span>'
        scale = f'<p class="scale">0 {gradient} 1 <span class="ground"></span> no value</p>'
        chart = action_unit_chart(people, action_units, start, stop)
        sections.append(_section(action_unit_title(action_units, metadata), wide(chart) + scale))
    for title, columns in (("Head pose", POSE_COLUMNS), ("Gaze", GAZE_COLUMNS)):
        if shown := present_columns(people, columns):
            chart = angle_chart(people, shown, start, stop)
            known = [(person.label, line_colour(i)) for i, person in enumerate(people) if has_values(person, shown)]
            sections.append(_section(title, f'<p class="note">{ANGLES}</p>{wide(chart)}{_legend(known)}'))
    return "\n".join(sections)


def _section(title: str, content: str) -> str:
    """Return a section of the page.   content: HTML"""
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def _coverage(summary: TableSummary, people: list[TrackSeries]) -> str:
    """Return the number of rows of each person, and of each reason for a row without a face, with its meaning."""
    rows = [("rows in all", summary.rows), *((person.label, person.rows) for person in people)]
    rows += [(f"<code>{reason}</code>: {REASONS.get(reason, '')}", n) for reason, n in summary.reasons.most_common()]
    return _table(("", "rows"), [(name, str(count)) for name, count in rows])


def _provenance(metadata: dict[str, str]) -> str:
    """Return the weights with licences and sha256, the YAML of the pipeline, and all other metadata."""
    files = _table(
        ("weights", "licence", "sha256"),
        [
            (escape(name), escape(licence), f"<code>{escape(sha)}</code>")
            for name, licence, sha in weight_files(metadata)
        ],
    )
    elsewhere = {"pipeline", "weights", "clip"}
    facts = [(escape(name), escape(value)) for name, value in metadata.items() if name not in elsewhere]
    pipeline = f"<pre>{escape(metadata.get('pipeline', ''))}</pre>"
    details = f"<details open><summary>The pipeline</summary>{pipeline}</details>"
    return f"{files}\n{details}\n{_table(('fact', 'value'), facts)}"


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return an HTML table; the cells are HTML, so the caller escapes text."""
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return wide(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

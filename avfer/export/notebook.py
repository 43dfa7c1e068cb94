"""What a notebook shows of a result: coverage, the curves of valence and arousal, and a line for each person.

The HTML loads nothing and runs no script; styles apply below its own element only. All text is escaped.
"""

from html import escape

import pyarrow as pa

from avfer.export import metadata_of
from avfer.export.colours import line_colour
from avfer.export.summary import TableSummary, coverage, summarize
from avfer.export.svg import affect_chart
from avfer.export.track_series import track_series

STYLE = """
.avfer { max-width: 960px; color: #202124; background: #fff; padding: 8px; font: 13px/1.4 system-ui, sans-serif; }
.avfer svg { width: 100%; height: auto; } .avfer svg text { font-size: 12px; fill: #5f6368; }
.avfer svg .name { font-weight: 600; fill: #202124; }
.avfer svg .grid { stroke: #e8eaed; } .avfer svg .zero { stroke: #80868b; }
.avfer td, .avfer th { text-align: left; padding: 2px 12px 2px 0; background: none; }
"""
POINTS = 400  # of a curve at most, so that a saved notebook stays small


def notebook_view(table: pa.Table) -> str:
    """Return the HTML of a table for a notebook.

    table: the columns of `AffectTrack.to_table`, also without rows. All people are drawn and listed.
    """
    people, summary = track_series(table, POINTS), summarize(table)
    title = escape(metadata_of(table.schema).get("clip", "AffectTrack"))
    parts = [f"<style>{STYLE}</style>", f"<strong>{title}</strong>: {escape(coverage(summary))}"]
    if people:
        times = table["time_s"].to_numpy()
        parts.append(affect_chart(people, float(times.min()), float(times.max())))
        labels = [person.label for person in people]
        parts.append(_people(summary, labels))
    return f'<div class="avfer">{"".join(parts)}</div>'


def _people(summary: TableSummary, labels: list[str]) -> str:
    """Return a table with a line for each person, in the order and the colours of the curves.

    labels: of the people, as `track_series` returns them.
    """
    heads = "".join(f"<th>{head}</th>" for head in ("", "rows", "valence", "arousal", "most frequent expressions"))
    lines: list[str] = []
    for number, label in enumerate(labels):
        person = summary.people[label]
        means = ["–", "–"] if person.means is None else [f"{round(mean, 2) + 0.0:+.2f}" for mean in person.means]
        total = max(person.expressions.total(), 1)
        frequent = ", ".join(f"{name} {count / total:.0%}" for name, count in person.expressions.most_common(3))
        dot = f'<span style="color:{line_colour(number)}">&#9679;</span> {escape(label)}'
        cells = (dot, str(person.rows), *means, escape(frequent) or "–")
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<table><tr>{heads}</tr>{''.join(lines)}</table>"

"""A table as one page for people: a self-contained HTML file that needs no network."""

import json
from collections import Counter
from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template

import pyarrow as pa

from avfer.errors import WeightsError
from avfer.export.charts import bars, curves, strips
from avfer.export.files import whole_file
from avfer.export.series import LINE_COLOURS, Series, class_names, colour_of, series_of
from avfer.export.summary import Summary, summarise
from avfer.models.weights import builtin_card

PAGE = Path(__file__).with_name("report.html")
REASONS = {
    "no_face": "no face was found on the frame",
    "no_picture": "the sound goes on without pictures",
    "no_audio": "there is no sound",
    "decode_error": "the frame is damaged, or the first after lost ones",
}


def write_report(table: pa.Table, path: Path) -> Path:
    """Write the page of a clip's table; it appears whole or not at all."""
    with whole_file(path) as part:
        part.write_text(report(table), encoding="utf-8")
    return path


def report(table: pa.Table) -> str:
    """The page as HTML."""
    facts = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    summary, people, names = summarise(table), series_of(table), class_names(table)
    times = table["time_s"].to_numpy()
    start, stop = (float(times.min()), float(times.max())) if len(times) else (0.0, 1.0)
    shown = {str(name) for person in people for name in person.expressions if name}
    counted = sum((person.expressions for person in summary.people.values()), Counter[str]())
    shares = [(name, counted[name] / max(counted.total(), 1)) for name in names]
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=escape(facts.get("clip", "clip")),
        lead=_lead(summary, facts),
        tiles=_tiles(summary, counted),
        curves=curves(people, start, stop) if people else _nothing(),
        people=_key((person.label, LINE_COLOURS[i % len(LINE_COLOURS)]) for i, person in enumerate(people)),
        strips=strips(people, names, start, stop) if people else _nothing(),
        expressions=_key((name, colour_of(name, names)) for name in names if name in shown),
        bars=bars(sorted(shares, key=lambda share: -share[1]), names) if shares else _nothing(),
        coverage=_coverage(summary, people),
        provenance=_provenance(facts),
    )


def _nothing() -> str:
    return "<p>Nothing was read here; the coverage below says why.</p>"


def _lead(summary: Summary, facts: dict[str, str]) -> str:
    size = f", {facts['video_width']}×{facts['video_height']} px" if "video_width" in facts else ""
    unit = "frames" if summary.pictures else "rows"
    return escape(f"{summary.instants} {unit} in {summary.stop:.1f} s{size}, read by avfer {facts.get('version', '')}")


def _tiles(summary: Summary, counted: Counter[str]) -> str:
    known = sum(person.known for person in summary.people.values())
    valence = sum(person.valence for person in summary.people.values())
    arousal = sum(person.arousal for person in summary.people.values())
    told = {
        "Frames with a face": f"{summary.with_face / max(summary.instants, 1):.0%}",
        "Tracks": str(sum(track is not None for track in summary.people)),
        "Mean valence": _signed(valence / known) if known else "–",
        "Mean arousal": _signed(arousal / known) if known else "–",
        "Most frequent": counted.most_common(1)[0][0] if counted else "–",
    }
    return "\n".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in told.items())


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"  # + 0.0 makes -0.0 plain


def _key(entries: Iterable[tuple[str, str]]) -> str:
    items = "".join(f'<li><span style="background:{colour}"></span>{escape(name)}</li>' for name, colour in entries)
    return f'<ul class="key">{items}</ul>'


def _coverage(summary: Summary, people: list[Series]) -> str:
    rows = [("rows in all", summary.rows), *((person.label, person.rows) for person in people)]
    rows += [(f"<code>{reason}</code>: {REASONS.get(reason, '')}", n) for reason, n in summary.reasons.most_common()]
    return _table(("", "rows"), [(name, str(count)) for name, count in rows])


def _provenance(facts: dict[str, str]) -> str:
    weights: dict[str, str] = json.loads(facts.get("weights", "{}"))
    listed = _table(
        ("weights", "licence", "sha256"),
        [(escape(name), escape(_licence(name)), f"<code>{escape(sha)}</code>") for name, sha in weights.items()],
    )
    rest = {name: value for name, value in facts.items() if name not in {"pipeline", "weights", "clip", "ARROW:schema"}}
    others = _table(("fact", "value"), [(escape(name), escape(value)) for name, value in rest.items()])
    pipeline = f"<pre>{escape(facts.get('pipeline', ''))}</pre>"
    return f"{listed}\n<details open><summary>The pipeline</summary>{pipeline}</details>\n{others}"


def _licence(file: str) -> str:
    try:
        return builtin_card(Path(file).stem).licence_weights
    except WeightsError:
        return "see its card"


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

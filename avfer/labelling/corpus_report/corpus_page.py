"""The report of a corpus as one HTML page without network.

Sections: totals and warnings, a table of all clips (those with the fewest faces first), failures, distributions, why
rows have no face, settings and licences. The page of 10,000 clips has about 1.5 MB.
"""

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path

from avfer.atomic import atomic_write
from avfer.export.colours import EXPRESSION_COLOURS, expression_colour
from avfer.export.distribution_charts import density_chart, histogram_chart
from avfer.export.html_page import html_page, html_section, html_table, html_tiles, warning_list
from avfer.export.paged_table import PagedTable, paged_table_script, render_paged_table
from avfer.export.svg import share_chart
from avfer.export.weight_facts import mapped_note, weight_files
from avfer.labelling.corpus_report.corpus_clips import (
    COLUMNS,
    FACE_COLUMN,
    FAILURE_COLUMNS,
    STATE_COLUMN,
    CorpusClips,
    read_corpus,
)
from avfer.labelling.store import active_locks, open_store
from avfer.progress import ReportProgress, no_progress

MAX_KINDS = 20  # reasons of failures that are listed with their number of clips
CLIP_TEXT = (
    "Face: share of frames with a face. Values: share of rows with a valence or an expression, from the face or the"
    " voice; of clips with action units alone, of rows with one. Length: of the part that was labelled. Valence,"
    " arousal and quality are means of the rows. Expression: the most frequent, with its share of the rows. Clips with"
    " the fewest faces come first."
)


def write_corpus_report(folder: Path, output: Path, progress: ReportProgress = no_progress) -> None:
    """Write the report of a folder that `avfer label` made, whether its labelling is complete or not.

    Raises ConfigError if the folder has no labels, OutputError if the file cannot be written.
    """
    store = open_store(folder)
    corpus = read_corpus(store, output, progress)
    page = render_corpus(corpus, folder.resolve().name, running=bool(active_locks(store.locks)))
    with atomic_write(output) as part:
        part.write_text(page, encoding="utf-8")


def render_corpus(corpus: CorpusClips, name: str, running: bool = False) -> str:
    """Return the page of a corpus.   name: of its folder; running: whether its labelling is in progress"""
    status = corpus.status
    version = ", ".join(corpus.versions) or status.run.get("version", "")
    lead = f"{_number(status.clips, 'clip')}, labelled by avfer {version}"
    parts = [_tiles(corpus), warning_list(_warnings(corpus, running)), _clips(corpus)]
    parts += [_failures(corpus)] if corpus.failures else []
    parts += [*_distributions(corpus), _reasons(corpus), _settings(corpus)]
    return html_page(f"Corpus {name}", lead, "\n".join(parts), script=paged_table_script())


def _tiles(corpus: CorpusClips) -> str:
    status = corpus.status
    figures = {
        "Done": f"{status.done:,}",
        "Failed": f"{status.failed:,}",
        "Left": f"{status.left:,}",
        "Length": _duration(corpus.status.media_seconds),
        "Frames": f"{corpus.frames:,}",
        "With a face": _percent(corpus.with_face, corpus.frames),
    }
    return html_tiles(figures.items())


def _warnings(corpus: CorpusClips, running: bool) -> Iterator[str]:
    """Yield what limits the meaning of the page, in sentences."""
    status = corpus.status
    if running:
        yield "The labelling is in progress; the page shows the clips that were done when it was written."
    if status.left:
        yield f"Not labelled yet, and missing in all figures below: {_number(status.left, 'clip')}."
    if corpus.unreadable:
        tables = _number(corpus.unreadable, "table")
        yield f"Cannot be read, and missing in the charts: {tables}. The section Failures has the reasons."
    if len(corpus.versions) > 1:
        counts = ", ".join(f"{version} ({_number(count, 'clip')})" for version, count in corpus.versions.most_common())
        yield f"Several versions of avfer labelled the clips: {counts}."


def _clips(corpus: CorpusClips) -> str:
    names = corpus.distributions.expressions
    colours = {name: expression_colour(name, sorted(names)) for name in sorted({*names, *EXPRESSION_COLOURS})}
    table = PagedTable(
        "clips",
        "clips",
        COLUMNS,
        corpus.rows,
        order=FACE_COLUMN,
        filter=STATE_COLUMN,
        colours=dict(sorted(colours.items())),
    )
    return html_section("Clips", f'<p class="note">{escape(CLIP_TEXT)}</p>\n{render_paged_table(table)}')


def _failures(corpus: CorpusClips) -> str:
    """Return the reasons with their number of clips, and below them every clip that failed."""
    kinds = corpus.failure_kinds.most_common(MAX_KINDS)
    rows = [(kind.reason, kind.stage, f"{count:,}") for kind, count in kinds]
    left = len(corpus.failure_kinds) - len(kinds)
    note = f'<p class="note">Further reasons in the table of clips: {left:,}.</p>' if left else ""
    table = PagedTable("failures", "clips", FAILURE_COLUMNS, corpus.failures, filter=1)
    reasons = html_table(("reason", "stage", "clips"), rows) + note
    return html_section("Failures", f"{reasons}\n<h3>Clips that failed</h3>\n{render_paged_table(table)}")


def _distributions(corpus: CorpusClips) -> Iterator[str]:
    """Yield pairs of charts; a value that no row has is left out."""
    found, rows = corpus.distributions, "rows"
    charts: list[tuple[str, str]] = []
    if found.valence.any():
        charts.append(("Valence", histogram_chart(found.valence, -1, 1, "valence", rows)))
    if found.arousal.any():
        charts.append(("Arousal", histogram_chart(found.arousal, -1, 1, "arousal", rows)))
    if found.plane.any():
        charts.append(("Valence and arousal together", density_chart(found.plane, "valence", "arousal")))
    if total := found.expressions.total():
        shares = [(name, count / total) for name, count in found.expressions.most_common()]
        charts.append(("Most probable expression", share_chart(shares, sorted(found.expressions))))
    if corpus.faces.any():
        charts.append(("Coverage", histogram_chart(corpus.faces, 0, 1, "share of frames with a face", "clips")))
    if found.quality.any():
        charts.append(("Quality", histogram_chart(found.quality, 0, 1, "quality of the face", rows)))
    for start in range(0, len(charts), 2):
        pair = "\n".join(html_section(title, chart) for title, chart in charts[start : start + 2])
        yield f'<div class="pair">\n{pair}\n</div>'


def _reasons(corpus: CorpusClips) -> str:
    """Return the number of rows without a face by reason."""
    status = corpus.status
    rows = [(reason, f"{n:,}", _percent(n, status.rows)) for reason, n in status.reasons.most_common()]
    table = html_table(("reason", "rows", "of all rows"), rows) if rows else "<p>Every row was read from a face.</p>"
    return html_section("Rows from which no face was read", table)


def _settings(corpus: CorpusClips) -> str:
    """Return weights with licences, pipeline, and the facts that the clips have in common."""
    status, run = corpus.status, corpus.status.run
    metadata = corpus.metadata | {"weights": json.dumps(run.get("weights") or {}, sort_keys=True)}
    note = mapped_note(metadata)
    files = html_table(("weights", "licence", "sha256"), weight_files(metadata))
    facts = {
        "versions of avfer": ", ".join(corpus.versions) or str(run.get("version", "")),
        "devices": ", ".join(f"{device} ({_number(count, 'clip')})" for device, count in status.devices.most_common()),
        "scale of action units": metadata.get("au_scale", ""),
        "sha256 of the pipeline": str(run.get("pipeline_sha256", "")),
        "time of all workers": _duration(status.work_seconds),
        "rows of the tables": f"{status.rows:,}",
        "size of the tables": f"{status.bytes / 1e6:,.1f} MB",
    }
    pipeline = f"<details><summary>The pipeline</summary><pre>{escape(str(run.get('pipeline', '')))}</pre></details>"
    text = f'<p class="note">{escape(note)}</p>' if note else ""
    table = html_table(("fact", "value"), [(name, value) for name, value in facts.items() if value])
    return html_section("Settings and licences", f"{text}\n{files}\n{table}\n{pipeline}")


def _number(count: int, noun: str) -> str:
    """Return a number with its noun: "1 clip", "2,000 clips"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _duration(seconds: float) -> str:
    """Return a duration as "5.2 s", "3 min 20 s" or "12 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"

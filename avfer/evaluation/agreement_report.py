"""Write an agreement as a table: for the terminal, CSV, JSON, Markdown, or an HTML page."""

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path

from avfer.atomic import atomic_write
from avfer.errors import ConfigError, unknown
from avfer.evaluation.coding_agreement import Agreement, AgreementScore
from avfer.evaluation.report_rendering import Section, render_html, render_markdown

HEADS = ("column", "measure", "value", "low", "high", "clips", "moments", "unpredicted")
TITLE = "Agreement with human coding"
EXPLAINED = (
    "kappa is Cohen's, alpha Krippendorff's (nominal; interval for valence and arousal), ccc Lin's. low and high bound"
    " the interval; unpredicted moments are coded, but the tables have no value there, and are not scored."
)


def agreement_rows(agreement: Agreement) -> list[tuple[str, ...]]:
    """Return the cells of HEADS for each score, numbers with three digits, a dash where one is not defined."""
    return [_row(score) for score in agreement.scores]


def agreement_sections(agreement: Agreement) -> list[Section]:
    """Return the agreement as sections of a report: scores, notes, facts."""
    sections = [Section("Scores", EXPLAINED, HEADS, tuple(agreement_rows(agreement)))]
    if agreement.notes:
        sections.append(Section("Warnings", "", ("warning",), tuple((note,) for note in agreement.notes)))
    return [*sections, Section("Settings", "", ("fact", "value"), tuple(agreement.facts.items()))]


def check_suffix(path: Path) -> None:
    """Raise ConfigError unless `write_agreement` can write a file with this ending."""
    if path.suffix.lower() not in RENDERERS:
        raise ConfigError(f"--output: {unknown('ending', path.suffix, RENDERERS)}")


def write_agreement(agreement: Agreement, path: Path) -> None:
    """Write an agreement; the ending chooses the format: .csv, .json, .md or .html.

    Raises ConfigError for another ending, OutputError if the file cannot be written.
    """
    check_suffix(path)
    with atomic_write(path) as part:
        part.write_text(RENDERERS[path.suffix.lower()](agreement), encoding="utf-8")


def _row(score: AgreementScore) -> tuple[str, ...]:
    numbers = (_number(value) for value in (score.value, score.low, score.high))
    return score.column, score.measure, *numbers, str(score.clips), str(score.moments), str(score.unpredicted)


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:z.3f}"


def _csv(agreement: Agreement) -> str:
    """Return the scores alone, all digits, empty cells where a number is not defined."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADS)
    for score in agreement.scores:
        writer.writerow("" if cell != cell else cell for cell in score)  # NaN differs from itself
    return text.getvalue()


def _json(agreement: Agreement) -> str:
    return json.dumps(agreement.to_dict(), ensure_ascii=False, indent=2) + "\n"


RENDERERS: dict[str, Callable[[Agreement], str]] = {
    ".csv": _csv,
    ".json": _json,
    ".md": lambda agreement: render_markdown(TITLE, agreement_sections(agreement)),
    ".html": lambda agreement: render_html(TITLE, agreement_sections(agreement)),
}

"""Render a report, given as a list of sections, as Markdown and as one self-contained HTML page."""

from html import escape
from typing import NamedTuple

STYLE = """
:root { color-scheme: light dark; --ink: #1d2127; --soft: #5b6470; --line: #d9dde3; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa4b1; --line: #353c46; --page: #14171c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
p { color: var(--soft); max-width: 48rem } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .2rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top }
.number { text-align: right; white-space: nowrap } td.text { overflow-wrap: anywhere }
th { color: var(--soft); font-weight: 600 }
.wide { overflow-x: auto } svg { max-width: 100%; height: auto; background: #fff; border-radius: 6px }
"""


class Section(NamedTuple):
    """A heading with a text, a table, a chart, or several of them."""

    title: str
    text: str = ""
    heads: tuple[str, ...] = ()  # of the table's columns
    rows: tuple[tuple[str, ...], ...] = ()  # as long as heads
    chart: str = ""  # SVG; only the HTML page shows it
    chart_only: bool = False  # on the HTML page the chart replaces the table


def render_markdown(title: str, sections: list[Section]) -> str:
    """Return the report as Markdown: a heading, the text and the table of each section, without charts.

    A section that has only a chart is left out.
    """
    parts = [f"# {title}"]
    for section in sections:
        if section.chart and not section.rows:
            continue
        parts.append(f"## {section.title}")
        parts += [section.text] if section.text else []
        if section.rows:
            lines = [section.heads, tuple("---" for _ in section.heads), *section.rows]
            parts.append("\n".join("| " + " | ".join(_escape_cell(cell) for cell in line) + " |" for line in lines))
    return "\n\n".join(parts) + "\n"


def render_html(title: str, sections: list[Section]) -> str:
    """Return the report as one HTML page that loads nothing else: no script, no style sheet, no image.

    Charts are inline SVG; colours follow the light or dark setting of the reader's system.
    """
    parts = [f"<h1>{escape(title)}</h1>"]
    for section in sections:
        parts.append(f"<h2>{escape(section.title)}</h2>")
        parts += [f"<p>{escape(section.text)}</p>"] if section.text else []
        if section.rows and not section.chart_only:
            parts.append(_table(section))
        parts += [section.chart] if section.chart else []
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _escape_cell(text: str) -> str:
    """Return a text that cannot break a row of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _table(section: Section) -> str:
    """Return the table of a section; columns without any letter are aligned as numbers."""
    kinds = ["text" if any(map(_has_letters, column)) else "number" for column in zip(*section.rows, strict=True)]
    head = _row("th", section.heads, kinds)
    rows = "".join(_row("td", row, kinds) for row in section.rows)
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'


def _row(tag: str, cells: tuple[str, ...], kinds: list[str]) -> str:
    parts = (f'<{tag} class="{kind}">{escape(cell)}</{tag}>' for kind, cell in zip(kinds, cells, strict=True))
    return f"<tr>{''.join(parts)}</tr>"


def _has_letters(cell: str) -> bool:
    return any(character.isalpha() for character in cell)

"""Render a report, given as a list of sections, as Markdown and as one self-contained HTML page."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from avfer.export.html_page import html_page, html_section, html_table, html_tiles, show_controls, warning_list
from avfer.export.paged_table import Cell, Kind, PagedColumn, PagedTable, paged_table_script, render_paged_table

MAX_ROWS = 200  # of a plain table; a longer one has search and pages
DASH = "–"  # a cell without a value


class Section(NamedTuple):
    """A heading with a text, a table, a chart, or several of them."""

    title: str
    text: str = ""
    heads: tuple[str, ...] = ()  # of the table's columns
    rows: tuple[tuple[str, ...], ...] = ()  # as long as heads
    chart: str = ""  # SVG, in a box that scrolls if it is wide; only the HTML page shows it
    chart_only: bool = False  # on the HTML page the chart replaces the table
    warnings: tuple[str, ...] = ()  # sentences above the text
    command: str = ""  # a command line to copy, below the text


def render_markdown(title: str, sections: list[Section]) -> str:
    """Return the report as Markdown: a heading, warnings, text and table of each section, without charts.

    A section that has only a chart is left out.
    """
    parts = [f"# {title}"]
    for section in sections:
        if section.chart and not section.rows:
            continue
        parts.append(f"## {section.title}")
        parts += [f"**Warning:** {warning}" for warning in section.warnings]
        parts += [section.text] if section.text else []
        parts += [f"```console\n$ {section.command}\n```"] if section.command else []
        if section.rows:
            lines = [section.heads, tuple("---" for _ in section.heads), *section.rows]
            parts.append("\n".join("| " + " | ".join(_escape_cell(cell) for cell in line) + " |" for line in lines))
    return "\n\n".join(parts) + "\n"


def render_html(title: str, sections: list[Section], lead: str = "", figures: Sequence[tuple[str, str]] = ()) -> str:
    """Return the report as one HTML page that loads nothing else: no style sheet, no image, no script but its own.

    lead: the line below the title; figures: (name, value) of the key figures at the top.

    Charts are inline SVG; colours follow the light or dark setting of the reader's system. Tables of more than
    MAX_ROWS rows have search, order and pages.
    """
    content = "\n".join(_section(number, section) for number, section in enumerate(sections))
    tiles = html_tiles(figures) + "\n" if figures else ""
    paged = any(_is_paged(section) for section in sections)
    return html_page(title, lead, tiles + content, script=paged_table_script() if paged else "")


def _escape_cell(text: str) -> str:
    """Return a text that cannot break a row of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _section(number: int, section: Section) -> str:
    """Return a section of the page.   number: of the section, for the name of its table"""
    parts = [warning_list(section.warnings)]
    parts += [f'<p class="note">{escape(section.text)}</p>'] if section.text else []
    parts += [f'<pre class="command">{escape(section.command)}</pre>'] if section.command else []
    if _is_paged(section):
        parts.append(render_paged_table(_paged_table(number, section)))
    elif section.rows and not section.chart_only:
        parts.append(html_table(section.heads, [[show_controls(cell) for cell in row] for row in section.rows]))
    parts += [section.chart] if section.chart else []
    return html_section(section.title, "\n".join(filter(None, parts)))


def _is_paged(section: Section) -> bool:
    return len(section.rows) > MAX_ROWS and not section.chart_only


def _paged_table(number: int, section: Section) -> PagedTable:
    """Return the table of a section; a column of numbers alone is ordered by value."""
    columns = [_paged_column(cells) for cells in zip(*section.rows, strict=True)]
    heads = [PagedColumn(head, kind) for head, (kind, _) in zip(section.heads, columns, strict=True)]
    rows = list(zip(*(cells for _, cells in columns), strict=True))
    return PagedTable(f"table-{number}", "rows", heads, rows)


def _paged_column(cells: Sequence[str]) -> tuple[Kind, list[Cell]]:
    """Return the kind of a column and its cells: "score" and numbers if every cell is one or a dash, else text."""
    try:
        return "score", [None if cell == DASH else float(cell) for cell in cells]
    except ValueError:
        return "text", [show_controls(cell) for cell in cells]

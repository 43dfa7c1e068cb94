"""A table of many rows on a page: search, order by any column, pages of 50 rows.

The rows are data for `paged_table.js` beside this module; a page with such tables carries that script once, at its end.
All cells are text when they are shown, so no name of a clip can become an element of the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal, NamedTuple

from avfer.export.html_page import script_data

SCRIPT = Path(__file__).with_name("paged_table.js")
PAGE_SIZES = {"50": "50 rows", "200": "200 rows", "1000": "1,000 rows"}
TEXT_KINDS = ("text", "prose", "link", "expression")
Kind = Literal["text", "prose", "link", "expression", "count", "number", "score", "signed", "share", "seconds"]
Cell = str | int | float | None


class PagedColumn(NamedTuple):
    """A column, and how its cells are shown.

    kind: "text"; "prose", a long text; "link", a text that links the target of its row; "expression", a class beside
    its colour; "count"; "number" and "signed", with two decimals; "score", with four; "share", of [0, 1] in percent;
    "seconds".
    """

    title: str
    kind: Kind = "text"


@dataclass(frozen=True)
class PagedTable:
    """The rows of a table and how they are ordered at first.

    A missing value is None or "", and comes last in every order. A row has a cell for each column and, if a column is
    a link, one more: the address, or None where there is no page.
    """

    name: str  # of the element, unique on the page
    noun: str  # what a row is, in the plural: "clips"
    columns: Sequence[PagedColumn]  # C of them
    rows: Sequence[Sequence[Cell]]  # R of C or C + 1 cells
    order: int = 0  # number of the column by which rows are ordered at first
    descending: bool = False  # whether the largest come first
    filter: int | None = None  # number of a column of text of whose values one can be chosen
    colours: Mapping[str, str] | None = None  # of expressions


def paged_table_script() -> str:
    """Return the script that shows every paged table of a page."""
    return SCRIPT.read_text(encoding="utf-8")


def render_paged_table(table: PagedTable) -> str:
    """Return the HTML of a paged table with its rows as data."""
    data = {
        "noun": table.noun,
        "columns": [{"title": column.title, "kind": column.kind} for column in table.columns],
        "rows": table.rows,
        "order": table.order,
        "descending": table.descending,
        "filter": table.filter,
        "target": len(table.columns),
        "colours": dict(table.colours or {}),
    }
    heads = "".join(_head(column) for column in table.columns)
    sizes = "".join(f'<option value="{size}">{text}</option>' for size, text in PAGE_SIZES.items())
    return (
        f'<div class="paged">\n<div class="controls"><input class="search" type="search" placeholder="Search"'
        f' aria-label="Search {escape(table.noun)}">{_filter(table)}'
        f'<select class="size" aria-label="Rows on a page">{sizes}</select></div>\n'
        f'<div class="wide" tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody></tbody></table></div>\n'
        '<div class="controls"><button class="previous" type="button">Previous</button>'
        '<button class="next" type="button">Next</button> <span class="range" role="status"></span></div>\n'
        f"<noscript><p>This table needs JavaScript.</p></noscript>\n{script_data(table.name, data)}\n</div>"
    )


def _head(column: PagedColumn) -> str:
    kind = "" if column.kind in TEXT_KINDS else ' class="n"'
    return f'<th{kind}><button type="button">{escape(column.title)}</button></th>'


def _filter(table: PagedTable) -> str:
    """Return the choice of one value of the filter's column, if the rows have several."""
    if table.filter is None:
        return ""
    values = sorted({str(row[table.filter]) for row in table.rows if row[table.filter]})
    options = "".join(f'<option value="{escape(value)}">{escape(value)}</option>' for value in values)
    if len(values) < 2:
        return ""
    name = escape(table.columns[table.filter].title)
    return f'<select class="filter" aria-label="{name}"><option value="">{name}: all</option>{options}</select>'

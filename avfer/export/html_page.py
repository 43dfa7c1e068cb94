"""The HTML page around every report: one file without network, its style from `page.css` beside this module.

The parts take plain text and escape it, except where an argument is said to be HTML. A page runs no script of its own;
one that does passes it as `script`, with data from `script_data`.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

CONTROLS = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]")
STYLE = Path(__file__).with_name("page.css")


def page_style() -> str:
    """Return the style sheet of every page, to be put between `<style>` and `</style>`."""
    return STYLE.read_text(encoding="utf-8")


def html_page(
    title: str, lead: str, content: str, *, script: str = "", head: str = "", sources: Mapping[str, str] | None = None
) -> str:
    """Return a page as HTML: title, the line below it, and the content.

    title, lead: text; content, head: HTML, of the body and of the head; script: JavaScript that runs at the end;
    sources: what the page may load beside its own parts, as directives of a content security policy.
    """
    program = f"<script>\n{script}\n</script>\n" if script else ""
    below = f'<p class="lead">{escape(lead)}</p>\n' if lead else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script, sources or {})}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} – avfer</title>\n<style>\n{page_style()}</style>\n{head}</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{below}{content}\n</main>\n{program}</body>\n</html>\n"
    )


def _policy(script: str, sources: Mapping[str, str]) -> str:
    """Return the content security policy of a page: it loads nothing, and no script runs but its own.

    A script that is injected through the data has another hash, so browsers refuse it.
    """
    digest = base64.b64encode(hashlib.sha256(f"\n{script}\n".encode()).digest()).decode()
    directives = {
        "default-src": "'none'",
        "script-src": f"'sha256-{digest}'" if script else "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {allowed}" for name, allowed in (directives | dict(sources)).items())


def show_controls(text: str) -> str:
    """Return a text with control characters as codes, also those that reverse the direction of what follows.

    >>> show_controls("clip\\u202e4pm.exe")
    'clip\\\\u202e4pm.exe'
    """
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def html_section(title: str, content: str) -> str:
    """Return a section with a heading.   title: text; content: HTML"""
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def html_tiles(figures: Iterable[tuple[str, str]]) -> str:
    """Return key figures side by side.   figures: (name, value) as text"""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures)
    return f'<dl class="tiles">{items}</dl>'


def html_legend(entries: Iterable[tuple[str, str]]) -> str:
    """Return the legend of a chart.   entries: (name, colour)"""
    items = "".join(f'<li><span style="background:{colour}"></span>{escape(name)}</li>' for name, colour in entries)
    return f'<ul class="key">{items}</ul>'


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in a box that scrolls if it is wider than the page.

    heads, rows: cells as text. Columns without any letter are aligned as numbers, unless all cells are empty.
    """
    rows = [tuple(row) for row in rows]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(heads)
    kinds = [' class="n"' if any(column) and not any(map(_has_letters, column)) else "" for column in columns]
    head = _cells("th", heads, kinds)
    body = "".join(_cells("td", row, kinds) for row in rows)
    return wide(f"<table><thead>{head}</thead><tbody>{body}</tbody></table>")


def warning_list(sentences: Iterable[str]) -> str:
    """Return warnings as a list in a box, or nothing if there are none.   sentences: text"""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="warning">{items}</ul>' if items else ""


def wide(content: str) -> str:
    """Return HTML in a box that scrolls sideways on narrow screens, with the keyboard too."""
    return f'<div class="wide" tabindex="0">{content}</div>'


def script_data(identifier: str, content: Any) -> str:
    """Return data for a script of the page as an element that runs nothing.

    content: anything fit for JSON without NaN. The script reads it with
    `JSON.parse(document.getElementById(identifier).textContent)`; no text in it can end the element or start another.
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    safe = safe.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return f'<script type="application/json" id="{identifier}">{safe}</script>'


def _cells(tag: str, cells: Sequence[str], kinds: Sequence[str]) -> str:
    parts = (f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))
    return f"<tr>{''.join(parts)}</tr>"


def _has_letters(cell: str) -> bool:
    return any(character.isalpha() for character in cell)

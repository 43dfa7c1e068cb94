"""The page around every report: its style, its tables, and data for its script."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

from avfer.export.html_page import html_page, html_table, html_tiles, page_style, script_data

HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\u2028&\"'"


class Elements(HTMLParser):
    """The elements and the text of a page, as a browser reads them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_hostile_text_stays_text_in_every_part_of_a_page():
    content = html_tiles([(HOSTILE, HOSTILE)]) + html_table((HOSTILE,), [(HOSTILE,)])
    elements = Elements(html_page(HOSTILE, HOSTILE, content))
    assert "img" not in elements.tags and "script" not in elements.tags
    assert elements.texts.count(HOSTILE) == 6


def test_data_for_a_script_cannot_end_its_element():
    elements = Elements(script_data("clips", [HOSTILE]))
    assert elements.tags == ["script"]
    assert json.loads("".join(elements.texts)) == [HOSTILE]


def test_columns_of_a_table_without_letters_are_aligned_as_numbers():
    table = html_table(("name", "value"), [("a", "1.5"), ("b", "–")])
    assert '<th>name</th><th class="n">value</th>' in table
    assert html_table(("name",), []).count("<th>") == 1


def test_the_style_of_a_page_loads_nothing():
    assert "url(" not in page_style() and "@import" not in page_style() and "<" not in page_style()


def test_a_page_runs_its_own_script_only_and_loads_nothing_unless_it_says_so():
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html_page("a", "", "", script="let a = 1"))[1]
    digest = base64.b64encode(hashlib.sha256(b"\nlet a = 1\n").digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert "script-src 'none'" in html_page("a", "", "")
    assert "media-src file:" in html_page("a", "", "", sources={"media-src": "file:"})

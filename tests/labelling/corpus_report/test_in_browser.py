"""The report of a corpus in a real browser."""

from collections import Counter

import pytest

from avfer.labelling.corpus_report.corpus_clips import CorpusClips
from avfer.labelling.corpus_report.corpus_page import render_corpus, write_corpus_report
from avfer.labelling.status import CorpusStatus
from tests.browser import WIDTHS, browser, open_page
from tests.labelling.labelled_folder import LabelledClip, random_table, write_labelled_folder

HOSTILE = "<img src=x onerror=alert(1)>\u202e.mp4"
MANY = 10_000
FIND = """text => {
  const field = document.querySelector(".search"); field.value = text; field.dispatchEvent(new Event("input"));
  const table = document.querySelector(".paged"), cells = table.querySelectorAll("tbody td:first-child");
  return { shown: cells.length, first: cells[0].textContent, range: table.querySelector(".range").textContent };
}"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """Return the page of 130 clips, one with a hostile name and one that failed."""
    folder = tmp_path_factory.mktemp("corpus")
    clips = [LabelledClip(f"part/recording_{number:03d}.mp4", random_table(number)) for number in range(128)]
    clips += [LabelledClip(HOSTILE, random_table(3)), LabelledClip("b.mp4", failure="<script>alert(2)</script>")]
    write_corpus_report(write_labelled_folder(folder / "labels", clips), folder / "corpus.html")
    return folder / "corpus.html"


def rows(opened):
    return opened.page.locator("#clips").locator("xpath=..").locator("tbody tr")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_has_no_error_no_request_and_does_not_scroll_sideways(chromium, page_file, width, scheme):
    with open_page(chromium, page_file, width, scheme) as opened:
        assert opened.errors == opened.requests == []
        assert opened.scroll_width == width
        assert rows(opened).count() == 50


def test_the_name_of_an_expression_is_beside_its_dot(chromium, page_file):
    with open_page(chromium, page_file, 1024) as opened:
        dots, names = (opened.page.locator(f"td.expression {part}") for part in (".dot", "bdi"))
        assert dots.count() == names.count() > 0
        for dot, name in zip(dots.all(), names.all(), strict=True):
            assert abs(dot.bounding_box()["y"] - name.bounding_box()["y"]) < 12


def test_search_order_and_pages_reach_every_clip(chromium, page_file):
    with open_page(chromium, page_file) as opened:
        page, table = opened.page, opened.page.locator(".paged").first
        seen = Counter[str]()
        for number in range(3):
            if number:
                table.locator(".next").click()
            seen.update(rows(opened).locator("td:first-child").all_inner_texts())
        assert table.locator(".next").is_disabled()
        assert len(seen) == 130 and set(seen.values()) == {1}
        table.locator(".search").fill("onerror")
        assert rows(opened).locator("td:first-child").all_inner_texts() == ["<img src=x onerror=alert(1)>\\u202e.mp4"]
        table.locator(".search").fill("")
        table.locator("th button", has_text="Valence").click()
        table.locator("th button", has_text="Valence").click()
        means = [float(text.replace("−", "-")) for text in rows(opened).locator("td:nth-child(8)").all_inner_texts()]
        assert means == sorted(means, reverse=True)
        assert page.locator('th[aria-sort="descending"]').inner_text() == "Valence"
        table.locator(".filter").select_option("failed")
        assert rows(opened).locator("td:first-child").all_inner_texts() == ["b.mp4"]
        assert opened.errors == []


def clip_name(number):
    return f"site{number % 7}/subject_{number % 211:03d}/session{number % 5}/recording_{number:05d}.mp4"


def test_a_page_of_10000_clips_is_small_and_searches_all_of_them_before_it_returns(chromium, tmp_path):
    """What a page draws does not grow with its clips; `python -m tools.bench.report --clips 10000` measures times."""
    corpus = CorpusClips(CorpusStatus(clips=MANY, done=MANY))
    names = [clip_name(number) for number in range(MANY)]
    for number, name in enumerate(names):
        share = number * 37 % 1000 / 1000
        means = (round(share - 0.5, 4), round(0.5 - share, 4), "happiness", 0.5321, 0.8765)
        corpus.rows.append([name, "done", share, share, 30.04, 751, 1, *means, f"./labels/reports/{name}.html"])
    path = tmp_path / "corpus.html"
    path.write_text(render_corpus(corpus, "labels"), encoding="utf-8")
    assert path.stat().st_size < 3e6
    with open_page(chromium, path) as opened:
        elements = opened.page.evaluate("document.querySelectorAll('*').length")
        assert elements < 3000
        for text in ("", "subject_10", "session3 site1", "recording_09999"):
            matches = [name for name in names if all(word in name for word in text.split())]
            found = opened.page.evaluate(FIND, text)
            assert found["shown"] == min(len(matches), 50) and found["first"] in matches
            assert f"of {len(matches):,} clips" in found["range"]
        assert opened.errors == []

"""What the pixel columns of a chart show, as the scripts of the page compute it in a real browser, against NumPy."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avfer.export.clip_report.html_report import HtmlReport
from tests.browser import browser, open_page
from tests.export.tracks import make_track

MISSING = -32768
INSTANTS = 3000
DEFINE = """({ times, index, values, codes }) => {
  window.model = { instants: new Float64Array(times), stop: times.at(-1) + 0.04 };
  window.line = { index: index && new Int32Array(index), values: new Int16Array(values), scale: 100 };
  window.codes = new Int16Array(codes);
}"""
COLUMNS = """({ min, max, width }) => {
  const columns = pixelColumns(model, { min, max }, width), { low, high } = lineColumns(model, line, columns);
  const maxima = columnMaxima([line], columns), most = columnCodes(line.index, codes, 4, columns);
  return { low: [...low], high: [...high], maxima: [...maxima], codes: [...most] };
}"""
VIEWS = [
    (0.0013, 119.9871, 37),
    (0.0013, 119.9871, 800),
    (20.0017, 21.0031, 200),
    (3.0137, 100.7113, 300),
]  # between samples

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    file: Path = tmp_path_factory.mktemp("page") / "page.html"
    HtmlReport().write(make_track([(0, 1), (1, 1)], 2).to_table(), file.with_name("gone.mp4"), file)
    with browser() as chromium, open_page(chromium, file) as opened:
        opened.page.wait_for_function("() => window.avferReport")
        yield opened.page
        assert opened.errors == []


def make_line(page: Any, gaps: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put a line into the page; return times, (T,) s, and values and codes of each instant, (T,), NaN without one."""
    random = np.random.default_rng(3)
    times = np.arange(INSTANTS) * 0.04
    present = random.random(INSTANTS) < 0.9 if gaps else np.ones(INSTANTS, bool)
    present[1000:1200] &= not gaps
    values = random.integers(-100, 100, INSTANTS).astype(float)
    values[random.random(INSTANTS) < 0.1] = np.nan
    values[~present] = np.nan
    codes = np.where(present, random.integers(0, 4, INSTANTS), -1)
    stored = np.where(np.isnan(values), MISSING, values)[present].astype(int).tolist()
    index = np.flatnonzero(present).tolist() if gaps else None
    data = {"times": times.tolist(), "index": index, "values": stored, "codes": codes[present].tolist()}
    page.evaluate(DEFINE, data)
    return times, values, codes


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("view", VIEWS)
def test_a_column_has_the_smallest_and_largest_value_of_the_line_within_it(page, view, gaps):
    times, values, _ = make_line(page, gaps)
    found = columns(page, view)
    low, high, edges = np.array(found["low"]), np.array(found["high"]), np.linspace(view[0], view[1], view[2] + 1)
    crossings = np.interp(edges, times, values)  # NaN beside a missing value
    for x, (start, stop) in enumerate(pairwise(edges)):
        inside = values[(times >= start) & (times < stop)]
        own = np.array([*inside, crossings[x], crossings[x + 1]])
        own = own[np.isfinite(own)]
        if len(own):
            assert (low[x], high[x]) == pytest.approx((own.min(), own.max()), abs=1e-3)
        else:
            assert low[x] > high[x]


@pytest.mark.parametrize("view", VIEWS)
def test_a_column_of_a_heat_map_has_the_largest_value_and_a_ribbon_the_most_frequent_code(page, view):
    times, values, codes = make_line(page, gaps=True)
    found, edges = columns(page, view), np.linspace(view[0], view[1], view[2] + 1)
    for x, (start, stop) in enumerate(pairwise(edges)):
        first, last = np.searchsorted(times, [start, stop])
        shown = slice(first, last) if last > first else slice(first - 1, first)  # else the one that lasts through it
        known = values[shown][np.isfinite(values[shown])]
        assert found["maxima"][x] == (known.max() if len(known) else MISSING)
        counts = np.bincount(codes[shown][codes[shown] >= 0], minlength=4)
        assert found["codes"][x] == (counts.argmax() if counts.any() else -1)


def test_a_peak_of_one_frame_is_drawn_in_the_widest_view(page):
    times = np.arange(90_000) * 0.04
    values = np.zeros(90_000, int)
    values[54_321] = 95
    page.evaluate(DEFINE, {"times": times.tolist(), "index": None, "values": values.tolist(), "codes": []})
    found = columns(page, (0.0, 3600.0, 400))
    assert [x for x, value in enumerate(found["high"]) if value == 95] == [int(54_321 * 0.04 / 9)]
    assert max(found["maxima"]) == 95


def columns(page: Any, view: tuple[float, float, int]) -> dict[str, list[float]]:
    """Return what the page shows in each pixel column of a view (start s, stop s, width px)."""
    start, stop, width = view
    return page.evaluate(COLUMNS, {"min": start, "max": stop, "width": width})

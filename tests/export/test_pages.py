"""Pages and figures: the report, the plot, the summary on a terminal."""

import re
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from matplotlib import pyplot
from rich.console import Console

from avfer.export.charts import curves
from avfer.export.report import report, write_report
from avfer.export.series import series_of
from avfer.export.summary import Summary, summarise
from avfer.export.table import to_table
from avfer.export.terminal import sparkline, summary_table
from avfer.provenance import Provenance
from avfer.types import NO_TRACK
from tests.export.tracks import make_track, split

TWO = make_track([(frame, track) for frame in range(60) for track in (1, 2) if track == 1 or 20 <= frame < 40], 70)
TRACKS = {
    "two people": TWO,
    "voice alone": make_track([(frame, NO_TRACK) for frame in range(30)], 30, pictures=False),
    "nothing": make_track([], 30),
    "one frame": make_track([(0, 1)], 1),
}


class Tags(HTMLParser):
    """Opening and closing tags, and all that would ask the network."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.outside, self.words = list[str](), list[str](), ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.outside += [value for name, value in attrs if name in {"src", "href"} and value]
        if tag not in {"meta"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


@pytest.mark.parametrize("name", TRACKS)
def test_a_report_is_whole_and_asks_no_network(name):
    page = report(to_table(TRACKS[name]))
    tags = Tags(page)
    assert tags.open == [] and tags.outside == [] and "$" not in page
    assert "nan" not in page and "url(" not in page


def test_a_report_tells_people_coverage_and_origin(tmp_path):
    page = write_report(to_table(TWO), tmp_path / "a.html").read_text()
    words = Tags(page).words
    assert "talk.mp4" in words and "track 1" in words and "track 2" in words
    assert "no face was found" in words and "cd" * 32 in words and "stages: {}" in words
    assert "86%" in words  # 60 of 70 frames have a face


def test_text_from_outside_cannot_become_markup():
    page = report(to_table(make_track([(0, 1)], 1, source=Provenance("<script>alert(1)</script>.mp4"))))
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_a_line_breaks_where_a_track_was_gone():
    gone = make_track([(frame, 1) for frame in range(30) if not 10 <= frame < 20], 30)
    (person,) = series_of(to_table(gone))
    assert np.isnan(person.valence).sum() == 1
    assert len(re.findall(r"M[\d.]+ ", curves([person], 0, 1.2))) == 4  # two pieces in each of two panels


def test_long_clips_are_averaged_to_few_points():
    (person,) = series_of(to_table(make_track([(frame, 1) for frame in range(5000)], 5000)), points=100)
    assert len(person.times) <= 101 and person.rows == 5000
    assert np.all(np.diff(person.times) > 0) and np.nanmax(np.abs(person.valence)) <= 1


@pytest.mark.parametrize("name", TRACKS)
def test_a_plot_can_be_made_of_any_result(name, tmp_path):
    figure = TRACKS[name].plot()
    figure.savefig(tmp_path / "a.png")
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes[:2]] == ["valence", "arousal"]
    pyplot.close(figure)


def test_a_summary_counts_people_faces_and_reasons():
    summary = summarise(to_table(TWO))
    assert (summary.rows, summary.instants, summary.with_face) == (90, 70, 60)
    assert {track: person.rows for track, person in summary.people.items()} == {1: 60, 2: 20}
    assert summary.reasons == {"no_face": 10}
    valence, arousal = summary.people[2].means or (0, 0)
    assert valence == pytest.approx(TWO.valence[TWO.faces.track_ids == 2].mean(), abs=1e-5)
    assert arousal == pytest.approx(valence / 3, abs=1e-5)


@pytest.mark.parametrize("cuts", [[1], [7, 30], list(range(70))])
def test_a_summary_of_parts_is_the_summary_of_the_whole(cuts):
    summary, whole = Summary(), summarise(to_table(TWO))
    for part in split(TWO, cuts):
        summary.add(to_table(part))
    assert (summary.rows, summary.instants, summary.with_face) == (whole.rows, whole.instants, whole.with_face)
    assert summary.people[1].curve(0) == pytest.approx(whole.people[1].curve(0))


@pytest.mark.parametrize("name", TRACKS)
def test_the_terminal_shows_a_line_for_each_person(name):
    console = Console(record=True, width=120, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    with console.file:
        console.print(summary_table(summarise(to_table(TRACKS[name])), "talk.mp4", 120))
        told = console.export_text()
    assert ("voice" in told) == (name == "voice alone")
    assert ("frames in" in told) == (name != "voice alone") and "talk.mp4" in told


@pytest.mark.parametrize(
    ("values", "drawn"), [([], ""), ([-1.0, 0.0, 1.0], "▁▅█"), ([0.0, None, 0.0], "▅ ▅"), ([1.0] * 100, "█" * 24)]
)
def test_a_sparkline_spans_minus_one_to_one(values, drawn):
    assert sparkline(values) == drawn


def test_an_empty_table_has_an_empty_summary():
    assert summarise(to_table(TWO).slice(0, 0)) == Summary()
    assert isinstance(to_table(TWO), pa.Table)

"""The HTML report of a clip."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from avfer.baseline import Baseline, corrected_table
from avfer.export.html_report import HtmlReport, render_report
from avfer.models.weights import builtin_card
from avfer.provenance import Provenance
from tests.export.tracks import TRACKS, TWO_PEOPLE, make_track, with_measures


class Tags(HTMLParser):
    """The open tags, the text, and every reference to a file outside the page; embedded pictures are part of it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.references, self.text = list[str](), list[str](), ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.references += [value for name, value in attrs if name in {"src", "href"} and value]
        self.references = [value for value in self.references if not value.startswith("data:image/png;base64,")]
        if tag not in {"meta"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", TRACKS)
def test_a_report_is_complete_html_without_references(name):
    page = render_report(TRACKS[name].to_table())
    tags = Tags(page)
    assert tags.open == [] and tags.references == [] and "$" not in page
    assert "nan" not in re.sub('base64,[^"]*', "", page) and "url(" not in page


def test_a_report_shows_people_coverage_and_provenance(tmp_path):
    HtmlReport().write(TWO_PEOPLE.to_table(), Path("talk.mp4"), tmp_path / "a.html")
    text = Tags((tmp_path / "a.html").read_text()).text
    assert "talk.mp4" in text and "track 1" in text and "track 2" in text
    assert "no face was found" in text and "cd" * 32 in text and "stages: {}" in text
    assert "86%" in text  # 60 of 70 frames have a face


def headings(table):
    return re.findall("<h2>(.*?)</h2>", render_report(table))


def test_measures_have_sections_only_where_they_have_values():
    every = headings(with_measures(TWO_PEOPLE))
    assert every[2:5] == ["Action units: activation (measured movement), 0 to 1", "Head pose", "Gaze"]
    assert headings(with_measures(TWO_PEOPLE, ["pitch_deg"]))[2:4] == ["Head pose", every[5]]
    null = with_measures(TRACKS["voice alone"])
    assert null["au01"].null_count == len(null) and headings(null) == [*every[:2], *every[5:]]


def test_action_units_are_titled_by_their_scale_and_correction():
    assert "Action units: occurrence (probability), 0 to 1" in headings(with_measures(TWO_PEOPLE, scale="occurrence"))
    corrected = corrected_table(with_measures(TWO_PEOPLE), Baseline())
    title = "Action units: activation (measured movement) minus the person&#x27;s resting value, 0 to 1"
    assert title in headings(corrected)


def test_measured_action_units_are_not_called_mapped():
    source = Provenance("a.mp4", weights={"gru_lite.safetensors": builtin_card("gru_lite").sha256 or ""})
    page = render_report(with_measures(make_track([(0, 1)], 1, source=source)))
    assert "Valence and arousal are mapped" in page


def test_a_report_shows_the_measures_of_every_track():
    crowd = make_track([(frame, track) for frame in range(3) for track in range(20)], 3)
    page = render_report(with_measures(crowd))
    assert all(page.count(f"action units of track {track}<") == 1 for track in range(20))
    assert all(page.count(f"Head yaw of track {track}<") == 1 for track in range(20))
    assert all(page.count(f"Gaze yaw of track {track}<") == 1 for track in range(20))


def test_a_report_shows_every_track():
    page = render_report(make_track([(frame, track) for frame in range(3) for track in range(20)], 3).to_table())
    strips = page[page.index("Expression over time") : page.index("Action units over time")]
    assert all(strips.count(f">track {track}</text>") == 1 for track in range(20))
    assert all(page.count(f"Valence of track {track}<") == 1 for track in range(20))


def test_a_report_says_that_the_values_of_embedded_weights_are_mapped_and_not_measured():
    note = "mapped, not measured"
    embedded = {"gru_lite.safetensors": builtin_card("gru_lite").sha256 or ""}
    for weights, shown in ((embedded, True), ({"gru_lite.safetensors": "ab" * 32}, False), ({}, False)):
        page = render_report(make_track([(0, 1)], 1, source=Provenance("a.mp4", weights=weights)).to_table())
        assert (note in page) is shown
    assert "gru_lite" in render_report(make_track([], 1, source=Provenance("a.mp4", weights=embedded)).to_table())


def test_metadata_is_escaped():
    source = Provenance("<script>alert(1)</script>.mp4")
    page = render_report(make_track([(0, 1)], 1, source=source).to_table())
    assert "<script>" not in page and "&lt;script&gt;" in page

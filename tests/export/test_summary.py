"""The summary of a table and its printout on a terminal."""

import pyarrow.compute as pc
import pytest
from rich.console import Console

from avfer.export.summary import TableSummary, coverage, sparkline, summarize, summary_table
from tests.export.tracks import TRACKS, TWO_PEOPLE, split


def test_a_summary_counts_people_faces_and_reasons():
    summary = summarize(TWO_PEOPLE.to_table())
    assert (summary.rows, summary.instants, summary.with_face) == (90, 70, 60)
    assert {track: person.rows for track, person in summary.people.items()} == {1: 60, 2: 20}
    assert summary.reasons == {"no_face": 10}
    valence, arousal = summary.people[2].means or (0, 0)
    assert valence == pytest.approx(TWO_PEOPLE.valence[TWO_PEOPLE.faces.track_ids == 2].mean(), abs=1e-5)
    assert arousal == pytest.approx(valence / 3, abs=1e-5)


@pytest.mark.parametrize("cuts", [[1], [7, 30], list(range(70))])
def test_the_summary_of_parts_equals_the_summary_of_the_whole(cuts):
    summary, whole = TableSummary(), summarize(TWO_PEOPLE.to_table())
    for part in split(TWO_PEOPLE, cuts):
        summary.add(part.to_table())
    assert (summary.rows, summary.instants, summary.with_face) == (whole.rows, whole.instants, whole.with_face)
    assert summary.people[1].curve(0) == pytest.approx(whole.people[1].curve(0))


def test_the_duration_of_a_part_of_a_clip_begins_at_its_first_frame():
    summary = summarize(TWO_PEOPLE.to_table().filter(pc.field("frame") >= 50))
    assert summary.seconds == pytest.approx(19 / 25)
    assert "in 0.8 s" in coverage(summary)


def test_an_empty_table_has_an_empty_summary():
    assert summarize(TWO_PEOPLE.to_table().slice(0, 0)) == TableSummary()
    assert TableSummary().seconds == 0


def test_a_summary_without_people_is_printed_without_columns():
    console = Console(width=100)
    summary = TableSummary(rows=1, instants=1, has_frames=True, start=0.0)
    with console.capture() as printed:
        console.print(summary_table(summary, ""))
    assert printed.get().strip() == "1 frame in 0.0 s, a face on 0%"


@pytest.mark.parametrize("name", TRACKS)
def test_the_terminal_shows_a_line_for_each_person(name):
    console = Console(record=True, width=120, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    with console.file:
        console.print(summary_table(summarize(TRACKS[name].to_table()), "talk.mp4", 120))
        printed = console.export_text()
    assert ("voice" in printed) == (name == "voice alone")
    assert ("a face on" in printed) == (name != "voice alone") and "talk.mp4" in printed


@pytest.mark.parametrize(
    ("values", "drawn"), [([], ""), ([-1.0, 0.0, 1.0], "▁▅█"), ([0.0, None, 0.0], "▅ ▅"), ([1.0] * 100, "█" * 24)]
)
def test_a_sparkline_spans_minus_one_to_one(values, drawn):
    assert sparkline(values) == drawn

"""The summary of a table and its printout on a terminal."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from rich.console import Console

from avfer.export.summary import TableSummary, coverage, sparkline, summarize, summary_table
from tests.export.tracks import TRACKS, TWO_PEOPLE, make_track, split, with_persons


def test_a_summary_counts_people_faces_and_reasons():
    summary = summarize(TWO_PEOPLE.to_table())
    assert (summary.rows, summary.instants, summary.with_face) == (90, 70, 60)
    assert {name: person.rows for name, person in summary.people.items()} == {"track 1": 60, "track 2": 20}
    assert summary.reasons == {"no_face": 10}
    valence, arousal = summary.people["track 2"].means or (0, 0)
    assert valence == pytest.approx(TWO_PEOPLE.valence[TWO_PEOPLE.faces.track_ids == 2].mean(), abs=1e-5)
    assert arousal == pytest.approx(valence / 3, abs=1e-5)


@pytest.mark.parametrize("cuts", [[1], [7, 30], list(range(70))])
def test_the_summary_of_parts_equals_the_summary_of_the_whole(cuts):
    summary, whole = TableSummary(), summarize(TWO_PEOPLE.to_table())
    for part in split(TWO_PEOPLE, cuts):
        summary.add(part.to_table())
    assert (summary.rows, summary.instants, summary.with_face) == (whole.rows, whole.instants, whole.with_face)
    assert summary.people["track 1"].curve(0) == pytest.approx(whole.people["track 1"].curve(0))


def test_the_duration_of_a_part_of_a_clip_begins_at_its_first_frame_and_ends_with_its_last():
    summary = summarize(TWO_PEOPLE.to_table().filter(pc.field("frame") >= 50))
    assert summary.seconds == pytest.approx(20 / 25)
    assert "in 0.8 s" in coverage(summary)


def test_an_empty_table_has_an_empty_summary():
    assert summarize(TWO_PEOPLE.to_table().slice(0, 0)) == TableSummary()
    assert TableSummary().seconds == summarize(TRACKS["one frame"].to_table()).seconds == 0


def test_a_summary_without_people_is_printed_without_columns():
    console = Console(width=100)
    summary = TableSummary(rows=1, instants=1, has_frames=True, start=0.0)
    with console.capture() as printed:
        console.print(summary_table(summary, ""))
    assert printed.get().strip() == "1 frame in 0.0 s, a face on 0%"


def table_of(*rows: tuple[float, int | None, float | None, float | None, str | None]) -> pa.Table:
    """Return a table of rows (time_s, track, valence, arousal, expression), one a frame."""
    names = ("time_s", "track", "valence", "arousal", "expression")
    kinds = (pa.float64(), pa.int32(), pa.float32(), pa.float32(), pa.string())
    columns = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    table = pa.table(dict(zip(names, columns, strict=True)))
    reasons = [None if row[1] is not None else "no_face" for row in rows]
    return table.append_column("frame", pa.array(range(len(rows)))).append_column(
        "reason", pa.array(reasons, pa.string())
    )


def printed(table: pa.Table) -> str:
    console = Console(width=120)
    with console.capture() as text:
        console.print(summary_table(summarize(table), "", 120))
    return text.get()


def test_a_curve_has_a_mean_for_each_fifth_of_a_second():
    rows = [(0.0, 1, 0.1, 0.0, None), (0.19, 1, 0.3, 0.0, None), (0.2, 1, -0.5, 0.5, None), (0.85, 1, 1.0, 0.1, None)]
    person = summarize(table_of(*rows)).people["track 1"]
    assert person.curve(0) == pytest.approx([0.2, -0.5, None, None, 1.0])
    assert person.curve(1) == pytest.approx([0.0, 0.5, None, None, 0.1])


def test_the_means_are_those_of_rows_with_both_values():
    rows = [(0.0, 1, 0.5, 0.1, "fear"), (0.1, 1, None, 0.9, None), (0.2, 1, 0.3, None, None), (0.3, 1, 0.1, 0.3, None)]
    person = summarize(table_of(*rows)).people["track 1"]
    assert (person.rows, person.known, person.means) == (4, 2, (pytest.approx(0.3), pytest.approx(0.2)))


def test_the_two_most_frequent_expressions_are_printed_with_their_shares_of_all_known_ones():
    names = ["fear", "fear", "fear", "joy", "joy", "anger", None, None]
    text = printed(table_of(*((i / 10, 1, 0.0, 0.0, name) for i, name in enumerate(names))))
    assert "fear 50%, joy 33%" in text and "anger" not in text


def test_the_people_with_most_rows_are_printed_first_and_eight_at_most():
    rows = [(i / 10, track, 0.0, 0.0, None) for track in range(11) for i in range(track + 1)]
    lines = [line.split() for line in printed(table_of(*rows)).splitlines()]
    people = [
        (int(line[0]), int(line[1])) for line in lines if len(line) > 2 and line[0].isdigit() and line[2] == "+0.00"
    ]
    assert people == [(track, track + 1) for track in (10, 9, 8, 7, 6, 5, 4, 3)]
    assert ["...", "3", "more"] in lines


def test_the_tracks_of_one_person_are_one_line():
    rows = [(frame, 1 if frame < 5 else 2) for frame in range(12)] + [(frame, 3) for frame in range(4)]
    text = printed(with_persons(make_track(rows, 12), {1: 0, 2: 0}).to_table())
    lines = [line.split()[:2] for line in text.splitlines() if line.strip()]
    assert lines[0] == ["person", "rows"] and ["0", "12"] in lines and ["track", "3"] in lines


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

"""The playable report of clips: what its page holds, and that no text of a table can become a part of the page."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from avfer.baseline import Baseline, corrected_table
from avfer.errors import ConfigError
from avfer.export.clip_report import html_report
from avfer.export.clip_report.html_report import AgreementText, HtmlReport
from avfer.export.person_statistics import summarize_people
from avfer.provenance import Provenance
from avfer.types import NO_TRACK
from tests.export.clip_report.page_data import instants, page_data, person_rows, unpack, write_page
from tests.export.exporter_tables import HOSTILE
from tests.export.tracks import TRACKS, TWO_PEOPLE, make_track, with_measures


class Tags(HTMLParser):
    """The open tags of a page, the attributes that run or load something, and its text outside of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.loads, self.scripts, self.text = list[str](), list[str](), 0, ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.loads += [name for name, _ in attrs if name in {"src", "href"} or name.startswith("on")]
        self.scripts += tag == "script"
        if tag not in {"meta", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += "" if self.open[-1:] == ["script"] else data


@pytest.mark.parametrize("name", TRACKS)
def test_a_page_is_complete_html_that_loads_nothing(tmp_path, name):
    tags = Tags(write_page(TRACKS[name].to_table(), tmp_path))
    assert tags.open == [] and tags.loads == [] and tags.scripts == 2  # the data and the program


def test_the_packed_values_are_those_of_the_table(tmp_path):
    table = with_measures(TWO_PEOPLE)
    (clip,) = page_data(write_page(table, tmp_path))["clips"]
    assert instants(clip) == pytest.approx(np.unique(table["time_s"].to_numpy()), abs=1e-6)
    for person in clip["people"]:
        rows = table.filter(pa.array([track in person["tracks"] for track in table["track"].to_pylist()]))
        index, columns = person_rows(person)
        assert instants(clip)[index] == pytest.approx(rows["time_s"].to_numpy(), abs=1e-6)
        for name, tolerance in (("valence", 1e-4), ("arousal", 1e-4), ("au12", 0.003), ("yaw_deg", 0.01)):
            assert columns[name] == pytest.approx(rows[name].to_numpy(), abs=tolerance), name
        names = [clip["expressions"][int(code)]["name"] for code in columns["expression"]]
        assert names == rows["expression"].to_pylist()


def test_action_units_are_precise_enough_for_two_decimals_and_may_be_intensities_up_to_5(tmp_path):
    table = with_measures(TWO_PEOPLE)
    values = np.linspace(0, 5, len(table), dtype=np.float32)
    table = table.set_column(table.column_names.index("au12"), "au12", pa.array(values))
    first = page_data(write_page(table, tmp_path))["clips"][0]["people"][0]
    expected = values[[track == 1 for track in table["track"].to_pylist()]]
    assert np.abs(person_rows(first)[1]["au12"] - expected).max() <= 1.1e-4


def test_angles_are_those_of_the_table_up_to_half_a_turn(tmp_path):
    table = with_measures(make_track([(frame, 1) for frame in range(2)], 2), ("yaw_deg", "roll_deg"))
    for name, values in (("yaw_deg", [-88.25, 75.5]), ("roll_deg", [-179.75, 180.0])):
        table = table.set_column(table.column_names.index(name), name, pa.array(values, pa.float32()))
    (clip,) = page_data(write_page(table, tmp_path))["clips"]
    _, columns = person_rows(clip["people"][0])
    assert (columns["yaw_deg"].tolist(), columns["roll_deg"].tolist()) == ([-88.25, 75.5], [-179.75, 180.0])


def test_the_gaze_of_closed_eyes_is_missing(tmp_path):
    table = with_measures(TWO_PEOPLE)
    table = table.append_column("eye_closed", pa.array(np.float32(table["frame"].to_numpy() % 2)))
    for person in page_data(write_page(table, tmp_path))["clips"][0]["people"]:
        _, columns = person_rows(person)
        closed = columns["eye_closed"] == 1
        assert np.isnan(columns["gaze_yaw_deg"][closed]).all() and closed.any()
        assert np.isfinite(columns["gaze_yaw_deg"][~closed]).all() and np.isfinite(columns["yaw_deg"]).all()


def test_missing_and_infinite_values_are_missing(tmp_path):
    table = with_measures(TWO_PEOPLE)
    values = table["valence"].to_numpy().copy()
    values[3], values[5] = np.nan, np.inf
    table = table.set_column(
        table.column_names.index("valence"), "valence", pa.array(values, mask=np.arange(len(table)) == 7)
    )
    _, columns = person_rows(page_data(write_page(table, tmp_path))["clips"][0]["people"][0])
    assert np.isnan(columns["valence"]).sum() == 3


def test_the_voice_alone_is_present_where_it_has_values(tmp_path):
    table = TRACKS["voice alone"].to_table()
    values = pa.array(np.zeros(30, np.float32), mask=np.arange(30) >= 12)
    table = table.set_column(table.column_names.index("valence"), "valence", values)
    (voice,) = page_data(write_page(table, tmp_path))["clips"][0]["people"]
    assert (voice["label"], voice["present"], voice["share"]) == ("voice alone", 12, pytest.approx(12 / 30))


def test_rows_without_a_face_and_values_are_no_person(tmp_path):
    track = make_track([(frame, NO_TRACK) for frame in range(5)], 5, voice=False)
    (clip,) = page_data(write_page(track.to_table(), tmp_path))["clips"]
    assert clip["people"] == [] and sum(state["count"] for state in clip["status"]["states"]) == 5


def test_people_have_their_tracks_shares_and_colours_and_the_largest_comes_first(tmp_path):
    (clip,) = page_data(write_page(TWO_PEOPLE.to_table(), tmp_path))["clips"]
    first, second = clip["people"][:2]
    assert (first["label"], first["rows"], second["label"]) == ("track 1", 60, "track 2")
    assert first["share"] == pytest.approx(60 / 70) and second["share"] == pytest.approx(20 / 70)
    assert len({person["colour"] for person in clip["people"]}) == len(clip["people"])
    assert first["means"]["valence"] == pytest.approx(np.sin(np.arange(60) / 9 + 1).mean(), abs=1e-3)


def test_rows_count_for_their_time_as_in_the_summary(tmp_path):
    """A frame of 0.6 s counts for more than three of 0.1 s."""
    table = make_track([(frame, 1) for frame in range(5)], 5).to_table()
    columns = {
        "time_s": pa.array([0.0, 0.1, 0.2, 0.3, 0.9]),
        "valence": pa.array([0.0, 0.0, 0.0, 1.0, 0.5], pa.float32()),
        "expression": pa.array(["neutral", "neutral", "neutral", "happiness", None]),
    }
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    (clip,) = page_data(write_page(table, tmp_path))["clips"]
    (person,) = clip["people"]
    summary = summarize_people(table).to_pylist()[0]
    assert person["means"]["valence"] == pytest.approx(summary["valence_mean"], abs=1e-4) != pytest.approx(0.3)
    assert person["expressions"][0] == ["happiness", pytest.approx(0.6 / 0.9)]
    assert [share for _, share in person["expressions"]] == pytest.approx(
        [summary["share_happiness"], summary["share_neutral"]]
    )
    assert person["share"] == summary["coverage"] == 1
    absent = pa.array([None, None, None, 1, 1], pa.int32())
    (clip,) = page_data(write_page(table.set_column(table.column_names.index("track"), "track", absent), tmp_path))[
        "clips"
    ]
    assert clip["people"][0]["share"] == pytest.approx(0.7 / 1.0)  # the last row counts for 0.1 s, the median step


def test_every_track_of_a_crowd_is_on_the_page(tmp_path):
    crowd = make_track([(frame, track) for frame in range(3) for track in range(60)], 3)
    (clip,) = page_data(write_page(crowd.to_table(), tmp_path))["clips"]
    assert {person["label"] for person in clip["people"]} == {f"track {track}" for track in range(60)}


def test_coverage_counts_every_instant_once(tmp_path):
    (clip,) = page_data(
        write_page(make_track([(frame, 1) for frame in range(60)], 70, corrupt=(65,)).to_table(), tmp_path)
    )["clips"]
    states = {state["name"]: state["count"] for state in clip["status"]["states"] if state["count"]}
    assert sum(states.values()) == 70 and states["decode_error"] == 1 and states["no_face"] == 9
    assert len(unpack(clip["status"]["codes"])) == 70


def test_an_instant_has_the_reason_of_its_first_row_without_values(tmp_path):
    table = make_track([(0, 1), (0, 2), (1, 1), (1, 2)], 2).to_table()
    for name in ("valence", "expression"):
        table = table.set_column(table.column_names.index(name), name, pa.nulls(4, table.schema.field(name).type))
    reasons = pa.array(["low_quality", "decode_error", "decode_error", "low_quality"])
    table = table.set_column(table.column_names.index("reason"), "reason", reasons)
    (clip,) = page_data(write_page(table, tmp_path))["clips"]
    names = [clip["status"]["states"][code]["name"] for code in unpack(clip["status"]["codes"])]
    assert names == ["low_quality", "decode_error"]


def test_action_units_alone_count_as_values_unless_the_table_states_a_reason(tmp_path):
    """A network that learned action units alone predicts no valence and no expression."""
    table = with_measures(make_track([(frame, 1) for frame in range(3)], 4))
    for name in ("valence", "expression"):
        table = table.set_column(table.column_names.index(name), name, pa.nulls(4, table.schema.field(name).type))
    reasons = pa.array([None, "low_quality", None, "no_face"])
    table = table.set_column(table.column_names.index("reason"), "reason", reasons)
    (clip,) = page_data(write_page(table, tmp_path))["clips"]
    counts = {state["name"]: state["count"] for state in clip["status"]["states"] if state["count"]}
    assert counts == {"read": 2, "low_quality": 1, "no_face": 1}


def test_curves_have_an_instant_without_values_in_a_pause_that_counts_for_nothing(tmp_path):
    table = make_track([(frame, 1) for frame in range(6)], 6).to_table()
    times = pa.array([0.0, 0.04, 0.4, 60.0, 60.04, 6000.0])  # a slow frame is no pause
    (clip,) = page_data(write_page(table.set_column(table.column_names.index("time_s"), "time_s", times), tmp_path))[
        "clips"
    ]
    expected = [0, 0.04, 0.4, 1.4, 60, 60.04, 61.04, 1861.04, 3661.04, 5461.04, 6000]
    assert instants(clip) == pytest.approx(expected)  # no step is too long for its 32 bits
    index, columns = person_rows(clip["people"][0])
    assert index.tolist() == [0, 1, 2, 4, 5, 10] and np.isfinite(columns["valence"]).all()
    codes, states = unpack(clip["status"]["codes"]), clip["status"]["states"]
    assert [states[code]["name"] for code in codes[2:5]] == ["read", "pause", "read"]
    assert sum(state["count"] for state in states) == 6


def test_action_units_are_titled_by_their_scale_and_correction(tmp_path):
    def title(table: pa.Table) -> str:
        return page_data(write_page(table, tmp_path))["clips"][0]["unitTitle"]

    assert title(with_measures(TWO_PEOPLE, scale="occurrence")) == "Action units: occurrence (probability), 0 to 1"
    unknown = with_measures(TWO_PEOPLE).replace_schema_metadata(None)
    assert title(unknown) == "Action units: scale not stated in the table, 0 to 1"
    corrected = title(corrected_table(with_measures(TWO_PEOPLE), Baseline()))
    assert corrected == "Action units: activation (measured movement) minus the person's resting value, 0 to 1"


def test_speech_is_packed_where_the_table_has_it(tmp_path):
    table = TWO_PEOPLE.to_table()
    assert page_data(write_page(table, tmp_path))["clips"][0]["speech"] is None
    table = table.append_column("speech", pa.array(np.full(len(table), 0.25, np.float32)))
    table = table.append_column("speaking", pa.array(np.full(len(table), 0.5, np.float32)))
    (clip,) = page_data(write_page(table, tmp_path))["clips"]
    assert set(np.frombuffer(unpack(clip["speech"]), "<i2")) == {2500}
    assert (person_rows(clip["people"][0])[1]["speaking"] == 0.5).all()


def test_a_table_without_the_columns_of_faces_and_measures_has_a_page(tmp_path):
    table = TWO_PEOPLE.to_table().select(["clip", "time_s", "track", "valence", "arousal", "expression"])
    (clip,) = page_data(write_page(table, tmp_path))["clips"]
    assert clip["units"] == [] and [name for name, _ in clip["people"][0]["columns"]] == ["valence", "arousal"]


def test_expressions_without_probabilities_have_a_colour(tmp_path):
    table = TWO_PEOPLE.to_table().select(["clip", "time_s", "track", "expression"])
    (clip,) = page_data(write_page(table, tmp_path))["clips"]
    assert [one["name"] for one in clip["expressions"]] == ["happiness", "neutral"]
    assert set(person_rows(clip["people"][0])[1]["expression"]) == {0, 1}


def test_hostile_texts_are_data_that_cannot_leave_their_element(tmp_path):
    weights = {f"{HOSTILE}</script><script>alert(2)</script>": "ab" * 32}
    source = Provenance(HOSTILE, pipeline="<!--<script>", device="<b onload=alert(3)>", weights=weights)
    page = write_page(make_track([(0, 1)], 1, source=source).to_table(), tmp_path, "other.mp4")
    tags = Tags(page)
    assert tags.loads == [] and tags.scripts == 2 and tags.open == []
    assert page_data(page)["clips"][0]["name"] == HOSTILE
    assert page_data(page)["clips"][0]["licences"][0][0] == next(iter(weights))


def test_one_frame_is_no_frames(tmp_path):
    (clip,) = page_data(write_page(TRACKS["one frame"].to_table(), tmp_path))["clips"]
    assert clip["lead"].startswith("1 frame in") and "1 frame)" in clip["methods"]


def test_a_table_of_several_clips_has_one_entry_for_each(tmp_path):
    tables = [make_track([(0, 1)], 1, source=Provenance(f"{name}.mp4")).to_table() for name in "ab"]
    both = pa.concat_tables([table.replace_schema_metadata(None) for table in tables])
    assert [clip["name"] for clip in page_data(write_page(both, tmp_path))["clips"]] == ["a.mp4", "b.mp4"]
    HtmlReport().write_tables([(table, tmp_path / "no.mp4") for table in tables], tmp_path / "two.html")
    assert len(page_data((tmp_path / "two.html").read_text())["clips"]) == 2


def test_too_many_clips_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(html_report, "MAX_CLIPS", 1)
    with pytest.raises(ConfigError, match="at most 1 clips, got 2"):
        HtmlReport().write_tables([(TWO_PEOPLE.to_table(), Path("a.mp4"))] * 2, tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_the_metadata_of_the_table_can_be_read_back(tmp_path):
    write_page(TWO_PEOPLE.to_table(), tmp_path)
    found = HtmlReport.read_metadata(tmp_path / "page.html")
    assert found["clip"] == "talk.mp4" and found["pipeline"] == "stages: {}\n"
    assert HtmlReport.read_metadata(tmp_path / "absent.html") == {}


def test_agreement_is_part_of_the_data(tmp_path):
    agreement = AgreementText("Kappa is ...", ["column", "value"], [["valence", "0.5"]], ["one clip"], [("clips", "1")])
    HtmlReport().write_tables([(TWO_PEOPLE.to_table(), Path("a.mp4"))], tmp_path / "a.html", agreement)
    found = page_data((tmp_path / "a.html").read_text())["agreement"]
    assert found["rows"] == [["valence", "0.5"]] and found["notes"] == ["one clip"]

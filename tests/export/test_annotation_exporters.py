"""Files of programs for annotation and recordings, read back by their own or independent readers."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import webvtt
from praatio import data_points, textgrid
from pympi.Elan import Eaf

from avfer.codings.elan import ElanFormat
from avfer.codings.praat import PraatFormat
from avfer.export import find_exporter
from avfer.export.person_rows import clips_of
from avfer.export.table_segments import EVENTS, read_kinds
from tests.export.exporter_tables import TABLES, TWO, every_table, expected_segments, make_table, write

# A recording of BIDS made from a table at a variable rate warns.
pytestmark = pytest.mark.filterwarnings("ignore:the steps between the rows of:avfer.errors.AvferWarning")


@every_table
def test_elan_reads_the_segments_as_tiers(tmp_path, table):
    path = write("elan", table, tmp_path)
    eaf = Eaf(path)
    wanted = expected_segments(table)
    assert list(eaf.get_tier_names()) == list(wanted)
    for tier, segments in wanted.items():
        found = sorted(eaf.get_annotation_data_for_tier(tier))
        assert found == [(round(1000 * start), round(1000 * stop), label) for start, stop, label in segments]
    assert ElanFormat.read(path)[0].clip == table["clip"][0].as_py()
    assert [one["RELATIVE_LINK_URL"] for one in eaf.linked_file_descriptors] == [
        "./talk_series.csv",
        "./talk_tsconf.xml",
    ]


# Attributes that the schema of EAF 3.0 requires.
REQUIRED = {
    "ANNOTATION_DOCUMENT": {"AUTHOR", "DATE", "VERSION"},
    "MEDIA_DESCRIPTOR": {"MEDIA_URL", "MIME_TYPE"},
    "LINKED_FILE_DESCRIPTOR": {"LINK_URL", "MIME_TYPE"},
    "TIER": {"TIER_ID", "LINGUISTIC_TYPE_REF"},
    "LINGUISTIC_TYPE": {"LINGUISTIC_TYPE_ID"},
}


def test_an_elan_document_has_all_that_its_schema_requires(tmp_path):
    root = ET.parse(write("elan", TWO, tmp_path)).getroot()
    for tag, attributes in REQUIRED.items():
        elements = list(root.iter(tag))
        assert elements and all(attributes <= set(element.keys()) for element in elements), tag
    (kind,) = root.iter("LINGUISTIC_TYPE")
    assert {tier.get("LINGUISTIC_TYPE_REF") for tier in root.iter("TIER")} == {kind.get("LINGUISTIC_TYPE_ID")}
    assert kind.get("TIME_ALIGNABLE") == "true" and root.find("HEADER").get("TIME_UNITS") == "milliseconds"
    source = ET.parse(tmp_path / "talk_tsconf.xml").find("tracksource")
    assert source.find("property[@key='provider']").get("value").endswith("CSVServiceProvider")
    assert source.get("time-column") == "0"


@every_table
def test_elan_links_the_series_of_each_person(tmp_path, table):
    write("elan", table, tmp_path)
    series = pd.read_csv(tmp_path / "talk_series.csv", sep="\t")
    tracks = ET.parse(tmp_path / "talk_tsconf.xml").findall("tracksource/track")
    columns = {track.get("name"): int(track.find("sample-position/pos").get("col")) for track in tracks}
    assert columns == {name: number for number, name in enumerate(series.columns) if number}
    for person in clips_of(table)[0].people:
        if "person" in person.label:
            rows = series[series["# time_s"].isin([round(time, 3) for time in person.starts])]
            np.testing.assert_allclose(rows[f"{person.label} arousal"], person.numbers("arousal"), rtol=1e-6)


@every_table
def test_praat_reads_the_segments_as_interval_tiers(tmp_path, table):
    path = write("praat", table, tmp_path)
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    wanted = expected_segments(table) or {"segments": []}
    assert list(grid.tierNames) == list(wanted)
    for tier, segments in wanted.items():
        found = [(one.start, one.end, one.label) for one in grid.getTier(tier).entries]
        assert found == [(round(start, 6), round(stop, 6), label) for start, stop, label in segments]
    assert PraatFormat.read(path)


def test_praat_reads_the_series_as_pitch_tiers(tmp_path):
    write("praat", TWO, tmp_path, columns=["valence", "au12"])
    person = clips_of(TWO)[0].people[1]
    tier = data_points.open2DPointObject(str(tmp_path / "talk.person_2.valence.PitchTier"))
    values = np.array(tier.pointList)
    known = ~np.isnan(person.numbers("valence"))
    np.testing.assert_allclose(values[:, 0], person.starts[known], atol=5e-7)
    np.testing.assert_allclose(values[:, 1], person.numbers("valence")[known], rtol=1e-6)


def test_boris_gets_a_file_without_gaps_for_each_person(tmp_path):
    path = write("boris", TWO, tmp_path, columns=["valence", "au12"])
    for person, file in zip(clips_of(TWO)[0].people, (path, tmp_path / "talk.boris.person_2.tsv"), strict=True):
        data = np.loadtxt(file, delimiter="\t", skiprows=1)  # as BORIS reads it
        known = ~np.isnan(person.numbers("valence"))
        np.testing.assert_allclose(data[:, 0], person.starts[known], atol=5e-7)
        np.testing.assert_allclose(data[:, 1], person.numbers("valence")[known], rtol=1e-6)
        assert (np.diff(data[:, 0]) > 0).all()


@every_table
def test_webvtt_has_a_cue_for_each_segment(tmp_path, table):
    cues = webvtt.read(str(write("webvtt", table, tmp_path)))
    wanted = [
        (round(1000 * start), round(1000 * stop), tier.rsplit(" ", 1)[0], label)
        for tier, segments in expected_segments(table).items()
        for start, stop, label in segments
    ]
    found = [(milliseconds(cue.start), milliseconds(cue.end), cue.voice, cue.text.split()[0]) for cue in cues]
    assert sorted(found) == sorted(wanted)
    assert [start for start, *_ in found] == sorted(start for start, *_ in found)


def milliseconds(clock: str) -> int:
    """Return the time of "00:01:02.500" in ms."""
    hours, minutes, seconds = clock.split(":")
    return round(1000 * (3600 * int(hours) + 60 * int(minutes) + float(seconds)))


@every_table
def test_segments_are_listed_with_the_rules_that_found_them(tmp_path, table):
    frame = pd.read_csv(write("segments", table, tmp_path, events=read_kinds(["smile.on=0.5"])))
    wanted = [one for segments in expected_segments(table).values() for one in segments]
    assert frame[["label"]].to_numpy().ravel().tolist() == [label for *_, label in wanted]
    times = np.array([one[:2] for one in wanted]).reshape(-1, 2)
    np.testing.assert_allclose(frame[["start_s", "stop_s"]].to_numpy(float), times, atol=5e-7)
    rules = json.loads((tmp_path / "talk.segments.rules.json").read_text())
    assert rules["smile"]["on"] == 0.5 and set(rules) == set(EVENTS)


def test_elan_finds_a_clip_in_another_folder(tmp_path):
    (tmp_path / "codings").mkdir()
    path = tmp_path / "codings" / "talk.eaf"
    find_exporter("elan").write(TWO, tmp_path / "videos" / "talk.mp4", path)
    (media,) = Eaf(path).media_descriptors
    assert media["RELATIVE_MEDIA_URL"] == "../videos/talk.mp4"
    assert media["MEDIA_URL"] == f"file://{tmp_path}/videos/talk.mp4"


def smile(start: float) -> pa.Table:
    """Return 20 rows of 0.1 s of person 1 from `start` (s) on, with AU12 = sin(1 + i / 5): a smile of 1 s, then none.

    The mean of its ten values is 0.798. The expression is happiness for 1.1 s, then neutral.
    """
    return make_table((start + np.arange(20) / 10).round(3).tolist(), [(frame, 1) for frame in range(20)])


@pytest.mark.parametrize(
    ("name", "kind"), [("a.WAV", "audio/x-wav"), ("a.ts", "unknown"), ("a", "unknown"), ("a.mpg", "video/mpeg")]
)
def test_elan_gets_a_media_type_that_it_knows(tmp_path, name, kind):
    find_exporter("elan").write(TWO, tmp_path / name, tmp_path / "talk.eaf")
    (media,) = ET.parse(tmp_path / "talk.eaf").findall("HEADER/MEDIA_DESCRIPTOR")
    assert media.get("MIME_TYPE") == kind


def test_files_for_players_move_to_the_clock_of_a_clip_whose_audio_begins_before_its_video(tmp_path):
    late = smile(0.0).replace_schema_metadata({"start_s": "0.5", "video_first_s": "1.1"})
    root = ET.parse(write("elan", late, tmp_path)).getroot()
    assert root.find("HEADER/MEDIA_DESCRIPTOR").get("TIME_ORIGIN") == "600"
    assert root.find("TIME_ORDER/TIME_SLOT").get("TIME_VALUE") == "0"
    assert ElanFormat.read(tmp_path / "talk.eaf")[0].tiers[0].starts[0] == pytest.approx(0.6)  # of the media file
    (tmp_path / "cues").mkdir()
    cues = write("webvtt", late, tmp_path / "cues")
    assert webvtt.read(cues)[0].start == "00:00:00.600"
    assert "times are 0.600 s later than time_s" in cues.read_text()


def test_a_cue_has_the_person_the_event_and_its_mean(tmp_path):
    blocks = write("webvtt", smile(3723.5), tmp_path).read_text().split("\n\n")
    assert blocks[2] == "01:02:03.500 --> 01:02:04.500\n<v person 1>smile 80 %"


def test_a_cue_without_a_probability_has_no_number(tmp_path):
    table = smile(0.0).drop_columns(["p_happiness"])
    texts = [cue.raw_text for cue in webvtt.read(str(write("webvtt", table, tmp_path)))]
    assert "<v person 1>happiness" in texts


def test_a_cue_lasts_a_millisecond_at_least(tmp_path):
    table = make_table([1.0, 1.0001, 1.0002], [(0, 1), (1, 1), (2, None)])
    text = write("webvtt", table, tmp_path, events=read_kinds(["smile.min_duration=0"])).read_text()
    assert "00:00:01.000 --> 00:00:01.001\n<v person 1>smile" in text


@pytest.mark.parametrize(("start", "cues"), [(-0.25, ["00:00:00.000 --> 00:00:00.750"]), (-1.0, []), (-2.0, [])])
def test_a_cue_begins_at_0_at_the_earliest_and_one_before_0_is_left_out(tmp_path, start, cues):
    blocks = write("webvtt", smile(start), tmp_path).read_text().split("\n\n")
    assert [block.split("\n")[0] for block in blocks if "smile " in block and "-->" in block] == cues


def test_a_clip_name_is_no_markup_and_no_arrow_of_webvtt(tmp_path):
    text = write("webvtt", TABLES["hostile clip name"], tmp_path).read_text()
    note = text.split("\n\n")[1]
    assert "-->" not in note and "<" not in note and "--&gt;" in note and "&lt;img" in note


@pytest.mark.parametrize(
    ("start", "found"), [(-0.25, [(0, 750, "smile")]), (-1.0, []), (-2.0, []), (2.0, [(2000, 3000, "smile")])]
)
def test_an_annotation_of_elan_begins_at_0_at_the_earliest(tmp_path, start, found):
    assert Eaf(write("elan", smile(start), tmp_path)).get_annotation_data_for_tier("person 1 smile") == found


def test_an_annotation_of_elan_lasts_a_millisecond_at_least(tmp_path):
    table = make_table([1.0, 1.0001, 1.0002], [(0, 1), (1, 1), (2, None)])
    path = write("elan", table, tmp_path, events=read_kinds(["smile.min_duration=0"]))
    assert Eaf(path).get_annotation_data_for_tier("person 1 smile") == [(1000, 1001, "smile")]


def test_elan_gets_time_slots_in_order_and_the_rules_of_the_segments(tmp_path):
    root = ET.parse(write("elan", TWO, tmp_path)).getroot()
    times = [int(slot.get("TIME_VALUE")) for slot in root.findall("TIME_ORDER/TIME_SLOT")]
    assert times == sorted(times) and len(times) > 4
    assert "smile: au12 on 0.5 off 0.3" in root.find("HEADER/PROPERTY[@NAME='avfer segments']").text


def test_a_track_of_elan_has_the_range_and_unit_of_its_column(tmp_path):
    write("elan", smile(0.0), tmp_path)
    tracks = {track.get("name"): track for track in ET.parse(tmp_path / "talk_tsconf.xml").iter("track")}
    valence, yaw = tracks["person 1 valence"], tracks["person 1 yaw_deg"]
    assert valence.find("range").attrib == {"min": "-1", "max": "1"} and not valence.find("units").text
    assert valence.find("description").text == "Valence, negative to positive"
    assert yaw.find("units").text == "deg"


def test_a_constant_series_of_elan_has_a_range(tmp_path):
    write("elan", make_table([0.0], [(0, 1)]), tmp_path)
    for track in ET.parse(tmp_path / "talk_tsconf.xml").iter("track"):
        limits = track.find("range").attrib
        assert float(limits["min"]) < float(limits["max"]), track.get("name")


def test_a_series_of_elan_is_nan_where_the_person_is_absent(tmp_path):
    write("elan", make_table([0.0, 0.1, 0.2], [(0, 1), (1, 1), (1, 2), (2, 2)]), tmp_path)
    series = pd.read_csv(tmp_path / "talk_series.csv", sep="\t")
    assert series["person 1 arousal"].isna().tolist() == [False, False, True]
    assert series["person 2 arousal"].isna().tolist() == [True, False, False]


def test_the_person_with_the_most_rows_is_in_the_first_file_of_boris(tmp_path):
    path = write("boris", make_table([0.0, 0.1, 0.2], [(0, 1), (0, 2), (1, 2), (2, 2)]), tmp_path)
    header, *rows = path.read_text().splitlines()
    assert header == "time_s\tvalence\tarousal"
    assert [row.split("\t")[0] for row in rows] == ["0", "0.1"]  # valence is missing on the last row of the table
    assert (tmp_path / "talk.boris.person_1.tsv").read_text().count("\n") == 2


def test_a_textgrid_covers_the_clip_with_quoted_labels(tmp_path):
    table = smile(2.0)
    labels = pa.array(['a "b"'] * 20, pa.string())
    table = table.set_column(table.column_names.index("expression"), "expression", labels)
    grid = textgrid.openTextgrid(str(write("praat", table, tmp_path)), includeEmptyIntervals=True)
    tiers = {name: [(one.start, one.end, one.label) for one in grid.getTier(name).entries] for name in grid.tierNames}
    assert tiers["person 1 smile"] == [(2.0, 3.0, "smile"), (3.0, 4.0, "")]
    assert tiers["person 1 blink"] == [(2.0, 3.0, ""), (3.0, 3.1, "blink"), (3.1, 4.0, "")]
    assert (grid.minTimestamp, grid.maxTimestamp) == (2.0, 4.0)
    assert 'text = "a ""b"""' in (tmp_path / "talk.TextGrid").read_text()


def test_a_textgrid_without_events_has_one_empty_tier(tmp_path):
    """Praat opens no grid without a tier."""
    table = smile(2.0).drop_columns(["au12", "au45", "eye_closed", "expression"])
    grid = textgrid.openTextgrid(str(write("praat", table, tmp_path)), includeEmptyIntervals=True)
    assert list(grid.tierNames) == ["segments"]
    assert [(one.start, one.end, one.label) for one in grid.getTier("segments").entries] == [(2.0, 4.0, "")]


def test_a_pitch_tier_has_the_chosen_column_without_missing_values(tmp_path):
    """Valence is missing on every seventh row from the fourth on: 3, 10 and 17."""
    write("praat", smile(2.0), tmp_path, columns=["valence"])
    lines = (tmp_path / "talk.person_1.valence.PitchTier").read_text().splitlines()
    assert lines[3:6] == ["xmin = 2", "xmax = 4", "points: size = 17"]
    assert lines[6] == "points [1]:" and lines[-3] == "points [17]:"
    assert [path.name for path in tmp_path.glob("*.PitchTier")] == ["talk.person_1.valence.PitchTier"]

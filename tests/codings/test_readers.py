"""Codings of every program are read as the tiers that an independent library, or the program's own layout, wrote."""

import gzip
import json
import re

import pytest

from avfer.catalog import NAMES, find
from avfer.codings import read_codings
from avfer.errors import AvferWarning, ConfigError, DatasetError
from tests.codings.made import MARKS, WRITERS, write_boris_project, write_boris_tabular, write_elan, write_praat


def marks_of(coding):
    return [
        (tier.name, pytest.approx(float(start), abs=1e-9), pytest.approx(float(stop), abs=1e-9), value)
        for tier in coding.tiers
        for start, stop, value in zip(tier.starts, tier.stops, tier.values, strict=True)
    ]


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_marks(tmp_path, name):
    path = WRITERS[name](tmp_path / name)
    (coding,) = read_codings(path)
    assert sorted(MARKS) == sorted(marks_of(coding), key=lambda mark: (mark[0], mark[3] != "neutral", mark[3]))
    assert coding.clip in ("talk.mp4", "") and coding.path == path and coding.subjects == ()


@pytest.mark.parametrize("name", NAMES["coding"])
def test_every_format_of_the_catalog_has_suffixes(name):
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in find("coding", name).suffixes)


def test_the_participant_of_a_tier_of_elan_is_its_subject(tmp_path):
    (coding,) = read_codings(write_elan(tmp_path / "talk.eaf", participant="Anna"))
    assert coding.subjects == ("Anna",)


EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds">
<MEDIA_DESCRIPTOR MEDIA_URL="file:///talk.mp4" {origin}/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="ts2"/>
<TIME_SLOT TIME_SLOT_ID="ts3"/><TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="4000"/></TIME_ORDER>
<TIER TIER_ID="valence">{annotations}</TIER>
<TIER TIER_ID="child">{children}</TIER></ANNOTATION_DOCUMENT>"""
ALIGNED = "".join(
    f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{i}" TIME_SLOT_REF1="ts{i}" TIME_SLOT_REF2="ts{i + 1}">'
    f"<ANNOTATION_VALUE>0.{i}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
    for i in (1, 2, 3)
)
CHILDREN = "".join(
    f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="c{i}" ANNOTATION_REF="a1"><ANNOTATION_VALUE>w{i}</ANNOTATION_VALUE>'
    "</REF_ANNOTATION></ANNOTATION>"
    for i in (1, 2)
)


def write_eaf(path, origin="", annotations=ALIGNED, children=""):
    path.write_text(EAF.format(origin=origin, annotations=annotations, children=children))
    return path


def test_time_slots_of_elan_without_a_time_are_spread_evenly(tmp_path):
    (coding,) = read_codings(write_eaf(tmp_path / "talk.eaf"))
    assert coding.tiers[0].starts.tolist() == [1.0, 2.0, 3.0]
    assert coding.tiers[0].stops.tolist() == [2.0, 3.0, 4.0]


def test_annotations_of_elan_that_divide_a_parent_share_its_time(tmp_path):
    (coding,) = read_codings(write_eaf(tmp_path / "talk.eaf", children=CHILDREN))
    assert coding.tiers[1].starts.tolist() == [1.0, 1.5] and coding.tiers[1].values == ("w1", "w2")


def test_the_time_origin_of_elan_is_added(tmp_path):
    (coding,) = read_codings(write_eaf(tmp_path / "talk.eaf", origin='TIME_ORIGIN="250"'))
    assert coding.tiers[0].starts.tolist() == [1.25, 2.25, 3.25]


def test_the_clip_of_elan_is_the_video_of_several_linked_files(tmp_path):
    path = write_eaf(tmp_path / "talk.eaf", origin='TIME_ORIGIN="250"')
    sound = '<MEDIA_DESCRIPTOR MEDIA_URL="file:///talk.wav" MIME_TYPE="audio/x-wav"/>'
    path.write_text(path.read_text().replace("<MEDIA_DESCRIPTOR", f"{sound}<MEDIA_DESCRIPTOR"))
    (coding,) = read_codings(path)
    assert coding.clip == "talk.mp4" and coding.tiers[0].starts[0] == 1.25
    path.write_text(re.sub('<MEDIA_DESCRIPTOR MEDIA_URL="file:///talk.mp4".*?/>', "", path.read_text()))
    assert read_codings(path)[0].clip == "talk.wav"


@pytest.mark.parametrize("layout", ["long_textgrid", "short_textgrid"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_textgrids_in_both_layouts_and_encodings_are_equal(tmp_path, layout, encoding):
    marks = [("Ausdruck", 0.25, 0.5, 'sagt "fröhlich" 3'), ("AU12", 0.0, 1.0, "1")]
    path = write_praat(tmp_path / "talk.TextGrid", marks, layout)
    path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    (coding,) = read_codings(path)
    assert marks_of(coding) == marks and coding.tiers[0].span == (0.0, 2.0)


def test_points_of_praat_have_no_duration(tmp_path):
    textgrid = pytest.importorskip("praatio.textgrid", reason="praatio comes with the test extras")
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.PointTier("valence", [(0.5, "0.25"), (1.5, "0.75")], 0, 2))
    grid.save(str(tmp_path / "a.TextGrid"), format="long_textgrid", includeBlankSpaces=True)
    (coding,) = read_codings(tmp_path / "a.TextGrid")
    assert marks_of(coding) == [("valence", 0.5, 0.5, "0.25"), ("valence", 1.5, 1.5, "0.75")]


def test_the_time_offset_of_boris_is_subtracted(tmp_path):
    (plain,) = read_codings(write_boris_project(tmp_path / "a.boris"))
    (shifted,) = read_codings(write_boris_project(tmp_path / "b.boris", offset=12.5))
    assert marks_of(shifted) == marks_of(plain)


def test_a_compressed_project_of_boris_is_read(tmp_path):
    plain = write_boris_project(tmp_path / "a.boris")
    (tmp_path / "a.boris_gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert marks_of(read_codings(tmp_path / "a.boris_gz")[0]) == marks_of(read_codings(plain)[0])


def test_the_export_of_boris_before_version_8_has_facts_above_its_header(tmp_path):
    rows = ["Observation id\tfirst", "Media file(s)\t", "Time offset (s)\t1.0", "variable\tvalue"]
    rows += ["Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tComment\tStatus"]
    rows += [
        "3.300\tv/talk.mp4\t9.0\t25.0\tAnna\tAU12\t\t\tSTART",
        "7.750\tv/talk.mp4\t9.0\t25.0\tAnna\tAU12\t\t\tSTOP",
    ]
    (tmp_path / "old.tsv").write_text("\n".join(rows) + "\n")
    (coding,) = read_codings(tmp_path / "old.tsv")
    assert marks_of(coding) == [("AU12", 2.3, 6.75, "")] and coding.clip == "talk.mp4"
    assert coding.subjects == ("Anna",)


def test_an_observation_of_several_media_files_is_left_out(tmp_path):
    path = write_boris_project(tmp_path / "a.boris")
    content = json.loads(path.read_text())
    content["observations"]["two"] = {"file": {"1": ["a.mp4", "b.mp4"]}, "events": [[0.0, "", "AU12", "", ""]]}
    path.write_text(json.dumps(content))
    with pytest.warns(AvferWarning, match="'two' runs over 2 media files"):
        assert len(read_codings(path)) == 1


def project_of(path, events, **observation):
    """Return a project with one observation of a.mp4; AU12 and expression are states."""
    content = json.loads(write_boris_project(path, MARKS, clip="a.mp4").read_text())
    content["observations"]["first"] |= {"events": events, **observation}
    path.write_text(json.dumps(content))
    return path


def test_states_of_two_subjects_and_of_two_modifiers_run_at_the_same_time(tmp_path):
    events = [
        *([1.0, "Anna", "AU12", "a"], [2.0, "Ben", "AU12", "a"], [3.0, "Anna", "AU12", "a"], [4.0, "Ben", "AU12", "a"]),
        *([5.0, "Ben", "AU12", "b"], [6.0, "Ben", "AU12", "c"], [7.0, "Ben", "AU12", "b"], [8.0, "Ben", "AU12", "c"]),
    ]
    (coding,) = read_codings(project_of(tmp_path / "a.boris", events))
    marks = {tier.subject: [*zip(tier.starts, tier.stops, tier.values, strict=True)] for tier in coding.tiers}
    assert marks == {"Anna": [(1, 3, "a")], "Ben": [(2, 4, "a"), (5, 7, "b"), (6, 8, "c")]}


def test_modifiers_that_were_not_chosen_are_no_value(tmp_path):
    events = [[float(i), "", "expression", value] for i, value in enumerate(["None| happy ", "None| happy ", "", ""])]
    (coding,) = read_codings(project_of(tmp_path / "a.boris", events))
    assert coding.tiers[0].values == ("happy", "")


def test_an_observation_of_pictures_is_left_out(tmp_path):
    path = project_of(tmp_path / "a.boris", [[0.0, "", "AU12", ""], [1.0, "", "AU12", ""]], type="IMAGES")
    with (
        pytest.warns(AvferWarning, match="observation 'first' is of pictures: left out"),
        pytest.raises(DatasetError, match="no tier with any mark"),
    ):
        read_codings(path)


def test_a_state_may_start_in_an_export_when_the_one_before_stops(tmp_path):
    path = write_boris_tabular(tmp_path / "a.tsv", [("AU12", 0.5, 1.5, ""), ("AU12", 1.5, 2.0, "")])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1], lines[3], lines[2], lines[4]]) + "\n")  # the start comes first
    (coding,) = read_codings(path)
    assert marks_of(coding) == [("AU12", 0.5, 1.5, ""), ("AU12", 1.5, 2.0, "")]


@pytest.mark.parametrize("name", ["talk.boris", "talk.tsv", "aggregated.csv"])
def test_a_state_of_boris_that_stops_when_it_starts_is_left_out(tmp_path, name):
    whole = [("AU12", 0.5, 1.5, ""), ("AU12", 1.75, 2.0, "")]
    empty = [("AU12", 0.25, 0.25, ""), ("AU12", 1.5, 1.5, ""), ("AU04", 1.0, 1.0, "")]
    (coding,) = read_codings(WRITERS[name](tmp_path / name, [*whole, *empty]))
    assert marks_of(coding) == [(tier, start, stop, value) for tier, start, stop, value in whole]


def test_an_export_of_an_observation_with_two_media_files_is_left_out(tmp_path):
    path = write_boris_tabular(tmp_path / "a.tsv", [("AU12", 0.5, 1.5, ""), ("AU01", 0.5, 1.5, "")])
    lines = path.read_text().replace("talk.mp4", "second.mp4", 1).splitlines()
    lines[1] = lines[1].replace("\ttalk.mp4\t", "\tsecond.mp4\t")
    path.write_text("\n".join(lines) + "\n")
    with (
        pytest.warns(AvferWarning, match="'first' runs over 2 media files"),
        pytest.raises(DatasetError, match="no tier with any mark"),
    ):
        read_codings(path)


def test_an_empty_cell_of_a_table_of_times_is_no_mark(tmp_path):
    (tmp_path / "a.csv").write_text("time_s,valence,au12\n0.0,0.5,\n0.1,,1\n")
    (coding,) = read_codings(tmp_path / "a.csv")
    assert marks_of(coding) == [("valence", 0.0, 0.0, "0.5"), ("au12", 0.1, 0.1, "1")]


def test_a_table_of_times_has_a_tier_of_points_for_each_column(tmp_path):
    (tmp_path / "a.csv").write_text("clip;time_s;valence;AU12\nv/a.mp4;0,0;0.5;1\n".replace("0,0", "0.0"))
    (coding,) = read_codings(tmp_path / "a.csv")
    assert marks_of(coding) == [("valence", 0.0, 0.0, "0.5"), ("au12", 0.0, 0.0, "1")] and coding.clip == "a.mp4"


def test_a_csv_of_several_clips_gives_a_coding_for_each(tmp_path):
    (tmp_path / "a.csv").write_text("clip,tier,start,end,label\na.mp4,AU12,0,1,\nb.mp4,AU12,1,,1\n")
    codings = read_codings(tmp_path / "a.csv")
    assert [(coding.clip, *marks_of(coding)) for coding in codings] == [
        ("a.mp4", ("AU12", 0.0, 1.0, "")),
        ("b.mp4", ("AU12", 1.0, 1.0, "1")),
    ]


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>\n<ANNOTATION_DOCUMENT>&b;</ANNOTATION_DOCUMENT>'
DEEP = "[" * 200_000
HOSTILE = {
    "bomb.eaf": (BOMB, "document type"),
    "cut.eaf": ("<ANNOTATION_DOCUMENT><TIER", "not valid XML"),
    "encoding.eaf": ('<?xml version="1.0" encoding="klingon"?><a/>', "not valid XML"),
    "empty.eaf": ("", "not valid XML"),
    "other.eaf": ("<html/>", "must be an <ANNOTATION_DOCUMENT> of ELAN, got <html>"),
    "no_tiers.eaf": ("<ANNOTATION_DOCUMENT/>", "no tier with any mark"),
    "slots.eaf": (EAF.format(origin="", annotations=ALIGNED, children="").replace("ts4", "ts9", 1), "'ts4' is missing"),
    "circle.eaf": (EAF.format(origin="", annotations="", children=CHILDREN), "missing or circular"),
    "time.eaf": (EAF.format(origin="", annotations="", children="").replace("4000", "4 s"), "whole milliseconds"),
    "text.TextGrid": ("This is a text.", "ends before the file type"),
    "other.TextGrid": ('File type = "ooTextFile"\nObject class = "Pitch 1"', "not a TextGrid"),
    "cut.TextGrid": ('File type = "ooTextFile"\nObject class = "TextGrid"\n0 2 <exists> 1\n"Interval', "ends before"),
    "kind.TextGrid": ('"ooTextFile"\n"TextGrid"\n0\n"two"', "line 4: the end must be a number, got 'two'"),
    "none.TextGrid": ('"ooTextFile" "TextGrid" 0 2 <absent>', "no tier with any mark"),
    "deep.boris": (DEEP, "not a project of BORIS"),
    "list.boris": ("[]", "not a project of BORIS"),
    "events.boris": ('{"observations": {"a": {"events": [[1]]}}}', "an event must have a time"),
    "ethogram.boris": ('{"observations": {"a": {"events": [[1, "", "p", ""]]}}}', "'p' is not in the ethogram"),
    "text.boris_gz": ("not compressed", "cannot be read"),
    "other.csv": ("name,age\na,3\n", "the header is neither"),
    "empty.csv": ("", "the header is neither"),
    "time.csv": ("tier,start,stop,value\nAU12,one,2,\n", "line 2, start: 'one' is not a number"),
    "missing.csv": ("tier,start,stop,value\nAU12,,2,\n", "line 2, start: the time is missing"),
    "back.csv": ("tier,start,stop,value\nAU12,3,2,\n", "must stop after its start, got 3 s to 2 s"),
    "twice.csv": ("tier,start,stop,end\nAU12,1,2,3\n", "same meaning"),
    "film.mp4": ("", "'.mp4' is not the ending of a coding"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_cannot_be_read_is_named_with_the_problem(tmp_path, name):
    content, problem = HOSTILE[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(DatasetError) as caught:
        read_codings(tmp_path / name)
    assert problem in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("name", ["a.eaf", "a.TextGrid", "a.boris", "a.csv"])
def test_bytes_of_another_encoding_are_an_error(tmp_path, name):
    (tmp_path / name).write_bytes(b'"ooTextFile" "tier","start","\xff\xe4\xfc"')
    with pytest.raises(DatasetError, match=name):
        read_codings(tmp_path / name)


def test_a_file_that_is_too_large_or_missing_is_an_error(tmp_path, monkeypatch):
    path = write_elan(tmp_path / "talk.eaf")
    monkeypatch.setattr("avfer.codings.MAX_BYTES", 100)
    with pytest.raises(DatasetError, match="must be at most 100 bytes"):
        read_codings(path)
    with pytest.raises(DatasetError, match=r"none\.eaf cannot be read"):
        read_codings(tmp_path / "none.eaf")
    with pytest.raises(DatasetError, match="is not a file"):
        read_codings(tmp_path)


def test_a_compressed_project_that_expands_without_end_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("avfer.codings.boris.MAX_JSON", 1000)
    (tmp_path / "a.boris_gz").write_bytes(gzip.compress(b" " * 10_000))
    with pytest.raises(DatasetError, match="at most 1000 bytes"):
        read_codings(tmp_path / "a.boris_gz")


@pytest.mark.parametrize("kept, problem", [(0, "never stops"), (1, "without a start")])
def test_a_state_of_boris_that_does_not_start_or_stop_is_an_error(tmp_path, kept, problem):
    path = write_boris_tabular(tmp_path / "a.tsv", [("AU12", 0.5, 1.5, "")])
    rows = path.read_text().splitlines()
    path.write_text("\n".join([rows[0], rows[1 + kept]]) + "\n")
    with pytest.raises(DatasetError, match=problem):
        read_codings(path)


def test_an_unknown_format_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="unknown coding 'elann'"):
        read_codings(write_boris_project(tmp_path / "a.boris"), "elann")

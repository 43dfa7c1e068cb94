"""Files of programs for annotation and recordings, read back by their own or independent readers."""

import gzip
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import webvtt
from praatio import data_points, textgrid
from pympi.Elan import Eaf

from avfer.codings.elan import ElanFormat
from avfer.codings.praat import PraatFormat
from avfer.export import find_exporter
from avfer.export.exporters import bids_recording
from avfer.export.person_rows import clips_of
from avfer.export.table_segments import EVENTS, read_kinds
from tests.export.exporter_tables import (
    TWO,
    every_table,
    expected_segments,
    write,
)


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


def milliseconds(clock: str) -> int:
    """Return the time of "00:01:02.500" in ms."""
    hours, minutes, seconds = clock.split(":")
    return round(1000 * (3600 * int(hours) + 60 * int(minutes) + float(seconds)))


@every_table
def test_bids_has_every_instant_and_a_sidecar_with_its_columns(tmp_path, table):
    path = write("bids", table, tmp_path)
    clip = clips_of(table)[0]
    for number, person in enumerate(clip.people):
        own = bids_recording._person_path(path, person, number)
        sidecar = json.loads((tmp_path / own.name.replace(".tsv.gz", ".json")).read_text())
        frame = pd.read_csv(own, sep="\t", header=None, names=sidecar["Columns"], na_values="n/a")
        np.testing.assert_allclose(frame["timestamp"], clip.starts, atol=5e-7)
        if "arousal" in frame:
            known = np.isin(clip.starts, person.starts)
            np.testing.assert_allclose(frame["arousal"][known], person.numbers("arousal"), rtol=1e-6)
            assert frame["arousal"][~known].isna().all()
        assert sidecar["StartTime"] == 0 and sidecar["SamplingFrequency"] > 0


def test_the_second_person_of_bids_has_a_recording_label(tmp_path):
    exporter = find_exporter("bids")
    path = tmp_path / "sub-01_task-talk_recording-face_physio.tsv.gz"
    exporter.write(TWO, Path("talk.mp4"), path)
    names = {"sub-01_task-talk_recording-face_physio", "sub-01_task-talk_recording-faceperson2_physio"}
    assert {file.name for file in tmp_path.iterdir()} == {name + end for name in names for end in (".tsv.gz", ".json")}
    assert gzip.decompress(path.read_bytes()).count(b"\n") == 60


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

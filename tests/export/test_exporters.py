"""The files of exporters, read back by the programs' own or independent readers."""

import gzip
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyreadstat
import pytest
import webvtt
from praatio import data_points, textgrid
from pympi.Elan import Eaf

from avfer.codings.elan import ElanFormat
from avfer.codings.praat import PraatFormat
from avfer.errors import ConfigError, DatasetError
from avfer.export import HasSideFiles, find_exporter
from avfer.export.exporters import bids_recording, fex_table, openface_table
from avfer.export.person_rows import clips_of
from avfer.export.table_segments import EVENTS, find_segments, read_kinds
from tests.export.exporter_tables import HOSTILE, TABLES, TWO, make_table, numbers

EXPORTERS = ("openface", "fex", "elan", "praat", "boris", "webvtt", "bids", "csv", "xlsx", "spss", "segments")
TABULAR = {"csv", "xlsx", "spss", "openface", "fex"}
every_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def write(name: str, table: pa.Table, folder: Path, **options: object) -> Path:
    exporter = find_exporter(name, options)
    path = folder / f"talk{exporter.suffix}"
    exporter.write(table, folder / table["clip"][0].as_py(), path)
    sides = exporter.side_files(table, path) if isinstance(exporter, HasSideFiles) else []
    assert sorted(folder.iterdir()) == sorted([path, *sides]), "every file is announced, and no temporary one is left"
    return path


def expected_segments(table: pa.Table) -> dict[str, list[tuple[float, float, str]]]:
    """Return "person 1 smile" -> (start, stop, label) of the segments."""
    return {
        f"{person.label} {name}": [(one.start, one.stop, one.label) for one in found]
        for person in clips_of(table)[0].people
        for name, kind in EVENTS.items()
        if (found := find_segments(person, name, kind)) is not None
    }


@every_table
@pytest.mark.parametrize("name", EXPORTERS)
def test_every_table_can_be_exported(tmp_path, name, table):
    if name == "boris" and table is TABLES["no face"]:
        with pytest.raises(DatasetError, match="no numbers in valence, arousal"):
            write(name, table, tmp_path)
        return
    assert write(name, table, tmp_path).stat().st_size


@every_table
def test_openface_has_its_columns_and_our_values(tmp_path, table):
    frame = pd.read_csv(write("openface", table, tmp_path))
    assert list(frame.columns) == list(openface_table.COLUMNS) and len(frame.columns) == 714
    assert frame["frame"].tolist() == [index + 1 for index in table["frame"].to_pylist()]
    np.testing.assert_allclose(frame["timestamp"], numbers(table, "time_s"), atol=5e-7)
    np.testing.assert_allclose(frame["confidence"], numbers(table, "face_score"), rtol=1e-6)
    np.testing.assert_allclose(frame["AU12_r"], numbers_or_nan(table, "au12"), rtol=1e-6)
    assert frame["success"].tolist() == table["has_face"].cast(pa.int8()).to_pylist()
    assert frame[["x_0", "pose_Tx", "gaze_0_x", "p_33", "AU12_c"]].isna().all(axis=None)


def numbers_or_nan(table: pa.Table, column: str) -> np.ndarray:
    return numbers(table, column) if column in table.column_names else np.full(len(table), np.nan)


def test_openface_angles_have_the_signs_of_openface(tmp_path):
    frame = pd.read_csv(write("openface", TWO, tmp_path))
    pairs = {"pose_Rx": -numbers(TWO, "pitch_deg"), "pose_Ry": -numbers(TWO, "yaw_deg")}
    pairs |= {"pose_Rz": numbers(TWO, "roll_deg"), "gaze_angle_x": numbers(TWO, "gaze_yaw_deg")}
    for name, degrees in (pairs | {"gaze_angle_y": -numbers(TWO, "gaze_pitch_deg")}).items():
        np.testing.assert_allclose(frame[name], np.radians(degrees), rtol=1e-6)


def test_the_note_of_openface_lists_blank_columns_and_states_the_scale(tmp_path):
    write("openface", TWO, tmp_path)
    note = (tmp_path / "talk.openface.note.txt").read_text()
    assert "x_0 to x_67" in note and "AU09_r" in note and "AU12_r" not in note.split("Blank columns")[1]
    assert "activation, a measured movement, in [0, 1]" in note and "AUxx_c: blank" in note


@pytest.mark.parametrize(("scale", "threshold"), [("occurrence", None), ("activation", 0.3)])
def test_openface_presence_is_decided_by_a_stated_threshold(tmp_path, scale, threshold):
    table = TWO.replace_schema_metadata({"au_scale": scale})
    frame = pd.read_csv(write("openface", table, tmp_path, **({"presence": threshold} if threshold else {})))
    assert frame["AU12_c"].tolist() == (numbers(TWO, "au12") >= (threshold or 0.5)).astype(int).tolist()
    assert frame["AU12_r"].isna().all() == (scale == "occurrence")
    assert f"1 from {threshold or 0.5:g}" in (tmp_path / "talk.openface.note.txt").read_text()


@every_table
def test_fex_has_the_columns_of_py_feat_and_our_values(tmp_path, table):
    frame = pd.read_csv(write("fex", table, tmp_path))
    assert list(frame.columns) == list(fex_table.COLUMNS)
    assert frame["frame"].tolist() == table["frame"].to_pylist()
    minutes = [60 * int(text[:2]) + float(text[3:]) for text in frame["approx_time"]]
    np.testing.assert_allclose(minutes, numbers(table, "time_s"), atol=5e-4 + 1e-9)
    np.testing.assert_allclose(frame["happiness"], numbers(table, "p_happiness"), rtol=1e-6)
    width = numbers(table, "face_x2") - numbers(table, "face_x1")
    np.testing.assert_allclose(frame["FaceRectWidth"], width, rtol=1e-6)


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
def test_csv_with_semicolons_and_decimal_commas_has_all_values(tmp_path, table):
    path = write("csv", table, tmp_path, delimiter="semicolon", decimal="comma")
    frame = pd.read_csv(path, sep=";", decimal=",")
    assert list(frame.columns) == table.column_names
    for name in ("time_s", "valence", "arousal"):
        np.testing.assert_allclose(frame[name].astype(float), numbers(table, name), rtol=1e-6, atol=1e-12)


@every_table
def test_xlsx_read_by_another_library_has_all_values(tmp_path, table):
    book = openpyxl.load_workbook(write("xlsx", table, tmp_path))
    header, *rows = book["table"].iter_rows(values_only=True)
    assert list(header) == table.column_names and len(rows) == len(table)
    for name, values in zip(header, zip(*rows, strict=True), strict=True):
        expected = table[name].to_pylist()
        if pa.types.is_floating(table[name].type):
            expected, values = numbers(table, name), np.array(values, float)
            np.testing.assert_allclose(values, expected, rtol=1e-7)
        else:
            assert list(values) == expected
    assert [row[0].value for row in book["columns"].iter_rows(min_row=2)] == table.column_names


@every_table
def test_spss_has_all_values_and_variable_labels(tmp_path, table):
    frame, meta = pyreadstat.read_sav(write("spss", table, tmp_path))
    assert list(frame.columns) == table.column_names
    for name in ("time_s", "track", "valence"):
        np.testing.assert_allclose(frame[name].astype(float), numbers(table, name), rtol=1e-6)
    assert frame["has_face"].tolist() == table["has_face"].to_pylist()
    assert frame["clip"].tolist() == table["clip"].to_pylist()
    assert meta.column_names_to_labels["valence"] == "Valence, negative to positive"
    assert meta.variable_value_labels["has_face"] == {0: "no", 1: "yes"}


@every_table
def test_segments_are_listed_with_the_rules_that_found_them(tmp_path, table):
    frame = pd.read_csv(write("segments", table, tmp_path, events=read_kinds(["smile.on=0.5"])))
    wanted = [one for segments in expected_segments(table).values() for one in segments]
    assert frame[["label"]].to_numpy().ravel().tolist() == [label for *_, label in wanted]
    times = np.array([one[:2] for one in wanted]).reshape(-1, 2)
    np.testing.assert_allclose(frame[["start_s", "stop_s"]].to_numpy(float), times, atol=5e-7)
    rules = json.loads((tmp_path / "talk.segments.rules.json").read_text())
    assert rules["smile"]["on"] == 0.5 and set(rules) == set(EVENTS)


def test_a_formula_in_a_cell_appears_as_text(tmp_path):
    table = TABLES["hostile clip name"]
    for name, column in (("csv", "clip"), ("fex", "input"), ("segments", "clip")):
        (tmp_path / name).mkdir()
        cells = pd.read_csv(write(name, table, tmp_path / name))[column]
        assert set(cells) == {f"'{HOSTILE}"}
    (tmp_path / "xlsx").mkdir()
    cell = openpyxl.load_workbook(write("xlsx", table, tmp_path / "xlsx"))["table"]["A2"]
    assert cell.value == HOSTILE and cell.data_type == "s" and cell.hyperlink is None


def test_the_rules_of_events_can_be_changed(tmp_path):
    events = read_kinds(["smile.on=0.99", "smile.off=0.98"])
    assert len(pd.read_csv(write("segments", TWO, tmp_path, events=events))) < len(
        [one for segments in expected_segments(TWO).values() for one in segments]
    )


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("csv", {"decimal": "comma"}, "a comma needs another delimiter"),
        ("csv", {"delimiter": "|"}, "delimiter: must be 'comma', 'semicolon' or 'tab', got '|'"),
        ("csv", {"separator": "tab"}, "separator"),
        ("openface", {"presence": 2}, "presence: must be in [0, 1], got 2"),
        ("boris", {"columns": 3}, "columns: must be a list"),
    ],
)
def test_a_wrong_option_is_a_config_error(name, options, message):
    with pytest.raises(ConfigError) as error:
        find_exporter(name, options)
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["elan", "praat", "boris", "webvtt", "bids"])
def test_a_table_of_several_clips_or_without_rows_is_refused(tmp_path, name):
    several = pa.concat_tables([TWO, make_table([0.0], [(0, 1)], clip="other.mp4")])
    for table, message in ((several, "2 clips"), (TWO.slice(0, 0), "no rows")):
        with pytest.raises(ConfigError, match=message):
            find_exporter(name).write(table, Path("talk.mp4"), tmp_path / "a.x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", EXPORTERS)
def test_an_error_while_writing_leaves_the_existing_file(tmp_path, name, monkeypatch):
    exporter = find_exporter(name)
    path = tmp_path / f"talk{exporter.suffix}"
    path.write_text("mine")

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(Exception, match="No space left"):
        exporter.write(TWO, Path("talk.mp4"), path)
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]

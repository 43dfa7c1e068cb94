"""Tables of other programs, read back by independent readers."""

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyreadstat
import pytest

from avfer.errors import ConfigError
from avfer.export.exporters import fex_table, openface_table
from avfer.export.exporters.spss_data import variable_names
from avfer.export.text_cells import column_cells
from tests.export.exporter_tables import HOSTILE, TABLES, TWO, every_table, make_table, numbers, write


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
    assert frame["AU12_c"].tolist() == (numbers(TWO, "au12") > (threshold or 0.5)).astype(int).tolist()
    assert frame["AU12_r"].isna().all() == (scale == "occurrence")
    assert f"1 above {threshold or 0.5:g}" in (tmp_path / "talk.openface.note.txt").read_text()


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


def test_a_formula_in_a_cell_appears_as_text(tmp_path):
    table = TABLES["hostile clip name"]
    for name, column in (("csv", "clip"), ("fex", "input"), ("segments", "clip")):
        (tmp_path / name).mkdir()
        cells = pd.read_csv(write(name, table, tmp_path / name))[column]
        assert set(cells) == {f"'{HOSTILE}"}
    (tmp_path / "xlsx").mkdir()
    cell = openpyxl.load_workbook(write("xlsx", table, tmp_path / "xlsx"))["table"]["A2"]
    assert cell.value == HOSTILE and cell.data_type == "s" and cell.hyperlink is None


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_cell_that_begins_like_a_formula_has_an_apostrophe(start):
    assert column_cells(pa.chunked_array([[f"{start}1", f"1{start}"]])) == [f"'{start}1", f"1{start}"]


def with_column(values: list[object], kind: pa.DataType) -> pa.Table:
    """Return a table of two rows with a column "note" of the user's own manifest."""
    return make_table([0.0, 0.04], [(0, 1), (1, 1)]).append_column("note", pa.array(values, kind))


def test_nan_in_a_column_of_the_user_is_a_missing_value(tmp_path):
    table = with_column([float("nan"), 0.5], pa.float64())
    assert pd.read_csv(write("csv", table, tmp_path), keep_default_na=False)["note"].tolist() == ["", "0.5"]
    (tmp_path / "xlsx").mkdir()
    sheet = openpyxl.load_workbook(write("xlsx", table, tmp_path / "xlsx"))["table"]
    assert [sheet.cell(row, sheet.max_column).value for row in (2, 3)] == [None, 0.5]


def test_text_with_control_characters_and_line_breaks_is_whole(tmp_path):
    table = with_column(["a\0b", "\n=1+1"], pa.string())
    frame, _ = pyreadstat.read_sav(write("spss", table, tmp_path))
    assert frame["note"].tolist() == ["a\ufffdb", "\n=1+1"]
    (tmp_path / "csv").mkdir()
    assert pd.read_csv(write("csv", table, tmp_path / "csv"))["note"].tolist()[1] == "'\n=1+1"


def replaced(table: pa.Table, **columns: list[float | int | None]) -> pa.Table:
    """Return a table with other values in some columns."""
    for name, values in columns.items():
        index = table.column_names.index(name)
        table = table.set_column(index, name, pa.array(values, table.schema.field(name).type))
    return table


def test_a_row_of_fex_has_each_value_in_its_column(tmp_path):
    table = replaced(make_table([62.5, -0.04], [(0, 1), (1, None)]), face_y2=[50, None], eye_closed=[0.25, None])
    first, second = pd.read_csv(write("fex", table, tmp_path), dtype=str).to_dict("records")
    sides = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")
    assert [first[name] for name in sides] == ["10", "20", "20", "30"]
    assert (first["AU43"], first["approx_time"], first["Identity"]) == ("0.25", "01:02.500", "Person_1")
    for name, column in (("Pitch", "pitch_deg"), ("Roll", "roll_deg"), ("Yaw", "yaw_deg"), ("AU01", "au01")):
        assert float(first[name]) == pytest.approx(table[column][0].as_py(), rel=1e-6)
    assert second["approx_time"] == "-00:00.040" and second["Identity"] != second["Identity"]
    units = "01 02 04 05 06 07 09 10 11 12 14 15 17 20 23 24 25 26 28 43"
    assert fex_table.COLUMNS[147:167] == tuple(f"AU{unit}" for unit in units.split())


@pytest.mark.parametrize("name", ["fex", "openface"])
def test_rows_without_a_decoded_frame_are_left_out_and_counted(tmp_path, name):
    table = replaced(make_table([0.0, 0.1, 0.2], [(0, 1), (1, None), (2, None)]), frame=[0, None, 2])
    assert pd.read_csv(write(name, table, tmp_path))["frame"].tolist() == ([0, 2] if name == "fex" else [1, 3])
    note = (tmp_path / f"talk.{name}.note.txt").read_text()
    assert "Rows without a decoded frame (sound alone) are left out: 1." in note


def test_openface_presence_begins_above_its_threshold_and_is_blank_where_the_unit_is(tmp_path):
    table = make_table([0.0, 0.1, 0.2], [(0, 1), (1, 1), (2, 1)], scale="occurrence")
    table = replaced(table, au12=[0.51, 0.5, None], au01=[0.9, 0.1, 0.6])
    frame = pd.read_csv(write("openface", table, tmp_path), dtype=str)
    assert frame["AU12_c"].fillna("").tolist() == ["1", "0", ""]
    assert frame["AU01_c"].tolist() == ["1", "0", "1"]


def test_openface_has_the_person_of_a_face_if_every_face_has_one(tmp_path):
    table = make_table([0.0, 0.1], [(0, 1), (1, 2)])
    assert pd.read_csv(write("openface", table, tmp_path))["face_id"].tolist() == [1, 2]
    some = replaced(table, person=[1, None])
    assert pd.read_csv(write("openface", some, tmp_path))["face_id"].tolist() == [11, 12]


def test_openface_has_the_action_units_of_its_csv_in_their_order():
    units = ["01", "02", "04", "05", "06", "07", "09", "10", "12", "14", "15", "17", "20", "23", "25", "26", "45"]
    assert openface_table.COLUMNS[-35:-18] == tuple(f"AU{unit}_r" for unit in units)
    assert openface_table.COLUMNS[-18:] == tuple(f"AU{unit}_c" for unit in [*units[:-1], "28", "45"])


def test_consecutive_blank_columns_are_one_range_of_the_note():
    assert openface_table._ranges(["x_0", "x_1", "x_3", "y_4", "AU09_r"]) == ["x_0 to x_1", "x_3", "y_4", "AU09_r"]


def test_a_decimal_comma_is_in_every_number_with_a_fraction(tmp_path):
    table = replaced(make_table([0.5], [(0, 1)]), valence=[-0.25], face_x1=[3])
    path = write("csv", table, tmp_path, delimiter="semicolon", decimal="comma")
    assert path.read_bytes().startswith(b"\xef\xbb\xbfclip;")  # the mark by which Excel knows UTF-8
    header, row = path.read_text("utf-8-sig").splitlines()
    cells = dict(zip(header.split(";"), row.split(";"), strict=True))
    assert [cells[name] for name in ("time_s", "valence", "face_x1", "frame")] == ["0,5", "-0,25", "3", "0"]


def test_texts_are_cut_to_what_other_programs_take(tmp_path):
    table = with_column(["x" * 40_000, "b"], pa.string()).rename_columns({"note": "x" + "\u00e9" * 200})
    sheet = openpyxl.load_workbook(write("xlsx", table, tmp_path))["table"]
    assert len(sheet.cell(2, sheet.max_column).value) == 32_767
    (tmp_path / "spss").mkdir()
    _, meta = pyreadstat.read_sav(write("spss", table, tmp_path / "spss"))
    assert meta.column_labels[-1] == "x" + "\u00e9" * 127  # 255 bytes: the next character has two


def test_times_of_the_list_of_segments_have_six_decimals_at_most(tmp_path):
    frame = pd.read_csv(write("segments", TWO, tmp_path), dtype=str)
    for name in ("start_s", "stop_s", "duration_s", "peak_s"):
        assert frame[name].dropna().str.fullmatch(r"\d+(\.\d{1,6})?").all(), name


def test_variables_of_spss_have_different_names_that_it_takes():
    names = variable_names(["a b", "a_b", "A-B", "2nd", "not", "\u00e9", "x" * 80])
    assert names == ["a_b", "a_b_2", "A_B_3", "v_2nd", "v_not", "v", "x" * 60]


def test_numbers_of_spss_are_the_shortest_decimals_and_angles_state_their_unit(tmp_path):
    table = replaced(make_table([0.0], [(0, 1)]), valence=[0.3])
    frame, meta = pyreadstat.read_sav(write("spss", table, tmp_path))
    assert frame["valence"].tolist() == [0.3]
    assert meta.column_names_to_labels["yaw_deg"].endswith(" (deg)")


def test_a_file_of_spss_has_the_old_compression_and_shows_enough_decimals(tmp_path):
    path = write("spss", with_column([1, None], pa.int64()), tmp_path)
    assert path.read_bytes().startswith(b"$FL2")  # $FL3 is a .zsav
    shown = pyreadstat.read_sav(path)[1].original_variable_types
    assert [shown[name] for name in ("time_s", "valence", "person", "has_face", "note")] == [
        *("F16.6", "F12.4", "F8.0", "F8.0", "F8.0"),
    ]


def test_a_workbook_states_ranges_and_origin_and_is_equal_for_equal_values(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    table = replaced(make_table([0.0], [(0, 1)]), valence=[0.3])
    first, second = (write("xlsx", table, tmp_path / name) for name in ("a", "b"))
    book = openpyxl.load_workbook(first)
    assert book["table"].freeze_panes == "A2"
    column = table.column_names.index("valence")
    assert book["table"].cell(2, column + 1).value == 0.3
    assert [cell.value for cell in book["columns"][column + 2]][3:] == [-1, 1]
    about = dict(book["about"].iter_rows(min_row=2, values_only=True))
    assert (about["clip"], about["version"]) == ("talk.mp4", "0.1.0")
    assert book.properties.created.year == 2000 and first.read_bytes() == second.read_bytes()


def test_a_table_with_more_rows_than_excel_takes_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("avfer.export.exporters.xlsx_workbook.MAX_ROWS", 59)
    with pytest.raises(ConfigError, match="has 85 rows, and Excel takes 59; export csv instead"):
        write("xlsx", TWO, tmp_path)


def test_a_csv_with_tabs_has_the_header_as_text(tmp_path):
    table = make_table([0.0], [(0, 1)]).append_column("=1+1", pa.array([2.0], pa.float64()))
    header, row = write("csv", table, tmp_path, delimiter="tab").read_text().splitlines()
    assert header.split("\t")[-1] == "'=1+1" and row.split("\t")[-1] == "2"

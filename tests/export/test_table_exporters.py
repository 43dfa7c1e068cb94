"""Tables of other programs, read back by independent readers."""

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyreadstat
import pytest

from avfer.export.exporters import fex_table, openface_table
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

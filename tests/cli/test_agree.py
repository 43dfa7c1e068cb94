"""avfer agree prints the scores as a table, one JSON object, or the path of a file."""

import csv
import json

import pytest

from tests.codings.made import write_boris_project, write_csv
from tests.evaluation.coded_tables import make_table, save_table


@pytest.fixture
def table(tmp_path):
    return save_table(tmp_path / "talk.parquet")


@pytest.fixture
def coding(tmp_path):
    return write_boris_project(tmp_path / "talk.boris")


def test_the_scores_are_a_table_on_standard_output(avfer, table, coding):
    done = avfer("agree", table, coding)
    lines = [line.split() for line in done.out.splitlines()]
    assert done.code == 0
    assert lines[0] == ["column", "measure", "value", "low", "high", "clips", "moments", "unpredicted"]
    assert ["expression", "kappa", "0.750", "–", "–", "1", "40", "0"] in lines
    assert ["au12", "f1", "0.571", "–", "–", "1", "50", "0"] in lines
    assert "avfer: warning: one clip has no interval" in done.err and "threshold:" in done.err


def test_a_narrow_terminal_cuts_no_number(avfer, table, coding, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert "unpredicted" in avfer("agree", table, coding).out


def test_json_is_one_object_without_nan(avfer, table, coding):
    result = json.loads(avfer("agree", table, coding, "--json").out)
    (kappa,) = (row for row in result["scores"] if (row["column"], row["measure"]) == ("expression", "kappa"))
    assert kappa["value"] == pytest.approx(0.75) and kappa["low"] is None and result["outputs"] == []


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.md", "a.html"])
def test_a_result_is_written_in_the_format_of_its_ending(avfer, tmp_path, table, coding, name):
    path = tmp_path / "out" / name
    done = avfer("agree", table, coding, "--output", path)
    assert (done.code, done.out) == (0, f"{path}\n")
    text = path.read_text()
    assert "kappa" in text and "0.75" in text
    again = avfer("agree", table, coding, "--output", path)
    assert again.code == 2 and "exists" in again.err
    assert avfer("agree", table, coding, "--output", path, "--overwrite").code == 0


def test_the_csv_has_empty_cells_where_a_number_is_not_defined(avfer, tmp_path, table, coding):
    avfer("agree", table, coding, "--output", tmp_path / "a.csv")
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert {row["low"] for row in rows} == {""} and float(rows[0]["value"]) == pytest.approx(0.75)


@pytest.mark.parametrize(
    "arguments, problem",
    [
        (["--threshold", "2"], "--threshold: must be in [0, 1], got 2"),
        (["--offset", "nan"], "--offset: must be"),
        (["--map", "AU12"], "--map: must be TIER=COLUMN"),
        (["--output", "a.xlsx"], "unknown ending '.xlsx'"),
        (["--format", "elna"], "unknown coding 'elna'; did you mean 'elan'?"),
        (["--subject", "Anna"], "unknown subject 'Anna'"),
    ],
)
def test_a_wrong_option_is_a_usage_error(avfer, table, coding, arguments, problem):
    done = avfer("agree", table, coding, *arguments)
    assert done.code == 2 and problem in done.err and done.out == ""


def test_activations_without_a_threshold_are_a_usage_error(avfer, tmp_path, coding):
    table = save_table(tmp_path / "b.parquet", make_table(scale="activation"))
    done = avfer("agree", table, coding)
    assert done.code == 2 and "--threshold 0.5" in done.err
    assert avfer("agree", table, coding, "--threshold", "0.5").code == 0


def test_html_escapes_the_names_in_a_coding(avfer, tmp_path, table):
    name = "<img src=x onerror=alert(1)>"
    coding = write_csv(tmp_path / "talk.csv", [(name, 0.0, 1.0, "x"), ("AU01", 0.0, 1.0, "1")])
    done = avfer("agree", table, coding, "--map", f"{name}=AU12", "--output", tmp_path / "a.html")
    assert done.code == 0 and "<img" not in (tmp_path / "a.html").read_text()


def test_missing_files_are_usage_errors(avfer, tmp_path, table, coding):
    assert avfer("agree", tmp_path / "none.parquet", coding).code == 2
    assert avfer("agree", table, tmp_path / "none.eaf").code == 2
